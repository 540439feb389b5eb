//! `GetFunctionUrlConfig` and `ListFunctionUrlConfigs`.

use serde_json::Value;
use tindra_core::function_url::FunctionUrl;
use tindra_core::name::{FunctionName, NameError};
use tindra_model::Reply;
use tindra_model::lambda::function_urls::{
    GetFunctionUrlConfigRequest, ListFunctionUrlConfigsRequest, ListFunctionUrlConfigsResponse,
};

use super::{no_function, no_url, shown};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn get_function_url(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetFunctionUrlConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let record = self.function_url(&caller.scope, &name).await?.ok_or_else(no_url)?;
        reply(shown::configuration(&record.value, caller))
    }

    pub(crate) async fn list_function_urls(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListFunctionUrlConfigsRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        match self.find(&caller.scope, &name).await {
            Err(ControlError::Name(NameError::NotFound { .. })) => return Err(no_function()),
            found => found?,
        };
        let prefix = FunctionUrl::key_prefix(&caller.scope, &name.name);
        let page = self.page::<FunctionUrl>(&prefix, request.marker.as_deref(), request.max_items).await?;
        reply(ListFunctionUrlConfigsResponse {
            function_url_configs: page.items.iter().map(|url| shown::configuration(url, caller)).collect(),
            next_marker: page.next_marker,
        })
    }
}
