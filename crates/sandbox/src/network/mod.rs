//! A network namespace with nothing in it but `lo` and our sockets.
//!
//! Every IPv4 destination is local by one route, so every connection is delivered inside the namespace; one
//! nf_tables rule hands TCP to a destination that is not ours to the egress listener, which learns from the
//! accepted socket's own address where the function wanted to go. No interface, route or rule is ever made on
//! the host, so nothing can be left there, and it is the same without root.

mod netlink;
mod nft;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::{Failure, Step};

/// The address of everything that is ours inside the namespace.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 1);
/// The address that the function's own connections come from.
pub const SOURCE: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 2);
/// The Runtime API.
pub const RUNTIME_API: SocketAddrV4 = SocketAddrV4::new(ADDRESS, 9001);
/// The way back to Tindra.
pub const ENDPOINT: SocketAddrV4 = SocketAddrV4::new(ADDRESS, 4566);
/// The name server.
pub const DNS: SocketAddrV4 = SocketAddrV4::new(ADDRESS, 53);
/// The egress listener; only the rule leads to it.
const EGRESS_PORT: u16 = 9;
/// Connections that wait to be accepted on each listener.
const BACKLOG: i32 = 1024;

/// A network namespace and the sockets bound inside it. Dropped, it is gone.
#[derive(Debug)]
pub struct Network {
    pub(crate) namespace: OwnedFd,
    /// Listener of the Runtime API.
    pub runtime_api: TcpListener,
    /// Listener of the way back to Tindra.
    pub endpoint: TcpListener,
    /// Questions to the name server.
    pub dns_udp: UdpSocket,
    /// Questions to the name server, over TCP.
    pub dns_tcp: TcpListener,
    /// Connections to anywhere else: the local address of an accepted socket is the destination asked for.
    /// `None` when the kernel cannot do it; then a function reaches nothing outside.
    pub egress: Option<TcpListener>,
}

impl Network {
    /// The descriptors in the order in which they travel.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all = vec![
            self.namespace.as_fd(),
            self.runtime_api.as_fd(),
            self.endpoint.as_fd(),
            self.dns_udp.as_fd(),
            self.dns_tcp.as_fd(),
        ];
        all.extend(self.egress.as_ref().map(AsFd::as_fd));
        all
    }

    /// The other end of [`Network::descriptors`].
    pub(crate) fn from_descriptors(descriptors: Vec<OwnedFd>) -> Option<Self> {
        let mut descriptors = descriptors.into_iter();
        Some(Self {
            namespace: descriptors.next()?,
            runtime_api: descriptors.next()?.into(),
            endpoint: descriptors.next()?.into(),
            dns_udp: descriptors.next()?.into(),
            dns_tcp: descriptors.next()?.into(),
            egress: descriptors.next().map(Into::into),
        })
    }

    /// Makes one. The calling process must be single-threaded; it is back in its own namespace afterwards.
    pub(crate) fn make() -> Result<Self, Failure> {
        let home = open_namespace()?;
        // SAFETY: the process has one thread and holds `home` to come back.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
            .step("make a network namespace")?;
        let made = Self::fill();
        rustix::thread::move_into_link_name_space(home.as_fd(), Some(rustix::thread::LinkNameSpaceType::Network))
            .step("return from a network namespace")?;
        made
    }

    fn fill() -> Result<Self, Failure> {
        netlink::configure_loopback(ADDRESS, SOURCE).step("configure the network of a sandbox")?;
        Ok(Self {
            namespace: open_namespace()?,
            runtime_api: listen(RUNTIME_API, false).step("listen for the Runtime API")?,
            endpoint: listen(ENDPOINT, false).step("listen for the way back")?,
            dns_udp: UdpSocket::bind(DNS).and_then(nonblocking).step("listen for names")?,
            dns_tcp: listen(DNS, false).step("listen for names")?,
            egress: egress().ok(),
        })
    }
}

/// Makes the egress listener and the rule that leads to it; both or neither.
pub(crate) fn egress() -> io::Result<TcpListener> {
    let listener = listen(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, EGRESS_PORT), true)?;
    nft::redirect_foreign_tcp(EGRESS_PORT)?;
    Ok(listener)
}

fn nonblocking(socket: UdpSocket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn listen(address: SocketAddrV4, transparent: bool) -> io::Result<TcpListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    if transparent {
        let on: libc::c_int = 1;
        // SAFETY: the pointer and the length describe `on`, which lives through the call.
        let result = unsafe {
            libc::setsockopt(
                std::os::fd::AsRawFd::as_raw_fd(&socket),
                libc::SOL_IP,
                libc::IP_TRANSPARENT,
                std::ptr::from_ref(&on).cast(),
                4,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn open_namespace() -> Result<OwnedFd, Failure> {
    std::fs::File::open("/proc/self/ns/net").map(OwnedFd::from).step("open the network namespace")
}
