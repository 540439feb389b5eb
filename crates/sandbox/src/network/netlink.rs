//! Netlink by hand: building messages, sending them, reading the acknowledgements.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const HEADER_BYTES: usize = 16;
const FLAG_REQUEST: u16 = 0x1;
const FLAG_ACK: u16 = 0x4;
const FLAG_REPLACE: u16 = 0x100;
const FLAG_EXCL: u16 = 0x200;
const FLAG_CREATE: u16 = 0x400;
const FLAG_APPEND: u16 = 0x800;
const TYPE_ERROR: u16 = 2;
const NESTED: u16 = 0x8000;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
/// The loopback interface is always the first of a namespace.
const LOOPBACK_INDEX: u32 = 1;
const FAMILY_IPV4: u8 = 2;

/// Several messages sent at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    start: usize,
    acknowledged: usize,
}

impl Batch {
    /// Begins a message that makes something new; `fixed` is the fixed part after netlink's header.
    pub(crate) fn request(&mut self, kind: u16, fixed: &[u8]) {
        self.acknowledged += 1;
        self.begin(kind, FLAG_REQUEST | FLAG_ACK | FLAG_CREATE | FLAG_EXCL, fixed);
    }

    /// As [`Batch::request`], for a list whose order matters: at the end instead of at the head.
    pub(crate) fn append(&mut self, kind: u16, fixed: &[u8]) {
        self.acknowledged += 1;
        self.begin(kind, FLAG_REQUEST | FLAG_ACK | FLAG_CREATE | FLAG_APPEND, fixed);
    }

    /// As [`Batch::request`], for what may exist already.
    pub(crate) fn replace(&mut self, kind: u16, fixed: &[u8]) {
        self.acknowledged += 1;
        self.begin(kind, FLAG_REQUEST | FLAG_ACK | FLAG_CREATE | FLAG_REPLACE, fixed);
    }

    /// Begins a message that changes what exists.
    pub(crate) fn change(&mut self, kind: u16, fixed: &[u8]) {
        self.acknowledged += 1;
        self.begin(kind, FLAG_REQUEST | FLAG_ACK, fixed);
    }

    /// Begins a message that has no answer.
    pub(crate) fn marker(&mut self, kind: u16, fixed: &[u8]) {
        self.begin(kind, FLAG_REQUEST, fixed);
    }

    fn begin(&mut self, kind: u16, flags: u16, fixed: &[u8]) {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        let sequence = u32::try_from(self.start).unwrap_or(0);
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        self.bytes.extend_from_slice(fixed);
        self.finish_message();
    }

