//! The egress rule: one nf_tables table in the sandbox's namespace, in netlink messages of our own making.
//!
//! In words: in `prerouting`, TCP that goes neither to 127.0.0.0/8 nor to one of the namespace's own addresses
//! is handed to the egress listener (TPROXY); what finds no listener is dropped.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::network::netlink::Batch;

const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// `nfgenmsg`: IPv4, version 0, no resource.
const GENERIC: [u8; 4] = [2, 0, 0, 0];
/// `nfgenmsg` of a batch marker: the subsystem as resource, big-endian.
const GENERIC_BATCH: [u8; 4] = [0, 0, 0, 10];

const TABLE: &[u8] = b"tindra\0";
const CHAIN: &[u8] = b"egress\0";
const HOOK_PREROUTING: u32 = 0;
const PRIORITY_MANGLE: i32 = -150;
const PROTOCOL_TCP: u8 = 6;

/// Comparison of a register.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
enum Operator {
    Equal = 0,
    NotEqual = 1,
}

const REGISTER_VERDICT: u32 = 0;
const REGISTER_1: u32 = 1;
const REGISTER_2: u32 = 2;

/// What to do with a packet.
const VERDICT_DROP: u32 = 0;
const VERDICT_ACCEPT: u32 = 1;

/// The table, the chain and the two rules, as one transaction.
pub(crate) fn egress_rules(own_addresses: &[Ipv4Addr], listener: SocketAddrV4) -> Batch {
    let mut batch = Batch::default();
    batch.marker(BATCH_BEGIN, &GENERIC_BATCH);
    batch.request(NEW_TABLE, &GENERIC);
    batch.attribute(1, TABLE);
    chain(&mut batch);
    rule(&mut batch, |expressions| {
        outgoing_tcp(expressions, own_addresses);
        hand_to(expressions, listener);
        verdict(expressions, VERDICT_ACCEPT);
    });
    rule(&mut batch, |expressions| {
        outgoing_tcp(expressions, own_addresses);
        verdict(expressions, VERDICT_DROP);
    });
    batch.marker(BATCH_END, &GENERIC_BATCH);
    batch
}

fn chain(batch: &mut Batch) {
    batch.request(NEW_CHAIN, &GENERIC);
    batch.attribute(1, TABLE);
    batch.attribute(3, CHAIN);
    batch.nested(4, |hook| {
        hook.attribute(1, &HOOK_PREROUTING.to_be_bytes());
        hook.attribute(2, &PRIORITY_MANGLE.to_be_bytes());
    });
    batch.attribute(5, &VERDICT_ACCEPT.to_be_bytes());
    batch.attribute(7, b"filter\0");
}

fn rule(batch: &mut Batch, expressions: impl FnOnce(&mut Batch)) {
    batch.append(NEW_RULE, &GENERIC);
    batch.attribute(1, TABLE);
    batch.attribute(2, CHAIN);
    batch.nested(4, expressions);
}

/// Matches TCP to an address that is not the namespace's own.
fn outgoing_tcp(batch: &mut Batch, own_addresses: &[Ipv4Addr]) {
    protocol_into(batch, REGISTER_1);
    compare(batch, REGISTER_1, Operator::Equal, &[PROTOCOL_TCP]);
    for address in own_addresses {
        destination_into(batch, REGISTER_1);
        compare(batch, REGISTER_1, Operator::NotEqual, &address.octets());
    }
    destination_into(batch, REGISTER_1);
    mask(batch, REGISTER_1, [255, 0, 0, 0]);
    compare(batch, REGISTER_1, Operator::NotEqual, &[127, 0, 0, 0]);
}

fn expression(batch: &mut Batch, name: &[u8], data: impl FnOnce(&mut Batch)) {
    batch.nested(1, |element| {
        element.attribute(1, name);
        element.nested(2, data);
    });
}

