//! Whether an address belongs to this machine, as the kernel sees it now.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};

/// True when the kernel would deliver packets for `address` to this machine, or when that cannot be told.
///
/// Interfaces come and go, so nothing is remembered: only a local address can be bound (a socket and a bind
/// cost a few microseconds). Where the kernel is told to allow any bind (`ip_nonlocal_bind`), the route is asked
/// instead: towards an address of its own the kernel chooses this address as the source.
pub(super) fn is_of_this_machine(address: IpAddr) -> bool {
    match UdpSocket::bind((address, 0)) {
        Ok(_) if !binds_anything(address) => true,
        Ok(_) => source_towards(address).is_none_or(|source| source == address),
        Err(error) => error.kind() != ErrorKind::AddrNotAvailable,
    }
}

fn binds_anything(address: IpAddr) -> bool {
    let path = match address {
        IpAddr::V4(_) => "/proc/sys/net/ipv4/ip_nonlocal_bind",
        IpAddr::V6(_) => "/proc/sys/net/ipv6/ip_nonlocal_bind",
    };
    std::fs::read(path).is_ok_and(|value| value.first() != Some(&b'0'))
}

/// The source address that a packet to `address` would carry. Nothing is sent.
fn source_towards(address: IpAddr) -> Option<IpAddr> {
    let unspecified = match address {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    let socket = UdpSocket::bind((unspecified, 0)).ok()?;
    socket.connect((address, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_ours_and_a_documentation_address_is_not() {
        assert!(is_of_this_machine("127.0.0.1".parse().unwrap()));
        assert!(is_of_this_machine("127.9.9.9".parse().unwrap()));
        assert!(!is_of_this_machine("192.0.2.77".parse().unwrap()));
    }
}
