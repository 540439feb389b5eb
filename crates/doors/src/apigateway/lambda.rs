//! Running a function on behalf of an API: whether it lets the API in, within which time, and what became of it.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use tindra_invoke::environments::Outcome;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Mode};
use tindra_store::BoxFuture;

use super::HttpApis;
use super::function_uri::FunctionTarget;
use super::refusal::Refusal;
use super::serving::Serving;

/// The service that functions' policies let in.
const SERVICE: &str = "apigateway.amazonaws.com";

/// Port: what the roles of integrations and authorizers may do. The server joins it to IAM.
pub trait Roles: Send + Sync + Debug {
    /// Whether API Gateway may assume a role, and the role may invoke a function (its ARN, with a qualifier or without).
    /// Where nothing is checked, always.
    fn may_invoke<'a>(&'a self, role: &'a str, api: &'a str, function: &'a str) -> BoxFuture<'a, bool>;
}

/// What a function is to be run for.
#[derive(Debug)]
pub(super) struct Errand<'a> {
    pub(super) api: &'a Serving,
    pub(super) target: FunctionTarget,
    /// On whose behalf; without one the function's policy decides.
    pub(super) role: Option<&'a str>,
    /// What the function's policy sees of the API.
    pub(super) source_arn: String,
    pub(super) payload: Bytes,
    pub(super) request_id: String,
    pub(super) trace_id: &'a str,
    pub(super) timeout: Duration,
}

impl HttpApis {
    /// What the function answered.
    pub(super) async fn run(&self, errand: Errand<'_>) -> Result<Bytes, Refusal> {
        let arn = errand.target.arn();
        let may = match errand.role {
            Some(role) => self.roles.may_invoke(role, &errand.api.id, &arn).await,
            None => self.functions.lets_in(&errand.api.scope, &arn, SERVICE, &errand.source_arn).await,
        };
        if !may {
            tracing::info!(
                api = errand.api.id,
                function = arn,
                source = errand.source_arn,
                "the function does not let the API in"
            );
            return Err(Refusal::Internal);
        }
        let request = InvokeRequest {
            scope: errand.target.scope,
            function: errand.target.name,
            qualifier: errand.target.qualifier,
            mode: Mode::RequestResponse,
            tenant: None,
            log_tail: false,
            client_context: None,
            payload: errand.payload,
            request_id: errand.request_id,
            trace_id: Some(errand.trace_id.to_owned()),
        };
        // The function runs to its end also when nobody waits for it any more.
        match tokio::time::timeout(errand.timeout, self.functions.invoke(request)).await {
            Err(_) => Err(Refusal::Unavailable),
            Ok(Ok(InvokeResponse::Completed { finished, .. })) => match finished.outcome {
                Outcome::Success(payload) => Ok(payload),
                Outcome::FunctionError(_) => Err(Refusal::Internal),
            },
            Ok(Ok(_)) => Err(Refusal::Internal),
            Ok(Err(error)) => Err(refusal_of(&error)),
        }
    }
}

fn refusal_of(error: &InvokeError) -> Refusal {
    match error {
        InvokeError::PayloadTooLarge { .. } => Refusal::TooLarge,
        InvokeError::Throttled(_) | InvokeError::NoCapacity { .. } | InvokeError::TooManyOfTenants { .. } => {
            Refusal::Unavailable
        }
        _ => Refusal::Internal,
    }
}
