//! What a destination is told of records that are given up: a message, to be written with the position that leaves them behind.

use serde_json::Value;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::event_source_mapping::stream::{Discarded, Frame};
use tindra_store::Message;
use uuid::Uuid;

use super::Tools;
use crate::configs::latest_configuration;
use crate::deliveries;
use crate::ports::{Delivery, Purpose};

/// The message, where the mapping has a destination. A bucket is told the whole event, too (AWS).
pub(super) async fn of_discarded(
    tools: &Tools,
    mapping: &EventSourceMapping,
    origin: (&Frame, &str),
    discarded: &Discarded,
    event: &[u8],
) -> Option<Message> {
    let target_arn = mapping.settings.on_failure.clone()?;
    let now_ms = tools.timer.unix_ms();
    let request_id = Uuid::new_v4().to_string();
    let mut body = discarded.record(mapping, origin, event.len(), &request_id, now_ms);
    if target_arn.split(':').nth(2) == Some("s3") {
        let event = String::from_utf8_lossy(event).into_owned();
        body.insert("payload".to_owned(), event.into());
    }
    let last = discarded.last.as_ref();
    let delivery = Delivery {
        target_arn,
        scope: mapping.scope.clone(),
        function_name: mapping.function_name.clone(),
        function_arn: mapping.function_arn(),
        role_arn: role(tools, mapping).await,
        request_id: last.map_or(request_id, |last| last.request_id.clone()),
        trace_id: last.map_or_else(|| tindra_invoke::fresh_trace_id(now_ms), |last| last.trace_id.clone()),
        at_ms: now_ms,
        purpose: Purpose::Shard { mapping: mapping.uuid, shard_id: origin.1.to_owned() },
        attempts: 0,
        last_error: None,
    };
    let body = Value::Object(body).to_string();
    let head = serde_json::to_vec(&delivery).unwrap_or_default();
    Some(Message::new(deliveries::queue(&delivery), head, body.into(), now_ms, now_ms))
}

/// The role of a mapping's function; none when it has gone.
pub(super) async fn role(tools: &Tools, mapping: &EventSourceMapping) -> Option<String> {
    let read = || latest_configuration(&tools.store, &mapping.scope, &mapping.function_name);
    crate::steps::insist(read).await.map(|configuration| configuration.role)
}
