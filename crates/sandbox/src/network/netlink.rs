//! Netlink messages by hand: the few that bring `lo` up and make every destination local.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// A message under construction, with its attributes.
#[derive(Debug, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A header whose length is filled in at the end.
    pub(super) fn new(kind: u16, flags: i32, sequence: u32) -> Self {
        let mut message = Self::default();
        message.put(&0_u32.to_ne_bytes());
        message.put(&kind.to_ne_bytes());
        message.put(&u16::try_from(flags).unwrap_or(0).to_ne_bytes());
        message.put(&sequence.to_ne_bytes());
        message.put(&0_u32.to_ne_bytes());
        message
    }

    /// Appends raw bytes: the fixed part after the header.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends an attribute.
    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.put(&length.to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        self.put(value);
        self.pad();
    }

    /// Appends an attribute that holds others.
    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.put(&[0, 0]);
        self.put(&(kind | NESTED).to_ne_bytes());
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// The bytes, with the length in the header.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.pad();
        self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

const NESTED: u16 = 0x8000;
/// `NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE`.
pub(super) const CREATE: i32 = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE;
/// Index of `lo` in every new namespace.
const LOOPBACK: u32 = 1;

/// Sends messages and waits for as many acknowledgements.
pub(super) fn transact(family: i32, bytes: &[u8], acknowledgements: usize) -> io::Result<()> {
    let socket = open(family)?;
    // SAFETY: the pointer and length describe `bytes`, which is only read.
    let sent = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut remaining = acknowledgements;
    let mut buffer = vec![0_u8; 16_384];
    while remaining > 0 {
        // SAFETY: the pointer and length describe `buffer`, which is written within its length.
        let received = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        if received <= 0 {
            return Err(io::Error::last_os_error());
        }
        let mut rest = &buffer[..usize::try_from(received).unwrap_or(0)];
        while let Some((kind, code, length)) = read_header(rest) {
            if i32::from(kind) == libc::NLMSG_ERROR {
                if code != 0 {
                    return Err(io::Error::from_raw_os_error(-code));
                }
                remaining = remaining.saturating_sub(1);
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
    Ok(())
}

/// Kind, error code (when it is an error message) and length of the message at the front.
fn read_header(bytes: &[u8]) -> Option<(u16, i32, usize)> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let code = bytes.get(16..20).and_then(|code| code.try_into().ok()).map_or(0, i32::from_ne_bytes);
    (length >= 16).then_some((kind, code, length))
}

fn open(family: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor is owned at once.
    let descriptor = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, family) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is fresh and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Brings `lo` up with both addresses and the route that makes every destination local.
pub(super) fn configure_loopback(address: Ipv4Addr, source: Ipv4Addr) -> io::Result<()> {
    let up = libc::IFF_UP as u32;
    let mut link = Message::new(libc::RTM_NEWLINK, libc::NLM_F_REQUEST | libc::NLM_F_ACK, 1);
    link.put(&[0; 4]);
    link.put(&LOOPBACK.to_ne_bytes());
    link.put(&up.to_ne_bytes());
    link.put(&up.to_ne_bytes());
    let mut bytes = link.finish();
    for (sequence, address) in [(2, address), (3, source)] {
        let mut message = Message::new(libc::RTM_NEWADDR, CREATE, sequence);
        message.put(&[libc::AF_INET as u8, 32, 0, libc::RT_SCOPE_HOST]);
        message.put(&LOOPBACK.to_ne_bytes());
        message.attribute(libc::IFA_LOCAL, &address.octets());
        message.attribute(libc::IFA_ADDRESS, &address.octets());
        bytes.extend(message.finish());
    }
    let mut route = Message::new(libc::RTM_NEWROUTE, CREATE, 4);
    let (table, protocol) = (libc::RT_TABLE_MAIN, libc::RTPROT_STATIC);
    route.put(&[libc::AF_INET as u8, 0, 0, 0, table, protocol, libc::RT_SCOPE_HOST, libc::RTN_LOCAL]);
    route.put(&0_u32.to_ne_bytes());
    route.attribute(libc::RTA_OIF, &LOOPBACK.to_ne_bytes());
    route.attribute(libc::RTA_PREFSRC, &source.octets());
    bytes.extend(route.finish());
    transact(libc::NETLINK_ROUTE, &bytes, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_filled_in_and_attributes_padded() {
        let mut message = Message::new(7, 5, 1);
        message.attribute(3, b"abc");
        message.nest(4, |inner| inner.attribute(1, &[9]));
        let bytes = message.finish();
        assert_eq!(u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize, bytes.len());
        assert_eq!(&bytes[16..24], &[7, 0, 3, 0, b'a', b'b', b'c', 0]);
        assert_eq!(&bytes[24..], &[12, 0, 4, 0x80, 5, 0, 1, 0, 9, 0, 0, 0]);
    }
}
