//! `ListFunctions`, in the order of names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tindra_core::function::Function;
use tindra_core::name::LATEST;
use tindra_model::Reply;
use tindra_model::lambda::functions::{ListFunctionsRequest, ListFunctionsResponse};
use tindra_store::JsonRecords as _;

use crate::error::ControlError;
use crate::shape::View;
use crate::{Caller, Control, read, reply};

/// Functions of one answer, whatever `MaxItems` says (AWS).
const PAGE_MAX: usize = 50;

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
        let after = request.marker.as_deref().map(read_marker).transpose()?;
        let after = after.map(|name| Function::key(&caller.scope, &name));
        let limit = request.max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let prefix = Function::key_prefix(Some(&caller.scope));
        // One more than asked for tells whether there is more.
        let mut page = self.store.metadata.list_json::<Function>(&prefix, after.as_deref(), limit + 1).await?;
        let has_more = page.len() > limit;
        page.truncate(limit);
        let view = View { qualifier: all_versions.then_some(LATEST), ..View::default() };
        let last = page.last().filter(|_| has_more);
        reply(ListFunctionsResponse {
            functions: Some(page.iter().map(|record| self.configuration(&record.value, view)).collect()),
            next_marker: last.map(|last| URL_SAFE_NO_PAD.encode(&last.value.name)),
        })
    }
}

fn read_marker(marker: &str) -> Result<String, ControlError> {
    let name = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| ControlError::invalid("The Marker is not one that an earlier answer gave."))
}