    /// Adds an attribute to the message begun last.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.finish_message();
    }

    /// Adds an attribute that holds attributes.
    pub(crate) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Batch)) {
        let at = self.bytes.len();
        self.attribute(kind | NESTED, &[]);
        fill(self);
        let length = u16::try_from(self.bytes.len() - at).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// Pads to four bytes and writes the message's length.
    fn finish_message(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = u32::try_from(self.bytes.len() - self.start).unwrap_or(u32::MAX);
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Sends the batch (`None`: to rtnetlink) and waits for every acknowledgement.
    pub(crate) fn send(&self, protocol: Option<Protocol>) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let socket = open(protocol)?;
        send(&socket, &self.bytes, SendFlags::empty())?;
        let mut buffer = vec![0; 16 * 1024];
        let mut waiting = self.acknowledged;
        while waiting > 0 {
            let (length, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
            waiting = waiting.saturating_sub(read_acknowledgements(&buffer[..length])?);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn open(protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    let patience = Some(std::time::Duration::from_secs(5));
    rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, patience)?;
    Ok(socket)
}

/// Counts acknowledgements, or returns the first refusal.
fn read_acknowledgements(mut bytes: &[u8]) -> io::Result<usize> {
    let mut count = 0;
    while bytes.len() >= HEADER_BYTES + 4 {
        let length = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        if kind == TYPE_ERROR {
            match i32::from_ne_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]) {
                0 => count += 1,
                negative => return Err(io::Error::from_raw_os_error(-negative)),
            }
        }
        let Some(rest) = bytes.get(length.next_multiple_of(4).max(HEADER_BYTES)..) else { break };
        bytes = rest;
    }
    Ok(count)
}

/// Loopback up, with `addresses`, and every IPv4 destination delivered locally, from the last address.
pub(crate) fn loopback(addresses: &[Ipv4Addr]) -> Batch {
    let mut batch = Batch::default();
    batch.change(RTM_NEWLINK, &link_up());
    for address in addresses {
        // Family, prefix length, flags, scope (global), interface.
        let mut fixed = vec![FAMILY_IPV4, 32, 0, 0];
        fixed.extend_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
        batch.request(RTM_NEWADDR, &fixed);
        let (address_attribute, local_attribute) = (1, 2);
        batch.attribute(local_attribute, &address.octets());
        batch.attribute(address_attribute, &address.octets());
    }
    // Family, destination length 0, source length 0, TOS, table local, static, scope host, type local, flags.
    batch.request(RTM_NEWROUTE, &[FAMILY_IPV4, 0, 0, 0, 255, 4, 254, 2, 0, 0, 0, 0]);
    let (interface_attribute, source_attribute) = (4, 7);
    batch.attribute(interface_attribute, &LOOPBACK_INDEX.to_ne_bytes());
    if let Some(source) = addresses.last() {
        batch.attribute(source_attribute, &source.octets());
    }
    batch
}

/// Exceptions to the route that makes every destination local; the longer prefix wins, as ever.
pub(crate) fn exceptions(unreachable: &[(Ipv4Addr, u8)], reachable: &[(Ipv4Addr, u8)], source: Ipv4Addr) -> Batch {
    let (scope_host, scope_universe, type_local, type_unreachable) = (254, 0, 2, 7);
    let (destination_attribute, interface_attribute, source_attribute) = (1, 4, 7);
    let mut batch = Batch::default();
    for (scope, kind, networks) in
        [(scope_universe, type_unreachable, unreachable), (scope_host, type_local, reachable)]
    {
        for (address, bits) in networks {
            batch.replace(RTM_NEWROUTE, &[FAMILY_IPV4, *bits, 0, 0, 255, 4, scope, kind, 0, 0, 0, 0]);
            batch.attribute(destination_attribute, &address.octets());
            if kind == type_local {
                batch.attribute(interface_attribute, &LOOPBACK_INDEX.to_ne_bytes());
                batch.attribute(source_attribute, &source.octets());
            }
        }
    }
    batch
}

fn link_up() -> [u8; 16] {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    let up = 1u32.to_ne_bytes();
    fixed[8..12].copy_from_slice(&up);
    fixed[12..16].copy_from_slice(&up);
    fixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_laid_out_as_the_kernel_reads_them() {
        let batch = loopback(&[Ipv4Addr::new(169, 254, 100, 1)]);
        let bytes = batch.bytes();
        let mut link = 32u32.to_ne_bytes().to_vec();
        link.extend_from_slice(&16u16.to_ne_bytes());
        link.extend_from_slice(&0x5u16.to_ne_bytes());
        assert_eq!(bytes[..8], link);
        let address = &bytes[32..];
        assert_eq!(address[..4], 40u32.to_ne_bytes());
        assert_eq!(address[16..24], [2, 32, 0, 0, 1, 0, 0, 0]);
        assert_eq!(address[24..32], [8, 0, 2, 0, 169, 254, 100, 1]);
        let route = &address[40..];
        assert_eq!(route.len(), 16 + 12 + 8 + 8);
        assert_eq!(route[16..28], [2, 0, 0, 0, 255, 4, 254, 2, 0, 0, 0, 0]);
        assert_eq!(batch.acknowledged, 3);
    }

    #[test]
    fn exceptions_name_their_network() {
        let network = (Ipv4Addr::new(10, 0, 0, 0), 8);
        let batch = exceptions(&[network], &[network], Ipv4Addr::LOCALHOST);
        let (unreachable, reachable) = batch.bytes().split_at(16 + 12 + 8);
        assert_eq!(unreachable[16..], [2, 8, 0, 0, 255, 4, 0, 7, 0, 0, 0, 0, 8, 0, 1, 0, 10, 0, 0, 0]);
        assert_eq!(reachable[16..24], [2, 8, 0, 0, 255, 4, 254, 2]);
        assert_eq!(reachable.len(), 16 + 12 + 3 * 8);
        assert_eq!(batch.acknowledged, 2);
    }

    #[test]
    fn nested_attributes_count_their_content_and_are_padded() {
        let mut batch = Batch::default();
        batch.request(1, &[]);
        batch.nested(4, |batch| batch.attribute(1, b"abc"));
        let attribute = &batch.bytes()[16..];
        assert_eq!(attribute, [12, 0, 4, 0x80, 7, 0, 1, 0, b'a', b'b', b'c', 0]);
        assert_eq!(batch.bytes()[..4], 28u32.to_ne_bytes());
    }

    #[test]
    fn a_refusal_is_an_error() {
        let mut answer = vec![36, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        answer.extend_from_slice(&(-1i32).to_ne_bytes());
        answer.resize(36, 0);
        assert_eq!(read_acknowledgements(&answer).unwrap_err().raw_os_error(), Some(1));
        answer[16..20].copy_from_slice(&0i32.to_ne_bytes());
        assert_eq!(read_acknowledgements(&answer).unwrap(), 1);
    }
}
