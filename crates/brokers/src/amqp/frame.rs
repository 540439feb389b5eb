//! Frames: how methods, headers and bodies lie on the wire.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::FRAME_BYTES_MAX;
use crate::BrokerError;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
const END: u8 = 0xce;
/// What is around the bytes of a frame.
const AROUND_BYTES: u32 = 8;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Method,
    Header,
    Body,
    Heartbeat,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) channel: u16,
    pub(super) bytes: Vec<u8>,
}

/// Reads one frame.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Frame, BrokerError> {
    let lost = |error: std::io::Error| BrokerError::lost(&error);
    let kind = match stream.read_u8().await.map_err(lost)? {
        METHOD => Kind::Method,
        HEADER => Kind::Header,
        BODY => Kind::Body,
        HEARTBEAT => Kind::Heartbeat,
        // What a broker sends that wants another version: the head of the protocol, with its own.
        b'A' => return Err(BrokerError::Malformed("it wants another version of the protocol")),
        _ => return Err(BrokerError::Malformed("a frame is of no known kind")),
    };
    let channel = stream.read_u16().await.map_err(lost)?;
    let length = stream.read_u32().await.map_err(lost)?;
    if length > FRAME_BYTES_MAX - AROUND_BYTES {
        return Err(BrokerError::Malformed("a frame is larger than was agreed on"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await.map_err(lost)?;
    match stream.read_u8().await.map_err(lost)? {
        END => Ok(Frame { kind, channel, bytes }),
        _ => Err(BrokerError::Malformed("a frame does not end where it should")),
    }
}

/// A frame with a method.
pub(super) fn method(channel: u16, bytes: &[u8]) -> Vec<u8> {
    frame(METHOD, channel, bytes)
}

/// A frame that says that one is there.
pub(super) fn heartbeat() -> Vec<u8> {
    frame(HEARTBEAT, 0, &[])
}

fn frame(kind: u8, channel: u16, bytes: &[u8]) -> Vec<u8> {
    // Methods that are sent are names and numbers of at most some hundred bytes.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut frame = vec![kind];
    frame.extend(channel.to_be_bytes());
    frame.extend(length.to_be_bytes());
    frame.extend(bytes);
    frame.push(END);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read() {
        let bytes = [method(1, b"abc"), heartbeat()].concat();
        let mut stream = &bytes[..];
        let first = read(&mut stream).await.unwrap();
        assert_eq!(first, Frame { kind: Kind::Method, channel: 1, bytes: b"abc".to_vec() });
        assert_eq!(read(&mut stream).await.unwrap().kind, Kind::Heartbeat);
        assert!(matches!(read(&mut stream).await, Err(BrokerError::Lost(_))));
    }

    #[tokio::test]
    async fn frames_that_are_none_are_refused_before_their_bytes_are_taken() {
        let huge = [&[1u8, 0, 0][..], &u32::MAX.to_be_bytes()].concat();
        for bytes in [&huge[..], b"AMQP\0\0\x09\x01", b"HTTP/1.1 400", &[1, 0, 0, 0, 0, 0, 1, 7, 7]] {
            assert!(matches!(read(&mut &bytes[..]).await, Err(BrokerError::Malformed(_))));
        }
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_reading_them_ends(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(read(&mut &bytes[..]));
        }
    }
}