fn protocol_into(batch: &mut Batch, register: u32) {
    let key_layer_4_protocol = 16u32;
    expression(batch, b"meta\0", |data| {
        data.attribute(1, &register.to_be_bytes());
        data.attribute(2, &key_layer_4_protocol.to_be_bytes());
    });
}

fn destination_into(batch: &mut Batch, register: u32) {
    let (network_header, offset, length) = (1u32, 16u32, 4u32);
    expression(batch, b"payload\0", |data| {
        data.attribute(1, &register.to_be_bytes());
        data.attribute(2, &network_header.to_be_bytes());
        data.attribute(3, &offset.to_be_bytes());
        data.attribute(4, &length.to_be_bytes());
    });
}

fn compare(batch: &mut Batch, register: u32, operator: Operator, value: &[u8]) {
    expression(batch, b"cmp\0", |data| {
        data.attribute(1, &register.to_be_bytes());
        data.attribute(2, &(operator as u32).to_be_bytes());
        data.nested(3, |constant| constant.attribute(1, value));
    });
}

fn mask(batch: &mut Batch, register: u32, bits: [u8; 4]) {
    expression(batch, b"bitwise\0", |data| {
        data.attribute(1, &register.to_be_bytes());
        data.attribute(2, &register.to_be_bytes());
        data.attribute(3, &4u32.to_be_bytes());
        data.nested(4, |constant| constant.attribute(1, &bits));
        data.nested(5, |constant| constant.attribute(1, &[0; 4]));
    });
}

fn hand_to(batch: &mut Batch, listener: SocketAddrV4) {
    load(batch, REGISTER_1, &listener.ip().octets());
    load(batch, REGISTER_2, &listener.port().to_be_bytes());
    let family_ipv4 = 2u32;
    expression(batch, b"tproxy\0", |data| {
        data.attribute(1, &family_ipv4.to_be_bytes());
        data.attribute(2, &REGISTER_1.to_be_bytes());
        data.attribute(3, &REGISTER_2.to_be_bytes());
    });
}

fn load(batch: &mut Batch, register: u32, value: &[u8]) {
    expression(batch, b"immediate\0", |data| {
        data.attribute(1, &register.to_be_bytes());
        data.nested(2, |constant| constant.attribute(1, value));
    });
}

fn verdict(batch: &mut Batch, code: u32) {
    expression(batch, b"immediate\0", |data| {
        data.attribute(1, &REGISTER_VERDICT.to_be_bytes());
        data.nested(2, |constant| constant.nested(2, |verdict| verdict.attribute(1, &code.to_be_bytes())));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn one_transaction_of_six_messages() {
        let batch = egress_rules(&[Ipv4Addr::new(169, 254, 100, 1)], crate::network::EGRESS);
        let mut kinds = Vec::new();
        let mut rest = batch.bytes();
        while !rest.is_empty() {
            let length = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
            kinds.push(u16::from_ne_bytes(rest[4..6].try_into().unwrap()));
            rest = &rest[length..];
        }
        assert_eq!(kinds, [0x10, 0xa00, 0xa03, 0xa06, 0xa06, 0x11]);
    }

    #[test]
    fn expressions_are_big_endian_and_nested() {
        let batch = egress_rules(&[], SocketAddrV4::new(Ipv4Addr::new(169, 254, 100, 1), 9));
        // tproxy: family 2, address in register 1, port in register 2.
        let data = [8, 0, 1, 0, 0, 0, 0, 2, 8, 0, 2, 0, 0, 0, 0, 1, 8, 0, 3, 0, 0, 0, 0, 2];
        assert!(contains(batch.bytes(), &data));
        // The port is loaded in network order, padded to four bytes.
        assert!(contains(batch.bytes(), &[6, 0, 1, 0, 0, 9, 0, 0]));
        assert!(contains(batch.bytes(), b"prerouting\0") || contains(batch.bytes(), b"egress\0"));
    }
}
