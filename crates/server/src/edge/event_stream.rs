//! The answer of `InvokeWithResponseStream`: messages in AWS's event stream encoding
//! (`application/vnd.amazon.eventstream`).
//!
//! A message is its length, the length of its headers, a CRC of these two, the headers, the payload, and a CRC
//! of everything before; all numbers are big-endian. The function's answer comes as `PayloadChunk`s, as it is made or whole,
//! then `InvokeComplete` ends the stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::{Body, Frame};
use serde_json::{Map, Value};
use tindra_invoke::environments::{Finished, Outcome};
use tindra_invoke::{AnswerPart, AnswerStream};

/// The content type of a stream.
pub(super) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Two lengths and their CRC.
const PRELUDE_BYTES: usize = 12;
const CRC_BYTES: usize = 4;
/// A header value that is text.
const TEXT: u8 = 7;

/// The stream of an invoke whose answer comes as it is made.
#[derive(Debug)]
pub(super) struct EventStream {
    answer: AnswerStream,
}

impl EventStream {
    pub(super) fn new(answer: AnswerStream) -> Self {
        Self { answer }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(part) = ready!(self.answer.poll_next(context)) else { return Poll::Ready(None) };
        let message = match part {
            AnswerPart::Data(data) => chunk(&data),
            AnswerPart::End(Ok(finished)) => encode(finished),
            // The status has gone out long ago; a connection that breaks is an error that no client overlooks.
            AnswerPart::End(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
        };
        Poll::Ready(Some(Ok(Frame::data(message))))
    }
}

fn chunk(data: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    put(&mut message, "PayloadChunk", "application/octet-stream", data);
    message.freeze()
}

/// The whole stream of a finished invoke, or what is left of it: its answer, if it has not gone before, and its end. A function error is told in its end (AWS).
pub(super) fn encode(finished: Finished) -> Bytes {
    let mut stream = BytesMut::new();
    let mut end = Map::new();
    match finished.outcome {
        Outcome::Success(payload) if payload.is_empty() => {}
        Outcome::Success(payload) => put(&mut stream, "PayloadChunk", "application/octet-stream", &payload),
        Outcome::FunctionError(payload) => {
            end.insert("ErrorCode".to_owned(), Value::from("Unhandled"));
            end.insert("ErrorDetails".to_owned(), Value::from(String::from_utf8_lossy(&payload)));
        }
    }
    if let Some(tail) = finished.log_tail {
        end.insert("LogResult".to_owned(), Value::from(STANDARD.encode(tail)));
    }
    put(&mut stream, "InvokeComplete", "application/json", Value::Object(end).to_string().as_bytes());
    stream.freeze()
}

/// Adds a message that is an event.
pub(super) fn put(stream: &mut BytesMut, event: &str, content_type: &str, payload: &[u8]) {
    let mut headers = BytesMut::new();
    for (name, value) in [(":event-type", event), (":content-type", content_type), (":message-type", "event")] {
        headers.put_u8(u8::try_from(name.len()).expect("header names are short"));
        headers.put_slice(name.as_bytes());
        headers.put_u8(TEXT);
        headers.put_u16(u16::try_from(value.len()).expect("header values are short"));
        headers.put_slice(value.as_bytes());
    }
    let length = PRELUDE_BYTES + headers.len() + payload.len() + CRC_BYTES;
    let mut message = BytesMut::with_capacity(length);
    message.put_u32(u32::try_from(length).expect("answers of functions have a limit far below 4 GiB"));
    message.put_u32(u32::try_from(headers.len()).expect("the headers are short"));
    message.put_u32(crc32fast::hash(&message));
    message.put_slice(&headers);
    message.put_slice(payload);
    message.put_u32(crc32fast::hash(&message));
    stream.put_slice(&message);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8]) -> usize {
        u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize
    }

    /// Checks the lengths and CRCs of the first message; gives its event type, its payload and what follows.
    fn take(stream: &[u8]) -> (String, &[u8], &[u8]) {
        let (length, headers_length) = (number(stream), number(&stream[4..]));
        assert_eq!(number(&stream[8..]), crc32fast::hash(&stream[..8]) as usize);
        let (message, rest) = stream.split_at(length);
        let (checked, crc) = message.split_at(length - CRC_BYTES);
        assert_eq!(number(crc), crc32fast::hash(checked) as usize);
        let (headers, payload) = checked[PRELUDE_BYTES..].split_at(headers_length);
        let name_length = usize::from(headers[0]);
        assert_eq!((&headers[1..=name_length], headers[1 + name_length]), (&b":event-type"[..], TEXT));
        let value = &headers[name_length + 4..][..usize::from(headers[name_length + 3])];
        (String::from_utf8(value.to_vec()).unwrap(), payload, rest)
    }

    #[test]
    fn a_success_is_a_chunk_and_an_end() {
        let tail = Some(Bytes::from_static(b"END\n"));
        let finished = Finished { outcome: Outcome::Success(Bytes::from_static(b"{\"a\":1}")), log_tail: tail };
        let stream = encode(finished);
        let (event, payload, rest) = take(&stream);
        assert_eq!((event.as_str(), payload), ("PayloadChunk", &b"{\"a\":1}"[..]));
        let (event, payload, rest) = take(rest);
        assert_eq!((event.as_str(), payload), ("InvokeComplete", &b"{\"LogResult\":\"RU5ECg==\"}"[..]));
        assert!(rest.is_empty());
    }

    #[test]
    fn a_function_error_is_told_at_the_end() {
        let outcome = Outcome::FunctionError(Bytes::from_static(b"{\"errorType\":\"Oops\"}"));
        let stream = encode(Finished { outcome, log_tail: None });
        let (event, payload, rest) = take(&stream);
        assert_eq!(event, "InvokeComplete");
        let end: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(
            (&end["ErrorCode"], &end["ErrorDetails"]),
            (&"Unhandled".into(), &"{\"errorType\":\"Oops\"}".into())
        );
        assert!(rest.is_empty());
    }

    #[test]
    fn the_crc_is_that_of_the_standard() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
    }
}
