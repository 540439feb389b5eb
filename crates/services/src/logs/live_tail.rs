//! StartLiveTail: whoever watches gets the events of some groups as they are stored, once a second.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use uuid::Uuid;

use super::names::{group_arn, store_scope};
use super::pattern::Pattern;
use super::taps::Stored;
use super::{LogsError, LogsService};

/// Events of one second; beyond that they are a sample (AWS).
const EVENTS_MAX: usize = 500;
/// Sessions at once of an account and region (AWS).
const SESSIONS_MAX: usize = 15;
const GROUPS_MAX: usize = 10;
const UPDATE: Duration = Duration::from_secs(1);
/// A session ends then (AWS).
const SESSION: Duration = Duration::from_secs(3 * 3_600);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    log_group_identifiers: Vec<String>,
    #[serde(default)]
    log_stream_names: Vec<String>,
    #[serde(default)]
    log_stream_name_prefixes: Vec<String>,
    log_event_filter_pattern: Option<String>,
}

/// Everybody who watches.
#[derive(Debug, Default)]
pub(super) struct Tails {
    open: AtomicUsize,
    all: Mutex<Vec<Arc<Tail>>>,
}

/// What one session wants and has not seen yet.
#[derive(Debug)]
struct Tail {
    scope: String,
    /// Names with the identifiers by which they were asked for.
    groups: Vec<(String, String)>,
    streams: Vec<String>,
    prefixes: Vec<String>,
    pattern: Pattern,
    seen: Mutex<Seen>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    events: VecDeque<Value>,
    is_sampled: bool,
}

impl Tails {
    pub(super) fn are_any(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0
    }

    /// Shows events to those who watch.
    pub(super) fn see(&self, stored: Stored<'_>) {
        if !self.are_any() {
            return;
        }
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for tail in all {
            tail.see(stored);
        }
    }

    fn add(&self, tail: &Arc<Tail>) -> Result<(), LogsError> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().filter(|other| other.scope == tail.scope).count() >= SESSIONS_MAX {
            return Err(LogsError::new("LimitExceededException", "There are too many live tail sessions."));
        }
        all.push(Arc::clone(tail));
        self.open.store(all.len(), Ordering::Release);
        Ok(())
    }

    fn remove(&self, tail: &Arc<Tail>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| !Arc::ptr_eq(other, tail));
        self.open.store(all.len(), Ordering::Release);
    }

    /// Ends all sessions.
    pub(super) fn end(&self) {
        for tail in self.all.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            tail.ended.notify_one();
        }
    }
}

impl Tail {
    fn see(&self, stored: Stored<'_>) {
        let Some((_, identifier)) = self.groups.iter().find(|(group, _)| group == stored.group) else { return };
        let is_stream = |stream: &str| {
            (self.streams.is_empty() && self.prefixes.is_empty())
                || self.streams.iter().any(|name| name == stream)
                || self.prefixes.iter().any(|prefix| stream.starts_with(prefix.as_str()))
        };
        if self.scope != stored.scope || !is_stream(stored.stream) {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for event in stored.events.iter().filter(|event| self.pattern.matches(&event.message)) {
            if seen.events.len() >= EVENTS_MAX {
                seen.is_sampled = true;
                return;
            }
            seen.events.push_back(json!({
                "logGroupIdentifier": identifier,
                "logStreamName": stored.stream,
                "message": event.message,
                "timestamp": event.timestamp_ms,
                "ingestionTime": event.ingestion_ms,
            }));
        }
    }
}

/// A session of somebody who watches; it ends when it is dropped.
#[derive(Debug)]
pub struct LiveTail {
    service: LogsService,
    tail: Arc<Tail>,
    /// `sessionStart`.
    pub start: Value,
    ticks: Interval,
    end: Instant,
}

impl Drop for LiveTail {
    fn drop(&mut self) {
        self.service.taps().tails.remove(&self.tail);
    }
}

impl LiveTail {
    /// The next `sessionUpdate`, a second after the one before; none when the session has lasted as long as one may, or the
    /// server stops.
    pub async fn next(&mut self) -> Option<Value> {
        tokio::select! {
            now = self.ticks.tick() => if now >= self.end { return None },
            () = self.tail.ended.notified() => return None,
        }
        let seen = std::mem::take(&mut *self.tail.seen.lock().unwrap_or_else(PoisonError::into_inner));
        Some(json!({ "sessionMetadata": { "sampled": seen.is_sampled }, "sessionResults": seen.events }))
    }
}

impl LogsService {
    /// Begins to watch.
    ///
    /// # Errors
    /// As the API has them.
    pub async fn live_tail(&self, scope: &Scope, input: Value) -> Result<LiveTail, LogsError> {
        let request: Request = super::parse(input)?;
        let several = request.log_group_identifiers.len() > 1;
        if request.log_group_identifiers.is_empty() || request.log_group_identifiers.len() > GROUPS_MAX {
            return Err(LogsError::invalid(format!("Between 1 and {GROUPS_MAX} log groups can be tailed.")));
        }
        let (names, prefixes) = (&request.log_stream_names, &request.log_stream_name_prefixes);
        if several && !(names.is_empty() && prefixes.is_empty()) {
            return Err(LogsError::invalid("Log streams can be chosen of a single log group only."));
        }
        if !names.is_empty() && !prefixes.is_empty() {
            return Err(LogsError::invalid("logStreamNames and logStreamNamePrefixes cannot be used together."));
        }
        let mut groups = Vec::new();
        for identifier in &request.log_group_identifiers {
            let prefix = group_arn(scope, "");
            let name = identifier.strip_prefix(&prefix).unwrap_or(identifier).trim_end_matches(":*");
            self.check_group(scope, name).await?;
            groups.push((name.to_owned(), identifier.clone()));
        }
        let pattern = Pattern::parse(request.log_event_filter_pattern.as_deref().unwrap_or_default());
        let start = json!({
            "requestId": Uuid::new_v4().to_string(),
            "sessionId": Uuid::new_v4().to_string(),
            "logGroupIdentifiers": request.log_group_identifiers,
            "logStreamNames": request.log_stream_names,
            "logStreamNamePrefixes": request.log_stream_name_prefixes,
            "logEventFilterPattern": request.log_event_filter_pattern.as_deref().unwrap_or_default(),
        });
        let tail = Arc::new(Tail {
            scope: store_scope(scope),
            groups,
            streams: request.log_stream_names,
            prefixes: request.log_stream_name_prefixes,
            pattern: pattern.map_err(|error| LogsError::invalid(error.to_string()))?,
            seen: Mutex::default(),
            ended: Notify::new(),
        });
        self.taps().tails.add(&tail)?;
        let now = Instant::now();
        let mut ticks = interval_at(now + UPDATE, UPDATE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(LiveTail { service: self.clone(), tail, start, ticks, end: now + SESSION })
    }

    /// Ends every live tail, so that a server that stops does not wait for those who watch.
    pub fn end_live_tails(&self) {
        self.taps().tails.end();
    }
}
