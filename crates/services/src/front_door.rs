//! What the HTTP front doors of functions have in common: what comes in, what goes out, and the port through which they run
//! functions. Each door is a module of its own.

use std::fmt::Debug;
use std::io;
use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use tindra_core::function::Scope;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse};
use tindra_store::BoxFuture;

/// A request to a function's front door, its body read whole.
#[derive(Debug)]
pub struct DoorRequest {
    /// Method, target, version and headers as they came.
    pub parts: http::request::Parts,
    /// The whole body.
    pub body: Bytes,
    /// The host that the client named, in lower case and without a port.
    pub host: String,
    /// The port at which the client reached the server, as it named it, or as it listens.
    pub port: u16,
    /// Whether it came over TLS.
    pub is_tls: bool,
    /// Where the client is.
    pub source_ip: IpAddr,
    /// The request's id, for an invoke also the function's.
    pub request_id: String,
}

/// An answer of a front door.
pub type DoorResponse = http::Response<DoorBody>;

/// The body of an answer.
#[derive(Debug)]
pub enum DoorBody {
    /// All of it.
    Whole(Bytes),
    /// As the function makes it. An error breaks the connection, because the client must not take a part for the whole.
    Stream(UnsyncBoxBody<Bytes, io::Error>),
}

impl From<Bytes> for DoorBody {
    fn from(whole: Bytes) -> Self {
        Self::Whole(whole)
    }
}

/// The functions behind the doors. The server joins it to the invoke path.
pub trait Functions: Send + Sync + Debug {
    /// Runs a function. It runs to its end also when this future is dropped.
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>>;

    /// Whether the policy of a function (its name or ARN, with a qualifier or without) lets a service, such as
    /// `apigateway.amazonaws.com`, invoke it on behalf of `source_arn`, which is in `scope`. Where nothing is checked, always.
    fn lets_in<'a>(
        &'a self,
        scope: &'a Scope,
        function: &'a str,
        principal: &'a str,
        source_arn: &'a str,
    ) -> BoxFuture<'a, bool>;
}
