//! `GetFunctionEventInvokeConfig` and `ListFunctionEventInvokeConfigs`.

use serde_json::Value;
use tindra_core::event_invoke_config::EventInvokeConfig;
use tindra_core::name::{FunctionName, NameError};
use tindra_model::Reply;
use tindra_model::lambda::event_invoke_config::{
    GetFunctionEventInvokeConfigRequest, ListFunctionEventInvokeConfigsRequest, ListFunctionEventInvokeConfigsResponse,
};

use super::{config_missing, configuration, function_missing};
use crate::attachments::Attachment;
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn get_function_event_invoke_config(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: GetFunctionEventInvokeConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        match self.event_invoke_config(&caller.scope, &name).await? {
            Some(record) => reply(configuration(&record.value)),
            None => Err(config_missing(&caller.scope, &name)),
        }
    }

    pub(crate) async fn list_function_event_invoke_configs(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: ListFunctionEventInvokeConfigsRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        match self.find(&caller.scope, &name).await {
            Ok(_) => {}
            Err(ControlError::Name(NameError::NotFound { .. })) => return Err(function_missing()),
            Err(error) => return Err(error),
        }
        let prefix = Attachment::EventInvokeConfig.prefix(&caller.scope, &name.name);
        let page = self.page::<EventInvokeConfig>(&prefix, request.marker.as_deref(), request.max_items).await?;
        reply(ListFunctionEventInvokeConfigsResponse {
            function_event_invoke_configs: Some(page.items.iter().map(configuration).collect()),
            next_marker: page.next_marker,
        })
    }
}
