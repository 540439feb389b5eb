//! The events of WebSocket APIs.

use super::Authorizer;
use crate::clock::UnixMs;
use crate::door::{Arrival, HttpRequest};

/// What a WebSocket API knows of an event's connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WebsocketCall<'a> {
    /// The API's id.
    pub api_id: &'a str,
    /// The stage's name.
    pub stage: &'a str,
    /// The stage's variables.
    pub stage_variables: &'a [(String, String)],
    /// The route that was taken: `$connect`, `$disconnect`, `$default` or the API's own.
    pub route_key: &'a str,
    /// The connection.
    pub connection_id: &'a str,
    /// When it was made.
    pub connected_at_ms: UnixMs,
    /// The domain name that the client connected to.
    pub domain_name: &'a str,
    /// The client's address.
    pub source_ip: &'a str,
    /// The `User-Agent` that the connection was asked for with.
    pub user_agent: Option<&'a str>,
    /// Who was let in at `$connect`.
    pub authorizer: Option<&'a Authorizer>,
    /// The id of this event: `requestId` and `extendedRequestId`.
    pub request_id: &'a str,
    /// When it happened.
    pub time_ms: UnixMs,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WebsocketEvent<'a> {
    /// `CONNECT`: the client asked for the connection.
    Connect {
        /// The request for it.
        request: &'a HttpRequest<'a>,
        /// How it came.
        arrival: &'a Arrival<'a>,
    },
    /// `MESSAGE`: the client sent something.
    Message {
        /// `messageId`.
        message_id: &'a str,
        /// The frame's content.
        body: &'a [u8],
    },
    /// `DISCONNECT`: the connection is no more.
    Disconnect {
        /// `disconnectStatusCode`, for example 1001.
        status_code: u16,
        /// `disconnectReason`, perhaps empty.
        reason: &'a str,
    },
}

/// The event as JSON.
///
/// Source: API Gateway developer guide, "Set up a WebSocket API integration request"; aws-lambda-go's
/// `apigw-websocket-request-*.json`.
#[must_use]
pub fn websocket_event(call: &WebsocketCall<'_>, event: &WebsocketEvent<'_>) -> Vec<u8> {
    todo!()
}
