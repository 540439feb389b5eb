//! The events: one file per door, and what they share.

mod alb;
mod authorizer;
mod http_call;
mod payload_1;
mod payload_2;
mod rest;
mod websocket;

use serde::Serialize;

pub use alb::alb_event;
pub use authorizer::{Authorizer, CognitoIdentity, IamIdentity};
pub use http_call::HttpCall;
pub use payload_1::payload_1;
pub use payload_2::payload_2;
pub use rest::{RestCall, RestIdentity, rest_event};
pub use websocket::{WebsocketCall, WebsocketEvent, websocket_event};

pub(super) use authorizer::Identity;
pub(super) use payload_1::{Context1, Head1};
pub(super) use payload_2::{Context2, Head2};
pub(super) use rest::{RestContext, RestHead};
pub(super) use websocket::{ConnectHead, WebsocketContext};

/// Room for the event of a small request; it grows for others.
const EVENT_BYTES: usize = 2_048;

/// The JSON of an event.
pub(super) fn write(event: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(EVENT_BYTES);
    serde_json::to_writer(&mut json, event).expect("events are strings, numbers and maps with string keys");
    json
}
