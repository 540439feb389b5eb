//! Log events in groups and streams: bounded, append-only, not fsynced.

use tindra_core::clock::UnixMs;

use crate::{BoxFuture, StoreError};

/// One log event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// When it happened.
    pub timestamp_ms: UnixMs,
    /// When it was stored.
    pub ingestion_ms: UnixMs,
    /// The text, without the line end.
    pub message: String,
}

/// A group as it is listed. `scope` is the caller's own prefix (account and region).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogGroup {
    /// For example `/aws/lambda/hello`.
    pub name: String,
    /// When it was made.
    pub created_ms: UnixMs,
    /// Bytes of its messages.
    pub stored_bytes: u64,
}

/// A stream as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStream {
    /// For example `2026/11/23/[$LATEST]0123…`.
    pub name: String,
    /// When it was made.
    pub created_ms: UnixMs,
    /// Timestamps of the first and the last event, when there is one.
    pub first_event_ms: Option<UnixMs>,
    /// See `first_event_ms`.
    pub last_event_ms: Option<UnixMs>,
    /// When the last event was stored.
    pub last_ingestion_ms: Option<UnixMs>,
    /// Bytes of its messages.
    pub stored_bytes: u64,
}

/// A place in a stream: the number of events before it. It stays valid when old events are trimmed.
pub type LogPosition = u64;

/// What a read returns: the position of the first event and the events; `None` without the stream.
pub type LogRead = Option<(LogPosition, Vec<LogEvent>)>;

/// Log events by scope, group and stream. A scope is an opaque string, here `ACCOUNT/REGION`.
pub trait Logs: Send + Sync + std::fmt::Debug {
    /// Makes a group; making one that exists is fine. Returns whether it is new.
    fn create_group<'a>(&'a self, scope: &'a str, group: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Appends events to a stream, making the group and the stream when they are missing, also for no events.
    /// Messages longer than 1 MiB are cut.
    fn append<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
        stream: &'a str,
        events: Vec<LogEvent>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The groups of a scope, by name.
    fn groups<'a>(&'a self, scope: &'a str) -> BoxFuture<'a, Result<Vec<LogGroup>, StoreError>>;

    /// The streams of a group, by name; `None` when the group does not exist.
    fn streams<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<LogStream>>, StoreError>>;

    /// Up to `limit` events of a stream from a position on, with the position of the first one returned
    /// (later than asked for when older events have been trimmed); `None` when the stream does not exist.
    /// Large events make the answer shorter than `limit`; only an empty one means that there are no more.
    fn read<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
        stream: &'a str,
        from: LogPosition,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogRead, StoreError>>;

    /// The position after the last event of a stream; `None` when the stream does not exist.
    fn end<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
        stream: &'a str,
    ) -> BoxFuture<'a, Result<Option<LogPosition>, StoreError>>;

    /// Removes the segments of a group all of whose events are older than a time, and the streams of which nothing
    /// is left. A group that is not there is fine.
    fn expire<'a>(&'a self, scope: &'a str, group: &'a str, before_ms: UnixMs)
    -> BoxFuture<'a, Result<(), StoreError>>;

    /// Removes a stream; `false` when there is none.
    fn delete_stream<'a>(
        &'a self,
        scope: &'a str,
        group: &'a str,
        stream: &'a str,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Removes a group with its streams; `false` when there is none.
    fn delete_group<'a>(&'a self, scope: &'a str, group: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;
}
