//! How a request came to the door: what the door adds to the headers that a function sees.

use super::HttpRequest;

/// The connection's side of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The port that the client connected to: `x-forwarded-port`.
    pub port: u16,
    /// Whether it came by TLS: `x-forwarded-proto` is `https` or `http`.
    pub tls: bool,
    /// `x-amzn-trace-id`, for example `Root=1-5e9f0c65-1de4d666d4dd26aced652b6c`. A trace id of the client's
    /// is replaced by it.
    pub trace_id: &'a str,
}
