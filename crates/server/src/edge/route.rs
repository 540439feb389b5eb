//! Where a request goes: by path, target header, credential scope, or the form in its body.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Response, header};
use http_body_util::Full;
use tindra_core::limits;
use tindra_model::{ApiError, Call, Operation, Reply, Service, WireRequest};

use super::Peer;
use super::backends::Neighbour;
use super::body::BodyError;
use super::head::Claim;
use super::refusal::Refusal;

/// Bodies of everything that carries neither an event nor code.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The operations that run a function.
const INVOKES: [&str; 3] = ["Invoke", "InvokeAsync", "InvokeWithResponseStream"];
const LOGS_TARGET: &str = "Logs_20140328.";
const AUTOSCALING_TARGET: &str = "AnyScaleFrontendService.";
const SQS_TARGET: &str = "AmazonSQS.";
const EVENTS_TARGET: &str = "AWSEvents.";
const KINESIS_TARGET: &str = "Kinesis_20131202.";
/// As Java's SDKs write bodies for Kinesis.
const CBOR: &str = "application/x-amz-cbor-1.1";
/// Records of 10 MB together (AWS); in JSON that is a third more.
const RECORDS_BODY_BYTES_MAX: usize = 16 << 20;
/// A message of a queue or topic with its attributes is 1 MB (AWS), ten of them one request; forms and JSON make it
/// up to three times as much.
pub(super) const MESSAGE_BODY_BYTES_MAX: usize = 4 << 20;

const SQS: Door = Door::Neighbour(Neighbour::Sqs);
const SNS: Door = Door::Neighbour(Neighbour::Sns);
const EVENTS: Door = Door::Neighbour(Neighbour::EventBridge);
const SCHEDULER: Door = Door::Neighbour(Neighbour::Scheduler);
const KINESIS: Door = Door::Neighbour(Neighbour::Kinesis);

/// One of the server's own pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page<'a> {
    Health,
    Metrics,
    Capacity,
    Environments,
    Queue,
    Sources,
    Redrive,
    Clock,
    Advance,
    Reset,
    /// The zip behind a link of GetFunction.
    Code(&'a str),
}

