//! An Application Load Balancer's listener: rules lead requests to functions, as targets of a target group.
//!
//! The rules are the operator's and stand in the server's configuration; AWS's own API for them is not served. Events and answers are
//! rules of [`tindra_core::door`].

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tindra_core::clock::Clock;
use tindra_core::door::{Arrival, ListenerRule, alb_answer, alb_event};
use tindra_core::function::Scope;
use tindra_core::{limits, name};
use tindra_invoke::environments::Outcome;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Mode};

use crate::front_door::{self, DoorBody, DoorRequest, DoorResponse, Functions, respond, trace_root};

/// Who asks functions on behalf of a target group.
const PRINCIPAL: &str = "elasticloadbalancing.amazonaws.com";

/// A rule with the function that it forwards to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Which requests.
    pub rule: ListenerRule,
    /// Unqualified name of the function, in the server's account and region.
    pub function: String,
    /// An alias of it.
    pub alias: Option<String>,
    /// The name of the target group.
    pub target_group: String,
    /// `lambda.multi_value_headers.enabled` of the target group.
    pub multi_value_headers: bool,
}

/// The listener of this server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LoadBalancer {
    forwards: Arc<[Forward]>,
    scope: Scope,
    functions: Arc<dyn Functions>,
    clock: Arc<dyn Clock>,
}

impl LoadBalancer {
    /// `forwards` are in the order of their priorities.
    #[must_use]
    pub fn new(forwards: Vec<Forward>, scope: Scope, functions: Arc<dyn Functions>, clock: Arc<dyn Clock>) -> Self {
        Self { forwards: forwards.into(), scope, functions, clock }
    }

    /// The first rule that is for this request.
    #[must_use]
    pub fn find(&self, parts: &http::request::Parts, host: &str) -> Option<&Forward> {
        let request = front_door::head(parts, host);
        self.forwards.iter().find(|forward| forward.rule.matches(&request))
    }

    /// Runs the rule's function for a request.
    pub async fn answer(&self, forward: &Forward, request: DoorRequest) -> DoorResponse {
        let target_group = self.target_group_arn(&forward.target_group);
        let function = name::arn(&self.scope, &forward.function, forward.alias.as_deref());
        if !self.functions.lets_in(&self.scope, &function, PRINCIPAL, &target_group).await {
            tracing::info!(function, target_group, "the function's policy does not let the load balancer in");
            return bad_gateway();
        }
        let now_ms = self.clock.unix_ms();
        let trace_id = request.trace_id(now_ms);
        let arrival = Arrival { port: request.port, tls: request.is_tls, trace_id: trace_root(&trace_id) };
        let payload = alb_event(&request.seen(now_ms), &arrival, &target_group, forward.multi_value_headers);
        let invoke = InvokeRequest {
            scope: self.scope.clone(),
            function: forward.function.clone(),
            qualifier: forward.alias.clone(),
            mode: Mode::RequestResponse,
            tenant: None,
            log_tail: false,
            client_context: None,
            payload: payload.into(),
            request_id: request.request_id.clone(),
            trace_id: Some(trace_id),
        };
        read(self.functions.invoke(invoke).await, forward)
    }

    /// The last part is made of the name, so that it stays the same.
    fn target_group_arn(&self, target_group: &str) -> String {
        let digest = Sha256::digest(target_group.as_bytes());
        let id: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let Scope { account, region } = &self.scope;
        format!("arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{target_group}/{id}")
    }
}

/// What the function gave back, or 502: a load balancer has no other words for what goes wrong behind it (AWS).
fn read(result: Result<InvokeResponse, InvokeError>, forward: &Forward) -> DoorResponse {
    let finished = match result {
        Ok(InvokeResponse::Completed { finished, .. }) => finished,
        Ok(_) => return bad_gateway(),
        Err(InvokeError::PayloadTooLarge { .. }) => return too_large(),
        Err(error) => {
            tracing::info!(function = forward.function, %error, "a load balancer's target could not be run");
            return bad_gateway();
        }
    };
    let Outcome::Success(payload) = finished.outcome else { return bad_gateway() };
    if payload.len() > limits::LOAD_BALANCER_BYTES_MAX {
        tracing::info!(
            function = forward.function,
            bytes = payload.len(),
            "a load balancer's target answered too much"
        );
        return bad_gateway();
    }
    match alb_answer(&payload, forward.multi_value_headers) {
        Ok(answer) => respond(answer),
        Err(malformed) => {
            tracing::info!(function = forward.function, why = malformed.why, "a load balancer's target gave no answer");
            bad_gateway()
        }
    }
}

/// A body over [`limits::LOAD_BALANCER_BYTES_MAX`] (AWS).
#[must_use]
pub fn too_large() -> DoorResponse {
    page(StatusCode::PAYLOAD_TOO_LARGE)
}

fn bad_gateway() -> DoorResponse {
    page(StatusCode::BAD_GATEWAY)
}

/// As a load balancer shows its own errors.
fn page(status: StatusCode) -> DoorResponse {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let html = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    let mut response = DoorResponse::new(DoorBody::Whole(Bytes::from(html)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}
