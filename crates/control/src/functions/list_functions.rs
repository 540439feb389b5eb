//! `ListFunctions`, in the order of names.

use serde_json::Value;
use tindra_core::function::Function;
use tindra_model::Reply;
use tindra_model::lambda::functions::{ListFunctionsRequest, ListFunctionsResponse};
use tindra_store::JsonRecords as _;

use crate::error::ControlError;
use crate::paging::{page_limit, read_marker, write_marker};
use crate::shape::View;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn list_functions(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListFunctionsRequest = read(input)?;
        let all_versions = request.function_version.is_some();
        match request.master_region.as_deref() {
            Some(_) if !all_versions => {
                return Err(ControlError::invalid("FunctionVersion must be set to ALL when MasterRegion is set."));
            }
            // Replicas of Lambda@Edge functions in other regions; there are none.
            Some(region) if region != "ALL" => {
                return reply(ListFunctionsResponse { functions: Some(Vec::new()), next_marker: None });
            }
            _ => {}
        }
        if all_versions {
            return self.list_all_versions(caller, request).await;
        }
        let prefix = Function::key_prefix(&caller.scope);
        let page = self.page::<Function>(&prefix, request.marker.as_deref(), request.max_items).await?;
        reply(ListFunctionsResponse {
            functions: Some(page.items.iter().map(|item| self.configuration(item, View::default())).collect()),
            next_marker: page.next_marker,
        })
    }

    /// Every version of every function: in the order of names, `$LATEST` before the numbers.
    async fn list_all_versions(&self, caller: &Caller, request: ListFunctionsRequest) -> Result<Reply, ControlError> {
        let limit = page_limit(request.max_items);
        let marker = request.marker.as_deref().map(read_marker).transpose()?.unwrap_or_default();
        // `NAME/NUMBER` of the last one that was given, or `NAME/` after its `$LATEST`.
        let (mut name, mut number) = match marker.split_once('/') {
            Some((name, number)) => (name.to_owned(), number.to_owned()),
            None => (String::new(), String::new()),
        };
        let mut found: Vec<Function> = Vec::new();
        while found.len() <= limit {
            let room = limit + 1 - found.len();
            if !name.is_empty() {
                let prefix = Function::versions_prefix(&caller.scope, &name);
                let after = format!("{prefix}{number}");
                let page = self.store.metadata.list_json::<Function>(&prefix, Some(&after), room).await?;
                found.extend(page.into_iter().map(|record| record.value));
                if found.len() > limit {
                    break;
                }
            }
            let after = (!name.is_empty()).then(|| Function::key(&caller.scope, &name));
            let prefix = Function::key_prefix(&caller.scope);
            let next = self.store.metadata.list_json::<Function>(&prefix, after.as_deref(), 1).await?;
            let Some(next) = next.into_iter().next() else { break };
            (name, number) = (next.value.name.clone(), String::new());
            found.push(next.value);
        }
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next_marker = found.last().filter(|_| has_more).map(|last| {
            let key = last.record_key();
            let number = key.strip_prefix(&Function::versions_prefix(&caller.scope, &last.name)).unwrap_or_default();
            write_marker(&format!("{}/{number}", last.name))
        });
        let functions = found.iter().map(|function| {
            let version = function.version.to_string();
            self.configuration(function, View { qualifier: Some(&version), ..View::default() })
        });
        reply(ListFunctionsResponse { functions: Some(functions.collect()), next_marker })
    }
}
