//! An event as it goes through a bus.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use uuid::Uuid;

use crate::instant;

/// The member that tells of which replay an event is.
pub(super) const REPLAY_NAME: &str = "replay-name";

/// An event as it goes through a bus.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The whole envelope.
    pub(super) value: Value,
    /// When the bus got it.
    pub(super) ingested_ms: UnixMs,
    /// `X-Amzn-Trace-Id`.
    pub(super) trace_id: Option<String>,
    /// It came from another bus, and goes to no third one (AWS).
    pub(super) is_forwarded: bool,
    text: OnceLock<Bytes>,
}

impl Event {
    pub(super) fn new(value: Value, ingested_ms: UnixMs) -> Self {
        Self { value, ingested_ms, trace_id: None, is_forwarded: false, text: OnceLock::new() }
    }

    /// The event of a body that another service or bus has made, which need not have told everything.
    pub(super) fn read(body: &[u8], id: Uuid, scope: &Scope, now_ms: UnixMs) -> Result<Self, String> {
        let mut value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let Some(members) = value.as_object_mut() else { return Err("it is no JSON object".to_owned()) };
        let defaults = [
            ("version", json!("0")),
            ("id", json!(id.to_string())),
            ("detail-type", json!("")),
            ("source", json!("")),
            ("account", json!(scope.account)),
            ("time", json!(instant::to_text(now_ms))),
            ("region", json!(scope.region)),
            ("resources", json!([])),
            ("detail", json!({})),
        ];
        for (name, value) in defaults {
            members.entry(name).or_insert(value);
        }
        Ok(Self::new(value, now_ms))
    }

    /// Its text; made once for all who get it.
    pub(super) fn text(&self) -> &Bytes {
        self.text.get_or_init(|| self.value.to_string().into())
    }

    pub(super) fn member(&self, name: &str) -> &str {
        self.value.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn is_replayed(&self) -> bool {
        self.value.get(REPLAY_NAME).is_some()
    }

    /// `time`, by which it is replayed.
    pub(super) fn time_ms(&self) -> UnixMs {
        instant::from_text(self.member("time")).unwrap_or(self.ingested_ms)
    }
}
