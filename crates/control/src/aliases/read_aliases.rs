//! `GetAlias` and `ListAliases`.

use serde_json::Value;
use tindra_core::alias::Alias;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::aliases::{GetAliasRequest, ListAliasesRequest, ListAliasesResponse};

use super::{arn, configuration, routing};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn get_alias(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetAliasRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        self.find(&caller.scope, &name).await?;
        match self.alias(&caller.scope, &name.name, &request.name).await? {
            Some(alias) => reply(configuration(&alias)),
            None => {
                let arn = arn(&caller.scope, &name.name, &request.name);
                Err(ControlError::Missing(format!("Cannot find alias arn: {arn}")))
            }
        }
    }

    pub(crate) async fn list_aliases(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListAliasesRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        self.find(&caller.scope, &name).await?;
        let version = request.function_version.as_deref().map(routing::version).transpose()?;
        let prefix = Alias::key_prefix(&caller.scope, &name.name);
        let page = self.page::<Alias>(&prefix, request.marker.as_deref(), request.max_items).await?;
        let leads_there = |alias: &&Alias| version.is_none_or(|version| alias.leads_to(version));
        let aliases = page.items.iter().filter(leads_there).map(configuration).collect();
        reply(ListAliasesResponse { aliases: Some(aliases), next_marker: page.next_marker })
    }
}
