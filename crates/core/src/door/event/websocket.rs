//! The events of WebSocket APIs.

use serde::Serialize;
use serde_json::{Map, Value};

use super::authorizer::authorizer_1;
use super::{Authorizer, write};
use crate::clock::UnixMs;
use crate::door::body::EventBody;
use crate::door::pairs::{self, Members};
use crate::door::{Arrival, HttpRequest, arrival, query, stamp};

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
    let body = match event {
        WebsocketEvent::Message { body, .. } => EventBody::new(body, true),
        WebsocketEvent::Connect { .. } | WebsocketEvent::Disconnect { .. } => {
            EventBody { text: None, is_base64: false }
        }
    };
    let connect = match event {
        WebsocketEvent::Connect { request, arrival } => Some(ConnectHead::new(request, arrival)),
        WebsocketEvent::Disconnect { .. } => Some(ConnectHead::at_disconnect(call)),
        WebsocketEvent::Message { .. } => None,
    };
    write(&Event {
        head: connect,
        stage_variables: Members(call.stage_variables.to_vec()).non_empty(),
        request_context: WebsocketContext::new(call, event),
        body: body.text,
        is_base64_encoded: body.is_base64,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(flatten)]
    head: Option<ConnectHead>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<Members<String>>,
    request_context: WebsocketContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

/// Headers and query of the request for the connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::door) struct ConnectHead {
    headers: Members<String>,
    multi_value_headers: Members<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<Members<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<Members<Vec<String>>>,
}

impl ConnectHead {
    pub(in crate::door) fn new(request: &HttpRequest<'_>, arrival: &Arrival<'_>) -> Self {
        let query = query::decoded(request.query);
        Self {
            query_string_parameters: pairs::last(&query).non_empty(),
            multi_value_query_string_parameters: pairs::lists(&query).non_empty(),
            ..Self::of_headers(&arrival::rest_headers(request, arrival))
        }
    }

    /// A disconnect has no request; API Gateway fills in these.
    fn at_disconnect(call: &WebsocketCall<'_>) -> Self {
        let headers = [("Host", call.domain_name), ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", "")];
        Self::of_headers(&headers.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn of_headers(headers: &[(String, String)]) -> Self {
        Self {
            headers: pairs::last(headers),
            multi_value_headers: pairs::lists(headers),
            query_string_parameters: None,
            multi_value_query_string_parameters: None,
        }
    }
}

/// `requestContext`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::door) struct WebsocketContext<'a> {
    route_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    event_type: &'static str,
    extended_request_id: &'a str,
    request_time: String,
    message_direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    stage: &'a str,
    connected_at: UnixMs,
    request_time_epoch: UnixMs,
    identity: Identity<'a>,
    request_id: &'a str,
    domain_name: &'a str,
    connection_id: &'a str,
    api_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    source_ip: &'a str,
}

impl<'a> WebsocketContext<'a> {
    pub(in crate::door) fn new(call: &WebsocketCall<'a>, event: &WebsocketEvent<'a>) -> Self {
        let (event_type, message_id, disconnect) = match *event {
            WebsocketEvent::Connect { .. } => ("CONNECT", None, None),
            WebsocketEvent::Message { message_id, .. } => ("MESSAGE", Some(message_id), None),
            WebsocketEvent::Disconnect { status_code, reason } => ("DISCONNECT", None, Some((status_code, reason))),
        };
        Self {
            route_key: call.route_key,
            disconnect_status_code: disconnect.map(|(status_code, _)| status_code),
            authorizer: authorizer_1(call.authorizer),
            message_id,
            event_type,
            extended_request_id: call.request_id,
            request_time: stamp::common_log(call.time_ms),
            message_direction: "IN",
            disconnect_reason: disconnect.map(|(_, reason)| reason),
            stage: call.stage,
            connected_at: call.connected_at_ms,
            request_time_epoch: call.time_ms,
            identity: Identity { user_agent: call.user_agent, source_ip: call.source_ip },
            request_id: call.request_id,
            domain_name: call.domain_name,
            connection_id: call.connection_id,
            api_id: call.api_id,
        }
    }
}
