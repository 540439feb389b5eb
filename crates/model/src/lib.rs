//! The wire shapes, constraints and error codes of the AWS APIs that Tindra serves, and request signing.
//!
//! The AWS service models lie in `data/` without their documentation (made by `cargo xtask generate`). One
//! interpreter reads them: [`Service::decode`] turns a request into a [`Call`] or into the error that AWS would
//! answer, [`Service::encode`] turns a [`Reply`] into a response. No operation has validation code of its own.
//!
//! The modules [`mod@lambda`] and [`mod@logs`] hold typed shapes of the operations that are served:
//! `serde_json::from_value(call.input)` reads a request, `serde_json::to_value` makes a [`Reply`]'s output.

pub mod apigatewayv2;
mod cbor;
mod data;
mod decode;
mod encode;
mod error;
pub mod lambda;
mod query;
mod route;
mod service;
pub mod signing;
mod sqs;
mod validate;
mod value;

pub use decode::percent_decode;
pub use error::ApiError;
pub use service::{
    Call, Operation, Reply, Service, WireRequest, apigateway, apigatewaymanagementapi, apigatewayv2,
    application_autoscaling, events, iam, kinesis, kinesis_cbor, lambda, logs, scheduler, sns, sqs, sqs_query, sts,
};
pub use validate::is_retired_runtime;
pub use value::{Blob, Sensitive};
