//! SubscribeToShard: an event stream that goes on for five minutes. Its first message holds the members of the answer that are no
//! stream (there are none), then each `SubscribeToShardEvent` comes as there are records.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use tindra_model::Service;
use tindra_services::kinesis::Subscription;

use super::event_stream::{self, put};
use super::outgoing::Outgoing;

const EVENT: &str = "SubscribeToShardEvent";

pub(super) fn answer(subscription: Subscription, service: &'static Service) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::streamed(StreamBody::new(messages(subscription, service))));
    let kind = HeaderValue::from_static(event_stream::CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn messages(
    subscription: Subscription,
    service: &'static Service,
) -> impl Stream<Item = Result<Frame<Bytes>, io::Error>> + Send {
    stream::unfold((subscription, true), move |(mut subscription, is_first)| async move {
        let (name, shape, event) = match is_first {
            true => ("initial-response", "SubscribeToShardOutput", json!({})),
            false => (EVENT, EVENT, subscription.next().await?),
        };
        let (payload, kind) = service.encode_event(shape, &event);
        let mut message = BytesMut::new();
        put(&mut message, name, kind, &payload);
        Some((Ok(Frame::data(message.freeze())), (subscription, false)))
    })
}
