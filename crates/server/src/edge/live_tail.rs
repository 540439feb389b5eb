//! StartLiveTail: an event stream that goes on while somebody watches. Its first message holds the members of the answer that
//! are no stream (there are none), then comes `sessionStart`, and each second `sessionUpdate`.

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use tindra_services::logs::LiveTail;

use super::event_stream::{self, put};
use super::outgoing::Outgoing;

/// As the protocol of the service has it.
const INITIAL: &str = "application/x-amz-json-1.1";
const EVENT: &str = "application/json";

pub(super) fn answer(tail: LiveTail) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::streamed(StreamBody::new(messages(tail))));
    let kind = HeaderValue::from_static(event_stream::CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn messages(tail: LiveTail) -> impl Stream<Item = Result<Frame<Bytes>, io::Error>> + Send {
    stream::unfold((tail, true), |(mut tail, is_first)| async move {
        let mut message = bytes::BytesMut::new();
        if is_first {
            put(&mut message, "initial-response", INITIAL, b"{}");
            put(&mut message, "sessionStart", EVENT, tail.start.to_string().as_bytes());
        } else {
            let update = tail.next().await?;
            put(&mut message, "sessionUpdate", EVENT, update.to_string().as_bytes());
        }
        Some((Ok(Frame::data(message.freeze())), (tail, false)))
    })
}
