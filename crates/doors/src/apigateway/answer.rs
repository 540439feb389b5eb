//! A request to an API, from its arrival to its answer.

use std::time::Duration;

use tindra_core::door::{
    Arrival, Authorizer, Door2, HttpAnswer, HttpRequest, answer_1, answer_2, execute_api_arn, payload_1, payload_2,
};

use super::HttpApis;
use super::authorize::OnRoute;
use super::find::Found;
use super::function_uri::FunctionTarget;
use super::lambda::Errand;
use super::records::{Integration, IntegrationKind, PayloadFormat};
use super::refusal::Refusal;
use super::route_key;
use super::serving::{ServedStage, Serving};
use crate::front_door::{DoorRequest, DoorResponse, respond, trace_root};

const REQUESTS: &str = "tindra_http_api_requests_total";

impl HttpApis {
    /// Answers a request to an API that [`HttpApis::find`] found.
    pub async fn answer_request(&self, found: &Found, mut request: DoorRequest) -> DoorResponse {
        let Some(api) = &found.api else { return identified(Refusal::Forbidden(None).answer(), &request) };
        found.enter(api, &mut request);
        let seen = request.seen(self.clock.unix_ms());
        let Some((stage, path)) = found.stage(api, seen.path).filter(|_| !found.is_disabled(api)) else {
            return identified(Refusal::NotFound.answer(), &request);
        };
        if let Some(answer) = stage.cors.as_ref().and_then(|cors| cors.preflight(&seen)) {
            return identified(answer, &request);
        }
        let trace_id = request.trace_id(seen.time_ms);
        let mut answer = match self.answer_on_route(api, stage, path, &seen, &request, &trace_id).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(),
        };
        if let Some(cors) = &stage.cors {
            cors.apply(&seen, &mut answer.headers);
        }
        identified(answer, &request)
    }

    async fn answer_on_route(
        &self,
        api: &Serving,
        stage: &ServedStage,
        path: &str,
        seen: &HttpRequest<'_>,
        request: &DoorRequest,
        trace_id: &str,
    ) -> Result<HttpAnswer, Refusal> {
        let Some(chosen) = stage.routes.select(seen.method, path) else {
            count(api, stage, None, 404);
            return Err(Refusal::NotFound);
        };
        let key = chosen.key.to_string();
        let arrival = Arrival { port: request.port, tls: request.is_tls, trace_id: trace_root(trace_id) };
        let on = OnRoute {
            api,
            stage,
            route: chosen.target,
            key: &key,
            path_parameters: &chosen.path_parameters,
            request: seen,
            arrival: &arrival,
            path,
        };
        let answer = self.pass(on, trace_id).await;
        let status = answer.as_ref().map_or_else(|refusal| refusal.clone().answer().status, |answer| answer.status);
        count(api, stage, on.route.has_detailed_metrics.then_some(on.key), status);
        answer
    }

    /// The steps of a request on its route.
    async fn pass(&self, on: OnRoute<'_>, trace_id: &str) -> Result<HttpAnswer, Refusal> {
        if on.route.throttle.as_ref().is_some_and(|throttle| !throttle.take(self.clock.monotonic())) {
            return Err(Refusal::TooManyRequests);
        }
        let authorizer = self.authorize(on).await?;
        // On AWS, too, a route that leads nowhere is not found.
        let integration = on.route.integration.as_ref().ok_or(Refusal::NotFound)?;
        match integration.kind {
            IntegrationKind::Lambda => self.run_integration(on, integration, authorizer.as_ref(), trace_id).await,
            // The control plane lets none in.
            IntegrationKind::Http => Err(Refusal::Internal),
        }
    }

    async fn run_integration(
        &self,
        on: OnRoute<'_>,
        integration: &Integration,
        authorizer: Option<&Authorizer>,
        trace_id: &str,
    ) -> Result<HttpAnswer, Refusal> {
        let target = FunctionTarget::read(&integration.uri, |name| on.stage.variable(name)).ok_or_else(|| {
            tracing::info!(api = on.api.id, stage = on.stage.name, uri = integration.uri, "the stage lacks a variable");
            Refusal::Internal
        })?;
        let call = on.call(authorizer);
        let payload = match integration.payload_format {
            PayloadFormat::V1 => payload_1(on.request, on.arrival, &call),
            PayloadFormat::V2 => payload_2(on.request, on.arrival, &call),
        };
        let errand = Errand {
            api: on.api,
            target,
            role: integration.credentials.as_deref(),
            source_arn: source_arn(on),
            payload: payload.into(),
            request_id: on.request.request_id.to_owned(),
            trace_id,
            timeout: Duration::from_millis(u64::from(integration.timeout_ms)),
        };
        let output = self.run(errand).await?;
        let read = match integration.payload_format {
            PayloadFormat::V1 => answer_1(&output),
            PayloadFormat::V2 => answer_2(&output, Door2::HttpApi),
        };
        read.map_err(|malformed| {
            tracing::info!(
                api = on.api.id,
                route = on.key,
                why = malformed.why,
                "an API's function gave no HTTP answer"
            );
            Refusal::Internal
        })
    }
}

/// What the function's policy sees: the path of the route and not of the request, so that one statement is for all.
fn source_arn(on: OnRoute<'_>) -> String {
    let (method, path) = match on.key.split_once(' ') {
        Some((_, path)) => (on.request.method, path),
        None => (route_key::DEFAULT, ""),
    };
    execute_api_arn(&on.api.scope, &on.api.id, &on.stage.name, method, path)
}

/// The answer with the request's id, as API Gateway gives it.
fn identified(mut answer: HttpAnswer, request: &DoorRequest) -> DoorResponse {
    answer.headers.push(("apigw-requestid".to_owned(), request.request_id.clone()));
    respond(answer)
}

/// Counts a request; by its route, too, where the stage wants detailed metrics.
fn count(api: &Serving, stage: &ServedStage, route: Option<&str>, status: u16) {
    let mut labels = vec![
        metrics::Label::new("account", api.scope.account.clone()),
        metrics::Label::new("region", api.scope.region.clone()),
        metrics::Label::new("api", api.id.clone()),
        metrics::Label::new("stage", stage.name.clone()),
        metrics::Label::new("status", status.to_string()),
    ];
    labels.extend(route.map(|route| metrics::Label::new("route", route.to_owned())));
    metrics::counter!(REQUESTS, labels).increment(1);
}
