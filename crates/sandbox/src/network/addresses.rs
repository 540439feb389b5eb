//! The addresses of the host itself, which no function reaches.

use std::net::Ipv4Addr;

/// The IPv4 addresses of every interface in the network namespace of the caller, loopback left out.
pub(super) fn of_this_namespace() -> Vec<Ipv4Addr> {
    let mut first = std::ptr::null_mut();
    // SAFETY: the pointer is to a local variable; the list is freed below.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: the entry belongs to the list, which lives until it is freed.
        let entry = unsafe { &*next };
        // SAFETY: a non-null address begins with its family.
        if !entry.ifa_addr.is_null() && i32::from(unsafe { (*entry.ifa_addr).sa_family }) == libc::AF_INET {
            // SAFETY: the family says that it is a sockaddr_in.
            let address = unsafe { std::ptr::read_unaligned(entry.ifa_addr.cast::<libc::sockaddr_in>()) };
            let address = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            if !address.is_loopback() && !found.contains(&address) {
                found.push(address);
            }
        }
        next = entry.ifa_next;
    }
    // SAFETY: the list came from getifaddrs and is not used any more.
    unsafe { libc::freeifaddrs(first) };
    found
}
