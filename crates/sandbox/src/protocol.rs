//! Messages between the server, the launcher and the monitors: one packet each, descriptors beside it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One message: a spec with 4 KB of environment and long paths is a tenth of it.
const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Descriptors beside one message.
const DESCRIPTORS_MAX: usize = 8;

/// What the launcher is asked for. The reply socket is the first descriptor of each.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// A network namespace with its sockets.
    Network,
    /// A private file system of this size.
    Storage { size_mb: u32 },
    /// A sandbox.
    Spawn(Box<SpawnRequest>),
}

/// [`crate::Spec`] on the wire. Descriptors: reply socket, network namespace, storage, stdout, stderr, log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SpawnRequest {
    pub(crate) root: std::path::PathBuf,
    pub(crate) mounts: Vec<(std::path::PathBuf, std::path::PathBuf)>,
    pub(crate) command: Vec<Vec<u8>>,
    pub(crate) environment: Vec<Vec<u8>>,
    pub(crate) working_directory: std::path::PathBuf,
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_millis: Option<u64>,
    pub(crate) processes: u64,
    pub(crate) open_files: u64,
    pub(crate) log_descriptor: i32,
}

/// What a monitor tells on the status socket.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Status {
    /// The sandbox is set up and its command has been started.
    Started {
        /// Process 1 of the sandbox, as the host numbers it.
        pid: i32,
        /// Directory names below the control-group mounts, when there are any.
        group: Option<String>,
    },
    /// It could not be set up.
    Failed(crate::error::Failure),
    /// The command has ended and the whole tree is gone.
    Ended(Ended),
}

/// What is left of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// Raw wait status of the main command; `None` when it was never learnt.
    pub(crate) wait_status: Option<i32>,
    pub(crate) out_of_memory: bool,
    pub(crate) memory_peak_bytes: u64,
    pub(crate) cpu_time_us: u64,
}

/// Sends one message.
pub(crate) fn send<T: Serialize>(socket: impl AsFd, message: &T, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message; `None` when the other end has closed.
pub(crate) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MESSAGE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    let message = serde_json::from_slice(&bytes[..received.bytes]).map_err(io::Error::other)?;
    Ok(Some((message, descriptors)))
}
