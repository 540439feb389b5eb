//! As much of the DNS wire format (RFC 1035, RFC 6891) as a forwarder needs; pure.

use std::net::IpAddr;

/// Header of every message.
const HEADER_BYTES: usize = 12;
/// Longest name on the wire (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// UDP answers that a client without EDNS accepts (RFC 1035, 4.2.1).
const UDP_BYTES_PLAIN: usize = 512;
/// UDP answers that are asked for at most, so that no packet is fragmented (DNS flag day 2020).
const UDP_BYTES_MAX: usize = 1_232;
/// Seconds for which a client may remember an answer of ours.
const LOCAL_TTL_S: u32 = 5;

/// Type of an IPv4 address record.
pub const TYPE_A: u16 = 1;
/// Type of an IPv6 address record.
pub const TYPE_AAAA: u16 = 28;
const TYPE_OPT: u16 = 41;
const CLASS_IN: u16 = 1;

const FLAG_RESPONSE: u8 = 0x80;
const FLAG_TRUNCATED: u8 = 0x02;
const FLAG_RECURSION_DESIRED: u8 = 0x01;
const FLAG_RECURSION_AVAILABLE: u8 = 0x80;

/// The codes that are told apart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// There is an answer, possibly an empty one.
    NoError = 0,
    /// Nobody could tell.
    ServerFailure = 2,
}

/// A well-formed question: one name, one type, at most the EDNS option record beside it.
#[derive(Debug)]
pub struct Query<'a> {
    bytes: &'a [u8],
    name: String,
    kind: u16,
    class: u16,
    question_end: usize,
    /// Where the EDNS record tells the size of UDP answers, and what it says.
    edns: Option<(usize, u16)>,
}

impl<'a> Query<'a> {
    /// Reads a question; `None` for anything else.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let is_standard_query = header[2] & 0xf8 == 0;
        let counts = [u16_at(bytes, 4)?, u16_at(bytes, 6)?, u16_at(bytes, 8)?];
        let additional = u16_at(bytes, 10)?;
        if !is_standard_query || counts != [1, 0, 0] || additional > 1 {
            return None;
        }
        let (name, name_end) = read_name(bytes, HEADER_BYTES)?;
        let (kind, class) = (u16_at(bytes, name_end)?, u16_at(bytes, name_end + 2)?);
        let question_end = name_end + 4;
        let edns = match additional {
            0 => None,
            _ => Some(read_edns(bytes, question_end)?),
        };
        Some(Self { bytes, name, kind, class, question_end, edns })
    }

    /// The name asked for: lower case, no final dot.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The record type asked for.
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// True for the class of the internet.
    #[must_use]
    pub fn is_internet(&self) -> bool {
        self.class == CLASS_IN
    }

    /// The largest UDP answer that the client takes, within what is sane.
    #[must_use]
    pub fn udp_bytes_max(&self) -> usize {
        self.edns.map_or(UDP_BYTES_PLAIN, |(_, size)| usize::from(size).clamp(UDP_BYTES_PLAIN, UDP_BYTES_MAX))
    }

    /// The question as it goes on: with another id, and asking for answers of a sane size.
    #[must_use]
    pub fn forwarded(&self, id: [u8; 2]) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        bytes[..2].copy_from_slice(&id);
        if let Some((position, _)) = self.edns {
            let size = u16::try_from(self.udp_bytes_max()).unwrap_or(u16::MAX);
            bytes[position..position + 2].copy_from_slice(&size.to_be_bytes());
        }
        bytes
    }

    /// True when `answer` answers this question, asked with `id`.
    #[must_use]
    pub fn is_answered_by(&self, answer: &[u8], id: [u8; 2]) -> bool {
        let Some(header) = answer.get(..HEADER_BYTES) else { return false };
        header[..2] == id
            && header[2] & 0xf8 == FLAG_RESPONSE
            && header[4..6] == [0, 1]
            && answer
                .get(HEADER_BYTES..self.question_end)
                .is_some_and(|question| question.eq_ignore_ascii_case(&self.bytes[HEADER_BYTES..self.question_end]))
    }

    /// An answer from upstream as the client gets it: with the client's id, and its own spelling of the name.
    #[must_use]
    pub fn returned(&self, mut answer: Vec<u8>) -> Vec<u8> {
        answer[..2].copy_from_slice(&self.bytes[..2]);
        answer[HEADER_BYTES..self.question_end].copy_from_slice(&self.bytes[HEADER_BYTES..self.question_end]);
        answer
    }

    /// An answer of ours without records.
    #[must_use]
    pub fn respond(&self, code: ResponseCode) -> Vec<u8> {
        let mut answer = self.bytes[..self.question_end].to_vec();
        answer[2] = FLAG_RESPONSE | (self.bytes[2] & FLAG_RECURSION_DESIRED);
        answer[3] = FLAG_RECURSION_AVAILABLE | code as u8;
        answer[4..HEADER_BYTES].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        answer
    }

    /// An answer of ours with one address, or without any when the question is for another type.
    #[must_use]
    pub fn respond_with(&self, address: IpAddr) -> Vec<u8> {
        let mut answer = self.respond(ResponseCode::NoError);
        let data = match (address, self.kind) {
            (IpAddr::V4(v4), TYPE_A) => v4.octets().to_vec(),
            (IpAddr::V6(v6), TYPE_AAAA) => v6.octets().to_vec(),
            _ => return answer,
        };
        answer[6..8].copy_from_slice(&[0, 1]);
        answer.extend_from_slice(&[0xc0, HEADER_BYTES as u8]); // the name of the question
        answer.extend_from_slice(&self.kind.to_be_bytes());
        answer.extend_from_slice(&CLASS_IN.to_be_bytes());
        answer.extend_from_slice(&LOCAL_TTL_S.to_be_bytes());
        answer.extend_from_slice(&(data.len() as u16).to_be_bytes());
        answer.extend_from_slice(&data);
        answer
    }
}

