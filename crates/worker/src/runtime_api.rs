//! The Runtime API of one environment: HTTP/1.1 on the socket that was bound inside its namespace.
//!
//! [`Exchange`] is the meeting point: the environment puts an invocation in and waits for the answer, the
//! runtime's requests take it out and bring the answer. Paths, headers and error names are those of the open
//! Runtime Interface Emulator; `runtimes.md` of the design documents says what real clients do.

mod answer_body;
mod exchange;
mod holding;
mod replies;
mod server;

pub(crate) use exchange::{Answer, Delivery, Exchange, InitAnswer, RestoreAnswer};
pub(crate) use server::RuntimeServer;

#[cfg(test)]
mod tests;
