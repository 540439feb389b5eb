//! WebSocket APIs: connections that stay, whose messages run functions, and to which functions post back.
//!
//! The way of a connection: [`HttpApis::shake_hands`] asks the authorizer and the function of `$connect` and answers the
//! request for it (`handshake`); [`HttpApis::converse`] moves messages until somebody ends it (`session`), each message
//! by its route to a function (`message`), and tells `$disconnect`. Meanwhile it is known by its id ([`Connections`]), by
//! which [`HttpApis::manage`] posts to it, shows it, or ends it (`manage`). The control plane shares the records of HTTP
//! APIs; what differs is in `rules`, `api` and `route_responses`.
//!
//! Connections live in this server's memory alone: they end with it.

mod api;
mod connections;
mod handshake;
mod key;
mod manage;
mod message;
mod route_responses;
pub(super) mod rules;
mod session;

pub use connections::Connections;
pub use handshake::{Connected, Handshake};
pub use manage::{Managed, payload_too_large};
