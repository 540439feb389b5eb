//! Invoke on the wire: a typed request in, the function's own bytes out.
//!
//! Its two siblings come the same way: `InvokeAsync`, an older spelling of `InvocationType: Event`, and
//! `InvokeWithResponseStream`, whose answer goes out as the function makes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;
use tindra_core::function::Scope;
use tindra_core::tenant::TenantId;
use tindra_invoke::environments::{Finished, Outcome};

use tindra_invoke::{InvokeRequest, InvokeResponse, Mode};
use tindra_model::{ApiError, Call};

use super::event_stream::EventStream;
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::route::Served;
use super::{Backends, Edge, event_stream, head, invoke_error};

const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

/// The operation with the event as `InvokeArgs` and nothing beside it.
const ASYNC: &str = "InvokeAsync";
/// The operation whose answer is a stream of events.
const STREAM: &str = "InvokeWithResponseStream";

impl<B: Backends> Edge<B> {
    /// Runs the function and answers with what it made of the event.
    pub(super) async fn invoke(
        &self,
        served: Served,
        parts: &Parts,
        call: Call,
        scope: Scope,
        request_id: &str,
    ) -> Result<Response<Outgoing>, Refusal> {
        let is_stream = call.operation.name() == STREAM;
        refuse_members(&call).map_err(|error| served.refuse(error))?;
        match self.backends.invoke(typed(parts, call, scope, request_id)).await {
            Ok(response) => Ok(answer(response, is_stream)),
            Err(error) => Err(served.refuse(invoke_error::to_api(&error))),
        }
    }
}

/// Refuses what would otherwise be ignored: no function here is durable.
fn refuse_members(call: &Call) -> Result<(), ApiError> {
    match call.input.get("DurableExecutionName").is_some_and(|name| !name.is_null()) {
        true => Err(ApiError::new(
            "InvalidParameterValueException",
            "DurableExecutionName: The invoked function is not durable; durable functions are not supported in this version.",
        )),
        false => Ok(()),
    }
}

fn typed(parts: &Parts, mut call: Call, scope: Scope, request_id: &str) -> InvokeRequest {
    let mut text = |member: &str| match call.input.get_mut(member).map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let mode = match text("InvocationType").as_deref() {
        _ if call.operation.name() == ASYNC => Mode::Event,
        Some("Event") => Mode::Event,
        Some("DryRun") => Mode::DryRun,
        _ if call.operation.name() == STREAM => Mode::ResponseStream,
        _ => Mode::RequestResponse,
    };
    InvokeRequest {
        scope,
        function: text("FunctionName").unwrap_or_default(),
        qualifier: text("Qualifier"),
        mode,
        tenant: text("TenantId").map(TenantId::from),
        log_tail: text("LogType").as_deref() == Some("Tail"),
        client_context: text("ClientContext"),
        payload: call.payload.unwrap_or_default(),
        request_id: request_id.to_owned(),
        trace_id: head::trace_id(&parts.headers).map(str::to_owned),
    }
}

fn answer(response: InvokeResponse, is_stream: bool) -> Response<Outgoing> {
    match response {
        InvokeResponse::DryRun => empty(StatusCode::NO_CONTENT).map(Outgoing::from),
        InvokeResponse::Accepted => empty(StatusCode::ACCEPTED).map(Outgoing::from),
        InvokeResponse::Streaming { stream, executed_version } => {
            events(Outgoing::streamed(EventStream::new(stream)), &executed_version)
        }
        InvokeResponse::Completed { finished, executed_version, .. } if is_stream => {
            events(Full::new(event_stream::encode(finished)).into(), &executed_version)
        }
        InvokeResponse::Completed { finished, executed_version, .. } => {
            completed(finished, &executed_version).map(Outgoing::from)
        }
    }
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn events(body: Outgoing, executed_version: &str) -> Response<Outgoing> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(event_stream::CONTENT_TYPE));
    if let Ok(version) = HeaderValue::from_str(executed_version) {
        headers.insert(EXECUTED_VERSION, version);
    }
    response
}

fn completed(finished: Finished, executed_version: &str) -> Response<Full<Bytes>> {
    let (payload, is_error) = match finished.outcome {
        Outcome::Success(payload) => (payload, false),
        Outcome::FunctionError(payload) => (payload, true),
    };
    let mut response = Response::new(Full::new(payload));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(version) = HeaderValue::from_str(executed_version) {
        headers.insert(EXECUTED_VERSION, version);
    }
    if is_error {
        headers.insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    }
    if let Some(tail) = finished.log_tail
        && let Ok(tail) = HeaderValue::from_str(&STANDARD.encode(tail))
    {
        headers.insert(LOG_RESULT, tail);
    }
    response
}