/// The response code of a message; 0 when it has no header.
#[must_use]
pub fn response_code(message: &[u8]) -> u8 {
    message.get(3).map_or(0, |byte| byte & 0x0f)
}

/// True when a message says that it is not whole.
#[must_use]
pub fn is_truncated(message: &[u8]) -> bool {
    message.get(2).is_some_and(|byte| byte & FLAG_TRUNCATED != 0)
}

/// The head of an answer that is too long for the client, which then asks again over TCP.
#[must_use]
pub fn truncate(answer: &[u8]) -> Vec<u8> {
    let end = read_name(answer, HEADER_BYTES).map_or(HEADER_BYTES, |(_, name_end)| (name_end + 4).min(answer.len()));
    let mut head = answer[..end].to_vec();
    head[2] |= FLAG_TRUNCATED;
    head[4..HEADER_BYTES].copy_from_slice(&[0, u8::from(end > HEADER_BYTES), 0, 0, 0, 0, 0, 0]);
    head
}

fn u16_at(bytes: &[u8], position: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(position)?, *bytes.get(position + 1)?]))
}

/// The name at a position, without compression (a question has none), and where it ends.
fn read_name(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut name, mut position) = (String::new(), start);
    loop {
        let length = usize::from(*bytes.get(position)?);
        position += 1;
        if length == 0 {
            return Some((name, position));
        }
        let label = bytes.get(position..position + length)?;
        position += length;
        if length > 63 || position - start >= NAME_BYTES_MAX {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        // Bytes beyond ASCII, and dots within a label, cannot be confused with names that are answered here.
        name.extend(label.iter().map(|byte| match byte {
            b'.' => '\u{fffd}',
            byte if byte.is_ascii() => byte.to_ascii_lowercase() as char,
            _ => '\u{fffd}',
        }));
    }
}

/// Position and value of the size in an EDNS record, which must be the last thing in the message.
fn read_edns(bytes: &[u8], start: usize) -> Option<(usize, u16)> {
    let is_root = *bytes.get(start)? == 0;
    if !is_root || u16_at(bytes, start + 1)? != TYPE_OPT {
        return None;
    }
    let size = u16_at(bytes, start + 3)?;
    let data_bytes = usize::from(u16_at(bytes, start + 9)?);
    (bytes.len() == start + 11 + data_bytes).then_some((start + 3, size))
}