/// What a topic's messages lead to, and what leads messages to a topic: served without a signature.
#[derive(Clone, Copy, Debug)]
pub(super) enum TopicPage<'a> {
    /// A link in a message.
    Link(&'static Operation),
    /// The certificate of the key that signs messages, by its path.
    Certificate(&'a str),
    /// Where an SNS elsewhere sends its messages for a topic here, after the prefix: `ACCOUNT/REGION/NAME`.
    Ingress(&'a str),
}

/// Which part serves an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Invoke,
    Control,
    Logs,
    Autoscaling,
    HttpApis,
    RestApis,
    Iam,
    Sts,
    Neighbour(Neighbour),
}

/// A service with the part that serves it, and the operation if the head names it. The query protocol names the
/// operation in the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    door: Door,
    pub(super) service: &'static Service,
    operation: Option<&'static Operation>,
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
    Topics(TopicPage<'a>),
    Arrived(Arrived),
}

/// Finds where a request goes.
pub(super) fn destination<'a>(
    parts: &'a Parts,
    claim: Option<Claim<'_>>,
    peer: &Peer,
) -> Result<Destination<'a>, Refusal> {
    let path = parts.uri.path();
    if let Some(page) = topic_page(parts, claim) {
        return Ok(Destination::Topics(page));
    }
    if let Some(page) = page(&parts.method, path) {
        // Those pages are the operator's; a function has no business there.
        return if matches!(peer, Peer::Operator { .. }) {
            page.map(Destination::Local)
        } else {
            Err(Refusal::NoSuchPage)
        };
    }
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match (target, claim.map(|claim| claim.service)) {
        (Some(target), _) if target.starts_with(LOGS_TARGET) => by_head(Door::Logs, tindra_model::logs(), parts),
        (Some(target), _) if target.starts_with(AUTOSCALING_TARGET) => {
            by_head(Door::Autoscaling, tindra_model::application_autoscaling(), parts)
        }
        (Some(target), _) if target.starts_with(SQS_TARGET) => by_head(SQS, tindra_model::sqs(), parts),
        (Some(target), _) if target.starts_with(EVENTS_TARGET) => by_head(EVENTS, tindra_model::events(), parts),
        (Some(target), _) if target.starts_with(KINESIS_TARGET) => by_head(KINESIS, kinesis(&parts.headers), parts),
        (_, Some("sqs")) => Ok(form(SQS, tindra_model::sqs_query())),
        // Nobody signed it, but only queues have such paths.
        (None, None) if is_of_queues(path) => Ok(form(SQS, tindra_model::sqs_query())),
        (_, Some("sns")) => Ok(form(SNS, tindra_model::sns())),
        (_, Some("events")) => by_head(EVENTS, tindra_model::events(), parts),
        (_, Some("scheduler")) => by_head(SCHEDULER, tindra_model::scheduler(), parts),
        (_, Some("kinesis")) => by_head(KINESIS, kinesis(&parts.headers), parts),
        (_, Some("logs")) => by_head(Door::Logs, tindra_model::logs(), parts),
        (_, Some("application-autoscaling")) => {
            by_head(Door::Autoscaling, tindra_model::application_autoscaling(), parts)
        }
        (None, Some("apigateway") | None) if is_of_http_apis(path) => {
            by_head(Door::HttpApis, tindra_model::apigatewayv2(), parts)
        }
        (None, Some("apigateway")) => by_head(Door::RestApis, tindra_model::apigateway(), parts),
        (None, None) if is_of_rest_apis(path) => by_head(Door::RestApis, tindra_model::apigateway(), parts),
        (None, Some("iam")) => Ok(form(Door::Iam, tindra_model::iam())),
        (None, Some("sts")) => Ok(form(Door::Sts, tindra_model::sts())),
        // Nobody signed it; which of the two it is for, the form tells.
        (None, None) if path == "/" && is_form(&parts.headers) => Ok(form(Door::Sts, tindra_model::sts())),
        (None, Some("lambda") | None) => lambda(parts),
        (_, Some(service)) => Err(Refusal::NotServed(service.to_owned())),
        (Some(target), None) => Err(Refusal::NotServed(target.split('.').next().unwrap_or_default().to_owned())),
    }
}

/// Kinesis as the client speaks it.
fn kinesis(headers: &HeaderMap) -> &'static Service {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    match kind.is_some_and(|kind| kind.starts_with(CBOR)) {
        true => tindra_model::kinesis_cbor(),
        false => tindra_model::kinesis(),
    }
}

/// One of the pages of topics that anybody may ask for.
fn topic_page<'a>(parts: &'a Parts, claim: Option<Claim<'_>>) -> Option<TopicPage<'a>> {
    const LINKS: [&str; 2] = ["ConfirmSubscription", "Unsubscribe"];
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    match parts.method {
        Method::GET if path == "/" && claim.is_none() => {
            let operation = tindra_model::sns().route_form(query, &[]);
            operation.filter(|operation| LINKS.contains(&operation.name())).map(TopicPage::Link)
        }
        Method::GET if path.starts_with("/SimpleNotificationService-") && path.ends_with(".pem") => {
            Some(TopicPage::Certificate(path))
        }
        Method::POST => path.strip_prefix("/_tindra/sns/").map(TopicPage::Ingress),
        _ => None,
    }
}

/// Whether a path is for the server's own pages.
pub(super) fn is_page(path: &str) -> bool {
    page(&Method::GET, path).is_some()
}

fn page<'a>(method: &Method, path: &'a str) -> Option<Result<Page<'a>, Refusal>> {
    let (wanted, page) = match path {
        "/_tindra/health" => (Method::GET, Page::Health),
        "/_tindra/capacity" => (Method::GET, Page::Capacity),
        "/_tindra/environments" => (Method::GET, Page::Environments),
        "/_tindra/sources" => (Method::GET, Page::Sources),
        "/_tindra/queue" => (Method::GET, Page::Queue),
        "/_tindra/queue/redrive" => (Method::POST, Page::Redrive),
        "/_tindra/clock" => (Method::GET, Page::Clock),
        "/_tindra/clock/advance" => (Method::POST, Page::Advance),
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
    Ok(Destination::Arrived(Arrived { door, service, operation: Some(operation) }))
}

