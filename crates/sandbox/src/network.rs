//! The network of a sandbox: a namespace with nothing but a loopback interface, and sockets bound inside.
//!
//! Every IPv4 destination is delivered locally (a `local 0.0.0.0/0` route), and an nf_tables rule hands TCP to
//! the egress listener, whose accepted sockets show the destination that was asked for as their local address.
//! No interface, route or rule ever exists on the host.

mod addresses;
mod make;
mod netlink;
mod nft;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::launcher::wire::{Reader, Truncated, Writer};
use crate::parking::{Berth, Slot};

pub(crate) use make::{Made, enter, make};

/// The address of Tindra inside a sandbox.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 1);
/// The sandbox's own address, the source of its connections.
pub const SOURCE: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 2);
/// The Runtime API of the environment.
pub const RUNTIME_API: SocketAddrV4 = SocketAddrV4::new(ADDRESS, 9001);
/// The function's way back to Tindra.
pub const ENDPOINT: SocketAddrV4 = SocketAddrV4::new(ADDRESS, 4566);
/// The name server, UDP and TCP.
pub const DNS: SocketAddrV4 = SocketAddrV4::new(ADDRESS, 53);
/// Where the egress rule hands connections to; nobody connects there by address.
pub(crate) const EGRESS: SocketAddrV4 = SocketAddrV4::new(ADDRESS, 9);

/// Where functions cannot connect to: networks as an address and the bits of its prefix.
///
/// What is relayed is decided by whoever accepts on the egress listener. This only spares a function a connection
/// that would be cut: it fails at once, as where there is no route. The host's own addresses are added to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Networks without a way to them.
    pub unreachable: Vec<(Ipv4Addr, u8)>,
    /// Exceptions inside them.
    pub reachable: Vec<(Ipv4Addr, u8)>,
}

impl Reach {
    pub(crate) fn write(&self, writer: &mut Writer) {
        for networks in [&self.unreachable, &self.reachable] {
            let octets = |(address, bits): &(Ipv4Addr, u8)| address.octets().into_iter().chain([*bits]);
            writer.bytes(&networks.iter().flat_map(octets).collect::<Vec<u8>>());
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Reach, Truncated> {
        let mut networks = || {
            let network = |bytes: &[u8]| (Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]), bytes[4]);
            Ok(reader.bytes()?.chunks_exact(5).map(network).collect())
        };
        Ok(Reach { unreachable: networks()?, reachable: networks()? })
    }
}

/// A network namespace with non-blocking sockets already bound inside. Closing everything ends the namespace.
#[derive(Debug)]
pub struct Network {
    /// Listens on [`RUNTIME_API`].
    pub runtime_api: Slot<TcpListener>,
    /// Listens on [`ENDPOINT`].
    pub endpoint: Slot<TcpListener>,
    /// Bound to [`DNS`].
    pub dns_udp: Slot<UdpSocket>,
    /// Listens on [`DNS`].
    pub dns_tcp: Slot<TcpListener>,
    /// Accepts every TCP connection that leaves the sandbox; an accepted socket's local address is the
    /// destination. `None` when the kernel cannot do it: then nothing leaves.
    pub egress: Option<Slot<TcpListener>>,
    namespace: Slot<OwnedFd>,
}

impl Network {
    pub(crate) fn from_reply(reader: &mut Reader<'_>, descriptors: Vec<OwnedFd>) -> io::Result<Network> {
        let has_egress = reader.u8()? != 0;
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or(io::ErrorKind::InvalidData);
        Ok(Network {
            namespace: Slot::new(next()?),
            runtime_api: Slot::new(next()?.into()),
            endpoint: Slot::new(next()?.into()),
            dns_udp: Slot::new(next()?.into()),
            dns_tcp: Slot::new(next()?.into()),
            egress: if has_egress { Some(Slot::new(next()?.into())) } else { None },
        })
    }

    pub(crate) fn namespace(&self) -> io::Result<Arc<OwnedFd>> {
        self.namespace.get()
    }

    /// Its descriptors, which can be parked: connections and datagrams wait in their queues.
    pub fn berths(&self) -> impl Iterator<Item = &dyn Berth> {
        let sockets: [&dyn Berth; 5] =
            [&self.namespace, &self.runtime_api, &self.endpoint, &self.dns_udp, &self.dns_tcp];
        sockets.into_iter().chain(self.egress.iter().map(|slot| slot as &dyn Berth))
    }
}
