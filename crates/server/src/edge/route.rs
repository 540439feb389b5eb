//! Where a request goes: by path, target header and credential scope.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use http_body_util::Full;
use tindra_core::limits;
use tindra_model::{ApiError, Call, Operation, Reply, Service, WireRequest};

use super::Peer;
use super::body::BodyError;
use super::head::{self, Claim};
use super::refusal::Refusal;

/// Bodies of everything that carries neither an event nor code.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The operations that run a function.
const INVOKES: [&str; 3] = ["Invoke", "InvokeAsync", "InvokeWithResponseStream"];
const LOGS_TARGET: &str = "Logs_20140328.";

/// One of the server's own pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page<'a> {
    Health,
    Metrics,
    Reset,
    /// The zip behind a link of GetFunction.
    Code(&'a str),
}

/// Which part serves an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Invoke,
    Control,
    Logs,
}

/// An operation of a service with the part that serves it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) door: Door,
    pub(super) service: &'static Service,
    pub(super) operation: &'static Operation,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination<'a> {
    Local(Page<'a>),
    Served(Served),
}

/// Finds where a request goes.
pub(super) fn destination<'a>(
    parts: &'a Parts,
    claim: Option<Claim<'_>>,
    peer: &Peer,
) -> Result<Destination<'a>, Refusal> {
    if head::is_function_url(&parts.headers) {
        return Err(Refusal::FunctionUrl);
    }
    let path = parts.uri.path();
    if let Some(page) = page(&parts.method, path) {
        // Those pages are the operator's; a function has no business there.
        return if matches!(peer, Peer::Operator) { page.map(Destination::Local) } else { Err(Refusal::NoSuchPage) };
    }
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match (target, claim.map(|claim| claim.service)) {
        (Some(target), _) if target.starts_with(LOGS_TARGET) => logs(parts),
        (_, Some("logs")) => logs(parts),
        (None, Some("lambda") | None) => lambda(parts),
        (_, Some(service)) => Err(Refusal::NotServed(service.to_owned())),
        (Some(target), None) => Err(Refusal::NotServed(target.split('.').next().unwrap_or_default().to_owned())),
    }
}

fn page<'a>(method: &Method, path: &'a str) -> Option<Result<Page<'a>, Refusal>> {
    let (wanted, page) = match path {
        "/_tindra/health" => (Method::GET, Page::Health),
        "/metrics" => (Method::GET, Page::Metrics),
        "/_tindra/reset" => (Method::POST, Page::Reset),
        _ if path.starts_with("/_tindra/code/") => (Method::GET, Page::Code(&path["/_tindra/code/".len()..])),
        _ if path.starts_with("/_tindra/") => return Some(Err(Refusal::NoSuchPage)),
        _ => return None,
    };
    Some(if *method == wanted { Ok(page) } else { Err(Refusal::WrongMethod(wanted)) })
}

fn lambda(parts: &Parts) -> Result<Destination<'static>, Refusal> {
    let service = tindra_model::lambda();
    let operation = service
        .route(&parts.method, parts.uri.path(), parts.uri.query().unwrap_or_default(), &parts.headers)
        .ok_or_else(|| unknown_operation(service))?;
    let door = if INVOKES.contains(&operation.name()) { Door::Invoke } else { Door::Control };
    Ok(Destination::Served(Served { door, service, operation }))
}

fn logs(parts: &Parts) -> Result<Destination<'static>, Refusal> {
    let service = tindra_model::logs();
    let operation = service
        .route(&parts.method, parts.uri.path(), parts.uri.query().unwrap_or_default(), &parts.headers)
        .ok_or_else(|| unknown_operation(service))?;
    Ok(Destination::Served(Served { door: Door::Logs, service, operation }))
}

fn unknown_operation(service: &'static Service) -> Refusal {
    Refusal::Api(
        service,
        ApiError::new("UnknownOperationException", "The requested operation is not known, or not served here."),
    )
}

impl Served {
    /// The largest body of the operation.
    pub(super) fn body_bytes_max(&self) -> usize {
        match self.operation.name() {
            "Invoke" | "InvokeWithResponseStream" => limits::SYNC_REQUEST_BYTES_MAX,
            "CreateFunction" | "UpdateFunctionCode" => limits::CREATE_FUNCTION_BODY_BYTES_MAX,
            _ => BODY_BYTES_MAX,
        }
    }

    /// The typed request, checked against the service model.
    pub(super) fn decode(&self, parts: &Parts, body: &Bytes) -> Result<Call, ApiError> {
        let request = WireRequest {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body: body.clone(),
        };
        self.service.decode(&request)
    }

    /// The answer in the form of the service.
    pub(super) fn encode(&self, reply: Reply) -> Response<Full<Bytes>> {
        self.service.encode(self.operation, reply).map(Full::new)
    }

    /// A refusal in the form of the service.
    pub(super) fn refuse(&self, error: ApiError) -> Refusal {
        Refusal::Api(self.service, error)
    }

    /// A refusal of a body in the words of AWS.
    pub(super) fn refuse_body(&self, error: &BodyError) -> Refusal {
        let name = self.operation.name();
        let limit = self.body_bytes_max();
        self.refuse(match error {
            BodyError::TooLarge if INVOKES.contains(&name) => ApiError::new(
                "RequestTooLargeException",
                format!("Request must be smaller than {limit} bytes for the InvokeFunction operation"),
            ),
            BodyError::TooLarge => ApiError::new(
                "RequestEntityTooLargeException",
                format!("Request must be smaller than {limit} bytes for the {name} operation"),
            ),
            BodyError::Stalled => return Refusal::Stalled,
            BodyError::Broken => return Refusal::Malformed("the request body ended early"),
            BodyError::Busy => ApiError::new("ServiceException", "Too many large requests at once; try again."),
        })
    }
}
