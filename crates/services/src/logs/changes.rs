//! CreateLogGroup, DeleteLogGroup, CreateLogStream, DeleteLogStream and PutLogEvents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;
use tindra_store::LogEvent;

use super::names::store_scope;
use super::{LogsError, LogsService};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupRequest {
    log_group_name: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamRequest {
    log_group_name: String,
    log_stream_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutRequest {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<InputEvent>,
}

#[derive(Debug, Deserialize)]
struct InputEvent {
    timestamp: u64,
    message: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutResponse {
    /// Ignored by every caller since 2023, but required by old ones.
    next_sequence_token: String,
}

impl LogsService {
    pub(super) async fn create_group(&self, scope: &Scope, request: GroupRequest) -> Result<(), LogsError> {
        let standard = |(name, value): &(&String, &serde_json::Value)| *name == "logGroupClass" && *value == "STANDARD";
        if let Some((other, _)) = request.others.iter().find(|member| !standard(member)) {
            return Err(LogsError::invalid(format!("tindra does not support {other} of a log group.")));
        }
        if self.store.logs.create_group(&store_scope(scope), &request.log_group_name).await? {
            return self.set_tags(scope, &request.log_group_name, request.tags).await;
        }
        Err(LogsError::new("ResourceAlreadyExistsException", "The specified log group already exists"))
    }

    pub(super) async fn delete_group(&self, scope: &Scope, request: GroupRequest) -> Result<(), LogsError> {
        let deleted = self.store.logs.delete_group(&store_scope(scope), &request.log_group_name).await?;
        self.forget_settings(scope, &request.log_group_name).await?;
        self.forget_filters(scope, &request.log_group_name).await?;
        if deleted { Ok(()) } else { Err(LogsError::no_group()) }
    }

    pub(super) async fn create_stream(&self, scope: &Scope, request: StreamRequest) -> Result<(), LogsError> {
        let (scope, group, stream) = (store_scope(scope), request.log_group_name, request.log_stream_name);
        let streams = self.store.logs.streams(&scope, &group).await?.ok_or_else(LogsError::no_group)?;
        if streams.iter().any(|existing| existing.name == stream) {
            return Err(LogsError::new("ResourceAlreadyExistsException", "The specified log stream already exists"));
        }
        Ok(self.store.logs.append(&scope, &group, &stream, Vec::new()).await?)
    }

    pub(super) async fn delete_stream(&self, scope: &Scope, request: StreamRequest) -> Result<(), LogsError> {
        let (scope, group, stream) = (store_scope(scope), request.log_group_name, request.log_stream_name);
        if self.store.logs.delete_stream(&scope, &group, &stream).await? {
            return Ok(());
        }
        let group = self.store.logs.streams(&scope, &group).await?;
        Err(group.map_or_else(LogsError::no_group, |_| LogsError::no_stream()))
    }

    pub(super) async fn put_events(&self, scope: &Scope, request: PutRequest) -> Result<PutResponse, LogsError> {
        let (scope, group, stream) = (store_scope(scope), request.log_group_name, request.log_stream_name);
        if self.store.logs.end(&scope, &group, &stream).await?.is_none() {
            let group = self.store.logs.streams(&scope, &group).await?;
            return Err(group.map_or_else(LogsError::no_group, |_| LogsError::no_stream()));
        }
        if !request.log_events.is_sorted_by_key(|event| event.timestamp) {
            return Err(LogsError::invalid(
                "Log events in a single PutLogEvents request must be in chronological order.",
            ));
        }
        let ingestion_ms = self.clock.unix_ms();
        let events = request.log_events.into_iter();
        let events =
            events.map(|event| LogEvent { timestamp_ms: event.timestamp, ingestion_ms, message: event.message });
        self.taps().store(&*self.store.logs, &scope, &group, &stream, events.collect()).await?;
        let end = self.store.logs.end(&scope, &group, &stream).await?.unwrap_or(0);
        Ok(PutResponse { next_sequence_token: format!("{end:056}") })
    }
}
