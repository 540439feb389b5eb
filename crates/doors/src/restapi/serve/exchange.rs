//! One request on its way through a stage.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tindra_core::clock::UnixMs;
use tindra_core::door::{Arrival, Authorizer, HttpRequest, RestCall, RestIdentity};
use uuid::Uuid;

use super::stage::{Found, ServedStage};
use crate::front_door::{DoorRequest, trace_root};

/// A request with what the stage adds to it.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) stage: &'a ServedStage,
    pub(super) request: HttpRequest<'a>,
    /// Percent-encoded, beginning with a slash.
    pub(super) path_in_stage: &'a str,
    pub(super) now_ms: UnixMs,
    pub(super) trace_id: String,
    /// `x-amz-apigw-id`.
    pub(super) extended_request_id: String,
    pub(super) variables: Vec<(String, String)>,
    port: u16,
    is_tls: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(stage: &'a ServedStage, arrived: &'a DoorRequest, now_ms: UnixMs) -> Self {
        let path = arrived.parts.uri.path();
        let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage.name.as_str())).unwrap_or_default();
        Self {
            stage,
            request: arrived.seen(now_ms),
            path_in_stage: if rest.is_empty() { "/" } else { rest },
            now_ms,
            trace_id: arrived.trace_id(now_ms),
            extended_request_id: STANDARD.encode(&Uuid::new_v4().as_bytes()[..11]),
            variables: stage.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            port: arrived.port,
            is_tls: arrived.is_tls,
        }
    }

    pub(super) fn arrival(&self) -> Arrival<'_> {
        Arrival { port: self.port, tls: self.is_tls, trace_id: trace_root(&self.trace_id) }
    }

    /// What the events of functions and authorizers have of the call.
    pub(super) fn call<'b>(
        &'b self,
        found: &'b Found<'_>,
        authorizer: Option<&'b Authorizer>,
        api_key: Option<RestIdentity<'b>>,
    ) -> RestCall<'b> {
        RestCall {
            account_id: &self.stage.scope.account,
            api_id: &self.stage.api_id,
            stage: &self.stage.name,
            stage_variables: &self.variables,
            resource_id: found.resource_id,
            resource_path: found.resource_path,
            operation_name: found.method.operation_name.as_deref(),
            path_in_stage: self.path_in_stage,
            path_parameters: &found.path_parameters,
            api_key,
            authorizer,
            extended_request_id: &self.extended_request_id,
            deployment_id: &self.stage.deployment_id,
            binary_media_types: &self.stage.content.binary_media_types,
        }
    }
}
