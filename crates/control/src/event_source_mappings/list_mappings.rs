//! `GetEventSourceMapping` and `ListEventSourceMappings`, in the order of UUIDs.

use serde_json::Value;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::event_source_mappings::{
    GetEventSourceMappingRequest, ListEventSourceMappingsRequest, ListEventSourceMappingsResponse,
};
use tindra_store::JsonRecords as _;

use crate::error::ControlError;
use crate::paging::{read_marker, write_marker};
use crate::{Caller, Control, read, reply};

/// Mappings of one page (AWS: 100, whatever larger `MaxItems` was asked for).
const PAGE_MAX: usize = 100;
/// Records read at once.
const AT_ONCE: usize = 256;

impl Control {
    pub(crate) async fn get_event_source_mapping(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetEventSourceMappingRequest = read(input)?;
        let record = self.mapping(&caller.scope, &request.uuid).await?;
        reply(self.shown_mapping(&record.value).await?)
    }

    pub(crate) async fn list_event_source_mappings(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: ListEventSourceMappingsRequest = read(input)?;
        let scope = &caller.scope;
        let name = request.function_name.as_deref().map(|text| FunctionName::read(text, None, scope)).transpose()?;
        let function_arn = name.map(|name| name.arn(scope));
        let is_asked_for = |mapping: &EventSourceMapping| {
            request.event_source_arn.as_ref().is_none_or(|arn| mapping.source.arn.as_ref() == Some(arn))
                && function_arn.as_ref().is_none_or(|arn| mapping.function_arn() == *arn)
        };
        let limit = request.max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let prefix = EventSourceMapping::key_prefix(scope);
        let end = request.marker.as_deref().filter(|marker| !marker.is_empty()).map(read_marker).transpose()?;
        let mut after = end.map(|end| format!("{prefix}{end}"));
        let mut found: Vec<EventSourceMapping> = Vec::new();
        // One more than asked for tells whether there is more.
        while found.len() <= limit {
            let page = self.store.metadata.list_json(&prefix, after.as_deref(), AT_ONCE).await?;
            let is_last = page.len() < AT_ONCE;
            after = page.last().map(|record| record.key.clone());
            found.extend(page.into_iter().map(|record| record.value).filter(is_asked_for));
            if is_last {
                break;
            }
        }
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        let mut shown = Vec::with_capacity(found.len());
        for mapping in &found {
            shown.push(self.shown_mapping(mapping).await?);
        }
        reply(ListEventSourceMappingsResponse {
            next_marker: last.map(|mapping| write_marker(&mapping.uuid.to_string())),
            event_source_mappings: Some(shown),
        })
    }
}
