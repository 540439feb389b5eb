//! What a sandbox is made from.

use std::ffi::CString;
use std::path::PathBuf;

/// A host directory shown read-only inside the sandbox.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Directory on the host.
    pub source: PathBuf,
    /// Where it appears inside, for example `/var/task`. The directory exists in the root.
    pub target: PathBuf,
}

/// Hard limits of one sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all processes together; beyond it the kernel kills the sandbox and nothing else.
    pub memory_bytes: u64,
    /// CPU time per second of wall time, in thousandths of one processor; `None` for no limit.
    pub cpu_millis: Option<u64>,
    /// Processes and threads.
    pub processes: u64,
    /// Open files per process.
    pub open_files: u64,
}

/// One sandboxed command.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Directory that becomes the read-only root.
    pub root: PathBuf,
    /// Read-only directories on top of it.
    pub mounts: Vec<Mount>,
    /// Program and arguments; the program is an absolute path inside the sandbox. Empty, with a control descriptor: the
    /// process is confined and waits for [`crate::Sandbox::take_control`] to bring its command.
    pub command: Vec<CString>,
    /// The whole environment, `NAME=value`.
    pub environment: Vec<CString>,
    /// Working directory inside the sandbox.
    pub working_directory: PathBuf,
    /// Hard limits.
    pub limits: Limits,
    /// Number of the descriptor that carries framed log records into a pipe; the command finds it open.
    pub log_descriptor: i32,
    /// Number of the descriptor that is one end of a socket to the server, see [`crate::Sandbox::take_control`]; `None`
    /// for no such socket.
    pub control_descriptor: Option<i32>,
}