/// The two generations of API Gateway share a name and are told apart by the path.
fn is_of_http_apis(path: &str) -> bool {
    path.starts_with("/v2/")
}

/// What nobody signed, but only this service has.
fn is_of_rest_apis(path: &str) -> bool {
    ["/restapis", "/apikeys", "/usageplans"]
        .iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The path of a queue's URL: the account and the name.
fn is_of_queues(path: &str) -> bool {
    path.matches('/').count() == 2 && tindra_services::sqs::queue_of_url(path).is_some()
}

/// A service whose operations are named by the head: the target header, or method and path.
fn by_head(door: Door, service: &'static Service, parts: &Parts) -> Result<Destination<'static>, Refusal> {
    let operation = service
        .route(&parts.method, parts.uri.path(), parts.uri.query().unwrap_or_default(), &parts.headers)
        .ok_or_else(|| unknown_operation(service))?;
    Ok(Destination::Arrived(Arrived { door, service, operation: Some(operation) }))
}

fn form(door: Door, service: &'static Service) -> Destination<'static> {
    Destination::Arrived(Arrived { door, service, operation: None })
}

/// Clients that know nothing better say so of every body, for example curl of an event.
fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

fn unknown_operation(service: &'static Service) -> Refusal {
    Refusal::Api(
        service,
        ApiError::new("UnknownOperationException", "The requested operation is not known, or not served here."),
    )
}

impl Arrived {
    /// The largest body of the operation.
    pub(super) fn body_bytes_max(&self) -> usize {
        match self.name() {
            "Invoke" | "InvokeWithResponseStream" => limits::SYNC_REQUEST_BYTES_MAX,
            "CreateFunction" | "UpdateFunctionCode" | "PublishLayerVersion" => limits::CREATE_FUNCTION_BODY_BYTES_MAX,
            "ImportRestApi" | "PutRestApi" => limits::API_DEFINITION_BYTES_MAX,
            "PutRecord" | "PutRecords" => RECORDS_BODY_BYTES_MAX,
            _ if matches!(self.door, Door::Neighbour(_)) => MESSAGE_BODY_BYTES_MAX,
            _ => BODY_BYTES_MAX,
        }
    }

    /// The operation, now that the body is here.
    pub(super) fn serve(&self, parts: &Parts, body: &Bytes) -> Result<Served, Refusal> {
        let Self { door, service, operation } = *self;
        if let Some(operation) = operation {
            return Ok(Served { door, service, operation });
        }
        let query = parts.uri.query().unwrap_or_default();
        let found = |door, service: &'static Service| {
            service.route_form(query, body).map(|operation| Served { door, service, operation })
        };
        let of_iam = || {
            if parts.headers.contains_key(header::AUTHORIZATION) { None } else { found(Door::Iam, tindra_model::iam()) }
        };
        let of_sqs = || {
            let is_signed = parts.headers.contains_key(header::AUTHORIZATION);
            if is_signed { None } else { found(SQS, tindra_model::sqs_query()) }
        };
        found(door, service).or_else(of_iam).or_else(of_sqs).ok_or_else(|| unknown_operation(service))
    }

    /// A refusal in the form of the service.
    pub(super) fn refuse(&self, error: ApiError) -> Refusal {
        Refusal::Api(self.service, error)
    }

    /// A refusal of a body in the words of AWS.
    pub(super) fn refuse_body(&self, error: &BodyError) -> Refusal {
        let name = self.name();
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

    fn name(&self) -> &'static str {
        self.operation.map_or("requested", Operation::name)
    }
}

impl Served {
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
    pub(super) fn encode(&self, reply: Reply, request_id: &str) -> Response<Full<Bytes>> {
        self.service.encode(self.operation, reply, request_id).map(Full::new)
    }

    /// A refusal in the form of the service.
    pub(super) fn refuse(&self, error: ApiError) -> Refusal {
        Refusal::Api(self.service, error)
    }
}
