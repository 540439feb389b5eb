//! Functions behind HTTP: function URLs, API Gateway's HTTP, WebSocket and REST APIs, and a load balancer's rules.
//!
//! Each is a folder with its control plane and its door. They know the store, the wire shapes and the rules of `core::door`,
//! and ask the invoke path to run functions ([`front_door`]); listeners, framing and TLS are the server's.

pub mod apigateway;
pub mod front_door;
pub mod function_urls;
pub mod load_balancer;
pub mod restapi;
