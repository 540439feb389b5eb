//! One nf_tables rule, by hand: TCP to a destination that is not ours goes to the egress listener.
//!
//! In the words of `nft`:
//! ```text
//! table ip tindra { chain egress { type filter hook prerouting priority mangle;
//!     ip daddr 127.0.0.0/8 accept
//!     ip daddr 169.254.100.0/24 accept
//!     meta l4proto tcp tproxy to :9 accept } }
//! ```

use std::io;

use super::netlink::{CREATE, Message, transact};

const NFTABLES: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = NFTABLES << 8;
const NEW_CHAIN: u16 = (NFTABLES << 8) | 3;
const NEW_RULE: u16 = (NFTABLES << 8) | 6;

const TABLE: &[u8] = b"tindra\0";
const CHAIN: &[u8] = b"egress\0";
const PREROUTING: u32 = 0;
const PRIORITY_MANGLE: i32 = -150;
const ACCEPT: u32 = 1;
const IPV4: u32 = 2;
/// First general-purpose register, and that of verdicts.
const REGISTER: u32 = 1;
const REGISTER_VERDICT: u32 = 0;
/// Offset of the destination in an IPv4 header.
const DESTINATION_OFFSET: u32 = 16;
const META_L4PROTO: u32 = 16;

/// Installs the rule in the network namespace of the caller.
pub(super) fn redirect_foreign_tcp(port: u16) -> io::Result<()> {
    let mut bytes = batch(BATCH_BEGIN);
    bytes.extend(table());
    bytes.extend(chain());
    bytes.extend(rule(3, |rule| accept_destination(rule, [127, 0, 0, 0], [255, 0, 0, 0])));
    bytes.extend(rule(4, |rule| accept_destination(rule, [169, 254, 100, 0], [255, 255, 255, 0])));
    bytes.extend(rule(5, |rule| proxy_tcp(rule, port)));
    bytes.extend(batch(BATCH_END));
    transact(libc::NETLINK_NETFILTER, &bytes, 5)
}

fn batch(kind: u16) -> Vec<u8> {
    let mut message = Message::new(kind, libc::NLM_F_REQUEST, 0);
    message.put(&[0, 0]);
    message.put(&NFTABLES.to_be_bytes());
    message.finish()
}

fn message(kind: u16, sequence: u32) -> Message {
    let mut message = Message::new(kind, CREATE, sequence);
    message.put(&[libc::AF_INET as u8, 0, 0, 0]);
    message
}

fn table() -> Vec<u8> {
    let mut message = message(NEW_TABLE, 1);
    message.attribute(1, TABLE);
    message.finish()
}

fn chain() -> Vec<u8> {
    let mut message = message(NEW_CHAIN, 2);
    message.attribute(1, TABLE);
    message.attribute(3, CHAIN);
    message.nest(4, |hook| {
        hook.attribute(1, &PREROUTING.to_be_bytes());
        hook.attribute(2, &PRIORITY_MANGLE.to_be_bytes());
    });
    message.attribute(5, &ACCEPT.to_be_bytes());
    message.attribute(7, b"filter\0");
    message.finish()
}

fn rule(sequence: u32, expressions: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message::new(NEW_RULE, CREATE | libc::NLM_F_APPEND, sequence);
    message.put(&[libc::AF_INET as u8, 0, 0, 0]);
    message.attribute(1, TABLE);
    message.attribute(2, CHAIN);
    message.nest(4, expressions);
    message.finish()
}

fn expression(rule: &mut Message, name: &[u8], data: impl FnOnce(&mut Message)) {
    rule.nest(1, |element| {
        element.attribute(1, name);
        element.nest(2, data);
    });
}

fn value(message: &mut Message, kind: u16, bytes: &[u8]) {
    message.nest(kind, |data| data.attribute(1, bytes));
}

fn compare(rule: &mut Message, bytes: &[u8]) {
    expression(rule, b"cmp\0", |cmp| {
        cmp.attribute(1, &REGISTER.to_be_bytes());
        cmp.attribute(2, &0_u32.to_be_bytes());
        value(cmp, 3, bytes);
    });
}

fn accept(rule: &mut Message) {
    expression(rule, b"immediate\0", |immediate| {
        immediate.attribute(1, &REGISTER_VERDICT.to_be_bytes());
        immediate.nest(2, |data| data.nest(2, |verdict| verdict.attribute(1, &ACCEPT.to_be_bytes())));
    });
}

fn accept_destination(rule: &mut Message, network: [u8; 4], mask: [u8; 4]) {
    expression(rule, b"payload\0", |payload| {
        payload.attribute(1, &REGISTER.to_be_bytes());
        payload.attribute(2, &1_u32.to_be_bytes());
        payload.attribute(3, &DESTINATION_OFFSET.to_be_bytes());
        payload.attribute(4, &4_u32.to_be_bytes());
    });
    expression(rule, b"bitwise\0", |bitwise| {
        bitwise.attribute(1, &REGISTER.to_be_bytes());
        bitwise.attribute(2, &REGISTER.to_be_bytes());
        bitwise.attribute(3, &4_u32.to_be_bytes());
        value(bitwise, 4, &mask);
        value(bitwise, 5, &[0; 4]);
    });
    compare(rule, &network);
    accept(rule);
}

fn proxy_tcp(rule: &mut Message, port: u16) {
    expression(rule, b"meta\0", |meta| {
        meta.attribute(1, &REGISTER.to_be_bytes());
        meta.attribute(2, &META_L4PROTO.to_be_bytes());
    });
    compare(rule, &[u8::try_from(libc::IPPROTO_TCP).unwrap_or(6)]);
    expression(rule, b"immediate\0", |immediate| {
        immediate.attribute(1, &REGISTER.to_be_bytes());
        value(immediate, 2, &port.to_be_bytes());
    });
    expression(rule, b"tproxy\0", |tproxy| {
        tproxy.attribute(1, &IPV4.to_be_bytes());
        tproxy.attribute(3, &REGISTER.to_be_bytes());
    });
    accept(rule);
}
