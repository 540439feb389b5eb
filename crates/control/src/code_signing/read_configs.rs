//! `GetCodeSigningConfig`, `ListCodeSigningConfigs`, `ListFunctionsByCodeSigningConfig`.

use serde_json::Value;
use tindra_core::name;
use tindra_model::Reply;
use tindra_model::lambda::code_signing::{
    GetCodeSigningConfigRequest, GetCodeSigningConfigResponse, ListCodeSigningConfigsRequest,
    ListCodeSigningConfigsResponse, ListFunctionsByCodeSigningConfigRequest, ListFunctionsByCodeSigningConfigResponse,
};

use super::shown::configuration;
use super::{CodeSigning, not_found};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn get_code_signing(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetCodeSigningConfigRequest = read(input)?;
        let arn = &request.code_signing_config_arn;
        let record = self.code_signing(&caller.scope, arn).await?.ok_or_else(|| not_found(arn))?;
        reply(GetCodeSigningConfigResponse { code_signing_config: configuration(&record.value) })
    }

    pub(crate) async fn list_code_signing(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListCodeSigningConfigsRequest = read(input)?;
        let prefix = CodeSigning::key_prefix(&caller.scope);
        let page = self.page::<CodeSigning>(&prefix, request.marker.as_deref(), request.max_items).await?;
        reply(ListCodeSigningConfigsResponse {
            code_signing_configs: Some(page.items.iter().map(configuration).collect()),
            next_marker: page.next_marker,
        })
    }

    pub(crate) async fn list_code_signing_users(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListFunctionsByCodeSigningConfigRequest = read(input)?;
        let arn = &request.code_signing_config_arn;
        self.code_signing(&caller.scope, arn).await?.ok_or_else(|| not_found(arn))?;
        let prefix = CodeSigning::users_prefix(&caller.scope, arn);
        let page = self.page::<String>(&prefix, request.marker.as_deref(), request.max_items).await?;
        reply(ListFunctionsByCodeSigningConfigResponse {
            function_arns: Some(page.items.iter().map(|function| name::arn(&caller.scope, function, None)).collect()),
            next_marker: page.next_marker,
        })
    }
}
