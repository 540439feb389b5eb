//! The APIs of the neighbours that a Lambda user needs at hand, a folder each, and the way to neighbours that are
//! elsewhere (`outside`).
//!
//! They know the store and the wire shapes, and nothing of how functions run. The HTTP front doors of functions are here too;
//! they ask the invoke path to run them ([`front_door`]).

pub mod apigateway;
pub mod autoscaling;
mod followed;
pub mod front_door;
pub mod function_urls;
pub mod iam;
pub mod load_balancer;
pub mod logs;
pub mod outside;
pub mod restapi;
pub mod sts;
