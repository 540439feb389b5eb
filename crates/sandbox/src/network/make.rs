//! Making a network namespace: in the maker process, ahead of need.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::NETFILTER;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::error::{Failure, Named, Step};
use crate::network::netlink as messages;
use crate::network::{ADDRESS, DNS, EGRESS, ENDPOINT, RUNTIME_API, Reach, SOURCE, addresses, nft};
use crate::system;

/// The namespace's own addresses; the last is the source of the sandbox's connections.
const ADDRESSES: [Ipv4Addr; 2] = [ADDRESS, SOURCE];
/// Connections of a burst that wait to be accepted.
const BACKLOG: i32 = 1_024;

/// A finished namespace, on its way to the server.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) has_egress: bool,
    /// Why nothing can leave, if so.
    pub(crate) without_egress: Option<io::Error>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Makes a namespace with its sockets; the process is in it only meanwhile.
pub(crate) fn make(reach: &Reach) -> Result<Made, Failure> {
    let hosts_own = addresses::of_this_namespace();
    let home = system::own_namespace("net").step(Step::NetworkNamespace)?;
    system::unshare(UnshareFlags::NEWNET).step(Step::NetworkNamespace)?;
    let made = furnish(reach, &hosts_own);
    enter(home.as_fd()).step(Step::NetworkNamespace)?;
    made
}

/// Moves the calling process into a network namespace.
pub(crate) fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?)
}

fn furnish(reach: &Reach, hosts_own: &[Ipv4Addr]) -> Result<Made, Failure> {
    let namespace = system::own_namespace("net").step(Step::NetworkNamespace)?;
    messages::loopback(&ADDRESSES).send(None).step(Step::NetworkLoopback)?;
    let hosts_own = hosts_own.iter().map(|address| (*address, 32)).filter(|own| !reach.reachable.contains(own));
    let unreachable: Vec<_> = reach.unreachable.iter().copied().chain(hosts_own).collect();
    messages::exceptions(&unreachable, &reach.reachable, SOURCE).send(None).step(Step::NetworkLoopback)?;
    let mut descriptors: Vec<OwnedFd> = vec![namespace];
    for address in [RUNTIME_API, ENDPOINT] {
        descriptors.push(listen(address).step(Step::NetworkSockets)?);
    }
    let dns = UdpSocket::bind(DNS).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    descriptors.push(dns.step(Step::NetworkSockets)?.into());
    descriptors.push(listen(DNS).step(Step::NetworkSockets)?);
    let egress = egress();
    let has_egress = egress.is_ok();
    let without_egress = match egress {
        Ok(listener) => {
            descriptors.push(listener);
            None
        }
        Err(error) => Some(error),
    };
    Ok(Made { has_egress, without_egress, descriptors })
}

fn listen(address: SocketAddrV4) -> io::Result<OwnedFd> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener.into())
}

/// The listener and the rule; without the rule the listener would never hear anything, so it is not kept.
fn egress() -> io::Result<OwnedFd> {
    let listener = listen(EGRESS)?;
    system::set_ip_transparent(listener.as_fd())?;
    nft::egress_rules(&ADDRESSES, EGRESS).send(Some(NETFILTER))?;
    Ok(listener)
}
