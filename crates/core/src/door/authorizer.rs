//! Lambda authorizers: the functions of API Gateway that say who may call an API.

mod answer;
mod arn;
mod event;
mod identity_source;

pub use answer::{AuthorizerAnswer, Grant, Judgement};
pub use arn::execute_api_arn;
pub use event::{
    http_authorizer_event_1, http_authorizer_event_2, rest_request_authorizer_event, rest_token_authorizer_event,
    websocket_authorizer_event,
};
pub use identity_source::{IdentityFacts, IdentitySource, IdentitySourceError};
