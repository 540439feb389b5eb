//! DescribeLogStreams.

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;
use tindra_store::LogStream;

use super::names::{GroupName, store_scope, stream_arn};
use super::{LogsError, LogsService, page};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(flatten)]
    group: GroupName,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    log_streams: Vec<Stream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stream {
    log_stream_name: String,
    creation_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event_timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ingestion_time: Option<u64>,
    arn: String,
    stored_bytes: u64,
}

impl LogsService {
    pub(super) async fn describe_streams(&self, scope: &Scope, request: Request) -> Result<Response, LogsError> {
        let group = request.group.resolve(scope)?;
        let limit = page::limit(request.limit, page::NAMES_MAX)?;
        let by_time = match request.order_by.as_deref() {
            None | Some("LogStreamName") => false,
            Some("LastEventTime") => true,
            Some(other) => return Err(LogsError::invalid(format!("{other} is not an order of log streams."))),
        };
        if by_time && request.log_stream_name_prefix.is_some() {
            return Err(LogsError::invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        let streams = self.store.logs.streams(&store_scope(scope), &group).await?.ok_or_else(LogsError::no_group)?;
        let prefix = request.log_stream_name_prefix.unwrap_or_default();
        let rank = |stream: &LogStream| rank(stream, by_time);
        let mut asked: Vec<LogStream> = streams.into_iter().filter(|stream| stream.name.starts_with(&prefix)).collect();
        asked.sort_by_cached_key(rank);
        if request.descending {
            asked.reverse();
        }
        let later = asked.into_iter().filter(|stream| match &request.next_token {
            None => true,
            Some(token) if request.descending => rank(stream) < *token,
            Some(token) => rank(stream) > *token,
        });
        let (streams, next_token) = page::cut(later, limit, rank);
        let log_streams = streams.into_iter().map(|stream| Stream {
            arn: stream_arn(scope, &group, &stream.name),
            log_stream_name: stream.name,
            creation_time: stream.created_ms,
            first_event_timestamp: stream.first_event_ms,
            last_event_timestamp: stream.last_event_ms,
            last_ingestion_time: stream.last_ingestion_ms,
            stored_bytes: stream.stored_bytes,
        });
        Ok(Response { log_streams: log_streams.collect(), next_token })
    }
}

/// Sorts as asked for, and is the token of the page that a stream ends.
fn rank(stream: &LogStream, by_time: bool) -> String {
    if by_time { format!("{:020}/{}", stream.last_event_ms.unwrap_or(0), stream.name) } else { stream.name.clone() }
}
