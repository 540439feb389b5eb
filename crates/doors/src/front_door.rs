//! What the HTTP front doors of functions have in common: what comes in, what goes out, and the port through which they run
//! functions. Each door is a module of its own.

use std::fmt::Debug;
use std::io;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use tindra_core::clock::UnixMs;
use tindra_core::door::{HttpAnswer, HttpRequest};
use tindra_core::function::Scope;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, fresh_trace_id};
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
    /// The client's address.
    pub source_ip: String,
    /// The request's id, for an invoke also the function's.
    pub request_id: String,
}

/// The header by which a request says of which trace it is a part.
const TRACE_ID: &str = "x-amzn-trace-id";

/// The part of a trace id that the event and the answer show.
pub(crate) fn trace_root(trace_id: &str) -> &str {
    trace_id.split(';').next().unwrap_or_default()
}

impl DoorRequest {
    /// The client's trace id, or a new one.
    pub(crate) fn trace_id(&self, now_ms: UnixMs) -> String {
        let sent = self.parts.headers.get(TRACE_ID).and_then(|id| id.to_str().ok());
        sent.map_or_else(|| fresh_trace_id(now_ms), str::to_owned)
    }

    /// The request as the rules of doors see it.
    #[must_use]
    pub fn seen(&self, now_ms: UnixMs) -> HttpRequest<'_> {
        HttpRequest {
            source_ip: &self.source_ip,
            body: &self.body,
            request_id: &self.request_id,
            time_ms: now_ms,
            ..head(&self.parts, &self.host)
        }
    }
}

/// What the rules of doors see of a request before its body and its circumstances are known.
pub(crate) fn head<'a>(parts: &'a http::request::Parts, host: &'a str) -> HttpRequest<'a> {
    let headers = parts.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
    HttpRequest {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        protocol: match parts.version {
            http::Version::HTTP_10 => "HTTP/1.0",
            http::Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        },
        host,
        source_ip: "",
        headers: headers.collect(),
        body: &[],
        request_id: "",
        time_ms: 0,
    }
}

/// Bytes that are no UTF-8 are taken for Latin-1, which is what headers are.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|byte| char::from(*byte)).collect(),
    }
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

impl DoorBody {
    /// A body that comes as it is made.
    pub fn streamed(body: impl Body<Data = Bytes, Error = io::Error> + Send + 'static) -> Self {
        Self::Stream(body.boxed_unsync())
    }
}

/// An answer as the rules of doors have it, on its way to the client.
#[must_use]
pub fn respond(answer: HttpAnswer) -> DoorResponse {
    let mut response = DoorResponse::new(DoorBody::Whole(answer.body.into()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in answer.headers {
        // The rules let nothing else through.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
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
