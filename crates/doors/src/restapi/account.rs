//! GetAccount and UpdateAccount: the throttle that every stage of an account and region shares.
//!
//! A role for CloudWatch Logs would be told to nobody, so it is not taken.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::limits;

use super::patch::{PatchOperation, apply_all};
use super::{RestApiError, RestApiService};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateRequest {
    patch_operations: Option<Vec<PatchOperation>>,
}

impl RestApiService {
    pub(super) fn get_account(&self) -> Value {
        json!({
            "throttleSettings": { "burstLimit": limits::GATEWAY_BURST, "rateLimit": limits::GATEWAY_RATE_PER_S },
            "features": ["UsagePlans"],
            "apiKeyVersion": "4",
        })
    }

    pub(super) fn update_account(&self, request: &UpdateRequest) -> Result<Value, RestApiError> {
        apply_all(request.patch_operations.as_deref(), |patch| match patch.at().as_slice() {
            ["cloudwatchRoleArn"] if patch.text().is_empty() => Ok(()),
            ["cloudwatchRoleArn"] => Err(RestApiError::unsupported(
                "A role for CloudWatch Logs (nothing is logged of REST APIs, functions log by themselves) is",
            )),
            _ => Err(patch.unknown("/cloudwatchRoleArn")),
        })?;
        Ok(self.get_account())
    }
}
