//! HTTP front doors: what event a function gets for an HTTP request, and what HTTP answer its output means.
//!
//! A door is a kind of HTTP address that leads to a function: function URLs, API Gateway's HTTP APIs, REST APIs
//! and WebSocket APIs, and targets of an Application Load Balancer. Each has its own event and its own reading
//! of the function's output. The way of one request through this module:
//!
//! 1. The listener makes an [`HttpRequest`] of what came in, with [`Arrival`] for how it came.
//! 2. [`RouteTable`], [`ResourceTree`] or [`SelectionExpression`] say which route it takes.
//! 3. [`Cors::preflight`] answers what pages ask before they ask; an [`AuthorizerAnswer`] says who may pass.
//! 4. [`payload_2`], [`payload_1`], [`rest_event`], [`alb_event`] or [`websocket_event`] write the event.
//! 5. [`answer_2`], [`answer_1`], [`rest_answer`] or [`alb_answer`] read what the function gave back;
//!    [`PreludeReader`] reads the first part of a streamed answer. [`Cors::apply`] has the last word on headers.
//!
//! All of it is plain strings and bytes. Nothing a function or a client sends can make it panic, and no header
//! leaves it that could split an answer in two.

mod answer;
mod arrival;
mod authorizer;
mod body;
mod cors;
mod event;
mod header;
mod listener_rule;
mod pairs;
mod percent;
mod prelude;
mod query;
mod request;
mod route;
mod stamp;

#[cfg(test)]
mod tests;

pub use answer::{
    AnswerHead, Door, Door2, HttpAnswer, Malformed, RestAnswering, alb_answer, answer_1, answer_2, rest_answer,
};
pub use arrival::Arrival;
pub use authorizer::{
    AuthorizerAnswer, Grant, IdentityFacts, IdentitySource, IdentitySourceError, Judgement, execute_api_arn,
    http_authorizer_event_1, http_authorizer_event_2, rest_request_authorizer_event, rest_token_authorizer_event,
    websocket_authorizer_event,
};
pub use cors::Cors;
pub use event::{
    Authorizer, CognitoIdentity, HttpCall, IamIdentity, RestCall, RestIdentity, WebsocketCall, WebsocketEvent,
    alb_event, payload_1, payload_2, rest_event, websocket_event,
};
pub use listener_rule::ListenerRule;
pub use prelude::{PRELUDE_BYTES_MAX, PRELUDE_CONTENT_TYPE, PreludeReader, PreludeStep, has_prelude, plain_head};
pub use request::HttpRequest;
pub use route::{
    PathError, PathPattern, Resource, ResourceMatch, ResourceTree, RouteKey, RouteKeyError, RouteMatch, RouteTable,
    SelectionError, SelectionExpression,
};
