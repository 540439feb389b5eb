//! AWS_PROXY: a Lambda function answers.

use std::time::Duration;

use tindra_core::door::{Grant, RestAnswering, RestIdentity, rest_answer, rest_event};
use tindra_core::function::Scope;
use tindra_core::name::FunctionReference;
use tindra_invoke::environments::Outcome;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Mode};

use super::Shared;
use super::exchange::Exchange;
use super::refusal::Refusal;
use super::stage::{Found, ServedStage};
use crate::front_door::{DoorResponse, respond};
use crate::restapi::api_keys::ApiKey;
use crate::restapi::invoke_uri::InvokeUri;

/// Who runs the function, in the words of its policy.
const PRINCIPAL: &str = "apigateway.amazonaws.com";

/// A function and whose it is.
#[derive(Debug)]
pub(super) struct Target {
    function: String,
    owner: Scope,
}

impl Target {
    /// The function that a URI names in a stage; none when it names none.
    pub(super) fn read(uri: &str, stage: &ServedStage) -> Option<Self> {
        let function = InvokeUri::parse(uri).ok()?.function(&stage.variables);
        let reference = FunctionReference::parse(&function).ok()?;
        let owner = reference.owner(&stage.scope);
        Some(Self { function, owner })
    }
}

/// The invoke of a function with an event, on behalf of its owner: its policy has been asked.
pub(super) fn invoke_request(exchange: &Exchange<'_>, target: Target, event: Vec<u8>) -> InvokeRequest {
    InvokeRequest {
        scope: target.owner,
        function: target.function,
        qualifier: None,
        mode: Mode::RequestResponse,
        tenant: None,
        log_tail: false,
        client_context: None,
        payload: event.into(),
        request_id: exchange.request.request_id.to_owned(),
        trace_id: Some(exchange.trace_id.clone()),
    }
}

impl Shared {
    pub(super) async fn lets_in(&self, exchange: &Exchange<'_>, target: &Target, source_arn: &str) -> bool {
        self.functions.lets_in(&exchange.stage.scope, &target.function, PRINCIPAL, source_arn).await
    }

    /// Runs the function of an integration, and reads its answer.
    pub(super) async fn run(
        &self,
        exchange: &Exchange<'_>,
        found: &Found<'_>,
        grant: Option<&Grant>,
        key: Option<&ApiKey>,
    ) -> Result<DoorResponse, Refusal> {
        let stage = exchange.stage;
        let uri = found.integration.uri.as_deref().unwrap_or_default();
        let target = Target::read(uri, stage).ok_or_else(Refusal::configuration)?;
        let (Scope { account, region }, method) = (&stage.scope, exchange.request.method);
        let place = format!("{}/{}/{method}{}", stage.api_id, stage.name, found.resource_path);
        if !self.lets_in(exchange, &target, &format!("arn:aws:execute-api:{region}:{account}:{place}")).await {
            tracing::info!(function = target.function, api = stage.api_id, "a function does not let API Gateway in");
            return Err(Refusal::configuration());
        }
        let authorizer = grant.map(Grant::authorizer);
        let identity = key.map(|key| RestIdentity { api_key: &key.value, api_key_id: &key.id });
        let call = exchange.call(found, authorizer.as_ref(), identity);
        let event = rest_event(&exchange.request, &exchange.arrival(), &call);
        let function = target.function.clone();
        let run = self.functions.invoke(invoke_request(exchange, target, event));
        let patience = Duration::from_millis(found.integration.timeout_ms.into());
        let result = tokio::time::timeout(patience, run).await.map_err(|_| Refusal::timed_out())?;
        let payload = payload(result, &function)?;
        let accept = exchange.request.header("accept");
        let answering = RestAnswering { binary_media_types: &stage.content.binary_media_types, accept };
        match rest_answer(&payload, &answering) {
            Ok(answer) => Ok(respond(answer)),
            Err(malformed) => {
                tracing::info!(function, why = malformed.why, "a function behind a REST API gave no HTTP answer");
                Err(Refusal::bad_gateway())
            }
        }
    }
}

fn payload(result: Result<InvokeResponse, InvokeError>, function: &str) -> Result<bytes::Bytes, Refusal> {
    match result {
        Ok(InvokeResponse::Completed { finished, .. }) => match finished.outcome {
            Outcome::Success(payload) => Ok(payload),
            Outcome::FunctionError(_) => Err(Refusal::bad_gateway()),
        },
        Ok(_) => Err(Refusal::bad_gateway()),
        Err(InvokeError::PayloadTooLarge { .. }) => Err(Refusal::request_too_large()),
        Err(error) => {
            tracing::info!(
                function,
                error = &error as &dyn std::error::Error,
                "a function behind a REST API was not run"
            );
            Err(Refusal::configuration())
        }
    }
}
