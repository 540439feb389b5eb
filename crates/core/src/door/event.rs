//! The events: one file per door, and what they share.

mod alb;
mod authorizer;
mod http_call;
mod payload_1;
mod payload_2;
mod rest;
mod websocket;

pub use alb::alb_event;
pub use authorizer::{Authorizer, CognitoIdentity, IamIdentity};
pub use http_call::HttpCall;
pub use payload_1::payload_1;
pub use payload_2::payload_2;
pub use rest::{RestCall, RestIdentity, rest_event};
pub use websocket::{WebsocketCall, WebsocketEvent, websocket_event};
