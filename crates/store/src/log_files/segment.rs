//! The bytes of a segment file: a header, events, and a seal when it is full.
//!
//! Everything is a frame: length (u32), CRC-32 of the payload (u32), payload; integers little-endian. The
//! first byte of a payload says what it is. A segment without a seal is read through when it is opened, and
//! cut after its last whole frame, because a killed machine may leave a torn one.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;

use crate::LogEvent;

const HEADER: u8 = 0;
const EVENT: u8 = 1;
const SEAL: u8 = 2;

const FRAME_BYTES: usize = 8;
const EVENT_BYTES: usize = 1 + 8 + 8;
/// A sealed segment ends with exactly this many bytes of seal.
pub(super) const SEAL_FRAME_BYTES: usize = FRAME_BYTES + 1 + 5 * 8;

/// Longer messages are cut when they are stored (CloudWatch Logs takes events of up to 1 MB).
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What the first frame says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The stream's name; file names may hold only its hash.
    pub(super) stream: String,
    /// When the stream was made.
    pub(super) created_ms: UnixMs,
}

/// What is known of the events of a segment without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) message_bytes: u64,
    /// Smallest and largest timestamp; both zero without events.
    pub(super) first_event_ms: UnixMs,
    pub(super) last_event_ms: UnixMs,
    pub(super) last_ingestion_ms: UnixMs,
}

impl Summary {
    pub(super) fn add(&mut self, timestamp_ms: UnixMs, ingestion_ms: UnixMs, message_bytes: usize) {
        self.first_event_ms = if self.count == 0 { timestamp_ms } else { self.first_event_ms.min(timestamp_ms) };
        self.last_event_ms = self.last_event_ms.max(timestamp_ms);
        self.last_ingestion_ms = self.last_ingestion_ms.max(ingestion_ms);
        self.message_bytes += message_bytes as u64;
        self.count += 1;
    }
}

/// A frame as it was read.
pub(super) enum Frame<'a> {
    Header(Header),
    Event { timestamp_ms: UnixMs, ingestion_ms: UnixMs, message: &'a [u8] },
    Seal(Summary),
}

/// Bytes that an event takes in a segment.
pub(super) fn event_frame_bytes(event: &LogEvent) -> u64 {
    (FRAME_BYTES + EVENT_BYTES + message_of(event).len()) as u64
}

/// The message as it is stored.
pub(super) fn message_of(event: &LogEvent) -> &str {
    let text = event.message.as_str();
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

pub(super) fn write_event(buffer: &mut Vec<u8>, event: &LogEvent) {
    write_frame(buffer, EVENT, |payload| {
        payload.extend_from_slice(&event.timestamp_ms.to_le_bytes());
        payload.extend_from_slice(&event.ingestion_ms.to_le_bytes());
        payload.extend_from_slice(message_of(event).as_bytes());
    });
}

/// The first frame of a segment.
pub(super) fn write_header(buffer: &mut Vec<u8>, header: &Header) -> serde_json::Result<()> {
    let json = serde_json::to_vec(header)?;
    write_frame(buffer, HEADER, |payload| payload.extend_from_slice(&json));
    Ok(())
}

/// The last frame of a segment that takes no more events.
pub(super) fn write_seal(buffer: &mut Vec<u8>, summary: &Summary) {
    write_frame(buffer, SEAL, |payload| {
        for value in [
            summary.count,
            summary.message_bytes,
            summary.first_event_ms,
            summary.last_event_ms,
            summary.last_ingestion_ms,
        ] {
            payload.extend_from_slice(&value.to_le_bytes());
        }
    });
}

fn write_frame(buffer: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; FRAME_BYTES]);
    buffer.push(kind);
    fill(buffer);
    let payload = &buffer[start + FRAME_BYTES..];
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let sum = crc32fast::hash(payload);
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    buffer[start + 4..start + FRAME_BYTES].copy_from_slice(&sum.to_le_bytes());
}

/// Visits whole frames until the visitor breaks, the bytes end or a frame is not whole. Returns the length of
/// what was whole.
pub(super) fn visit(bytes: &[u8], mut visitor: impl FnMut(Frame<'_>) -> ControlFlow<()>) -> usize {
    let mut offset = 0;
    while let Some((frame, length)) = frame_at(&bytes[offset..]) {
        offset += length;
        if visitor(frame).is_break() {
            break;
        }
    }
    offset
}

fn frame_at(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let sum = u32::from_le_bytes(bytes.get(4..FRAME_BYTES)?.try_into().ok()?);
    let payload = bytes.get(FRAME_BYTES..FRAME_BYTES.checked_add(length)?)?;
    if crc32fast::hash(payload) != sum {
        return None;
    }
    let (kind, body) = payload.split_first()?;
    let frame = match *kind {
        HEADER => Frame::Header(serde_json::from_slice(body).ok()?),
        EVENT => {
            let (timestamp_ms, ingestion_ms) = (integer(body, 0)?, integer(body, 1)?);
            Frame::Event { timestamp_ms, ingestion_ms, message: body.get(16..)? }
        }
        SEAL => Frame::Seal(Summary {
            count: integer(body, 0)?,
            message_bytes: integer(body, 1)?,
            first_event_ms: integer(body, 2)?,
            last_event_ms: integer(body, 3)?,
            last_ingestion_ms: integer(body, 4)?,
        }),
        _ => return None,
    };
    Some((frame, FRAME_BYTES + length))
}

fn integer(body: &[u8], index: usize) -> Option<u64> {
    Some(u64::from_le_bytes(body.get(index * 8..index * 8 + 8)?.try_into().ok()?))
}

/// The seal, when `tail` is the end of a sealed segment.
pub(super) fn seal(tail: &[u8]) -> Option<Summary> {
    match frame_at(tail)? {
        (Frame::Seal(summary), length) if length == tail.len() => Some(summary),
        _ => None,
    }
}
