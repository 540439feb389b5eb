//! Services of AWS that Tindra is a client of, each at an endpoint of the operator's choice.

mod endpoint;
pub mod http;

pub use endpoint::{Endpoint, EndpointError};
