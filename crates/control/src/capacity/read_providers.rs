//! `GetCapacityProvider`, `ListCapacityProviders`, `ListFunctionVersionsByCapacityProvider`.

use serde_json::Value;
use tindra_core::function::Function;
use tindra_model::Reply;
use tindra_model::lambda::capacity::{
    FunctionVersionsByCapacityProviderListItem, GetCapacityProviderRequest, GetCapacityProviderResponse,
    ListCapacityProvidersRequest, ListCapacityProvidersResponse, ListFunctionVersionsByCapacityProviderRequest,
    ListFunctionVersionsByCapacityProviderResponse,
};

use super::Provider;
use super::users::uses;
use crate::error::ControlError;
use crate::{Caller, Control, read, reply, shape};

/// The state of every provider that there is.
const ACTIVE: &str = "Active";

impl Control {
    pub(crate) async fn get_capacity_provider(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetCapacityProviderRequest = read(input)?;
        let record = self.provider(&caller.scope, &request.capacity_provider_name).await?;
        reply(GetCapacityProviderResponse { capacity_provider: record.value.shown(ACTIVE) })
    }

    pub(crate) async fn list_capacity_providers(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListCapacityProvidersRequest = read(input)?;
        if request.state.as_deref().is_some_and(|state| state != ACTIVE) {
            return reply(ListCapacityProvidersResponse::default());
        }
        let prefix = Provider::key_prefix(&caller.scope);
        let page = self.page::<Provider>(&prefix, request.marker.as_deref(), request.max_items).await?;
        reply(ListCapacityProvidersResponse {
            capacity_providers: page.items.iter().map(|provider| provider.shown(ACTIVE)).collect(),
            next_marker: page.next_marker,
        })
    }

    /// Published versions, as on AWS; a page may hold fewer than were asked for, or none, although there are more.
    pub(crate) async fn list_capacity_provider_versions(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: ListFunctionVersionsByCapacityProviderRequest = read(input)?;
        let record = self.provider(&caller.scope, &request.capacity_provider_name).await?;
        let arn = record.value.arn();
        let prefix = Function::scope_versions_prefix(&caller.scope);
        let page = self.page::<Function>(&prefix, request.marker.as_deref(), request.max_items).await?;
        let users = page.items.iter().filter(|version| uses(version, &arn));
        reply(ListFunctionVersionsByCapacityProviderResponse {
            function_versions: users.map(listed).collect(),
            capacity_provider_arn: arn,
            next_marker: page.next_marker,
        })
    }
}

fn listed(version: &Function) -> FunctionVersionsByCapacityProviderListItem {
    FunctionVersionsByCapacityProviderListItem { function_arn: version.arn(), state: shape::state(version.state) }
}
