//! Lines on their way to the store: bounded, never waiting, streams served in turn.
//!
//! Each stream has a queue of its own with a bound, and the writer takes the streams round robin, a whole
//! queue at a time. A stream that floods loses its own lines and delays another by one batch at most. What is
//! lost is counted, and the stream says so where it happened.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tindra_core::clock::{Clock, UnixMs};
use tindra_core::function::Scope;
use tindra_store::{LogEvent, Logs};
use tokio::sync::Notify;

use super::names::store_scope;
use super::taps::Taps;

/// Bytes of one stream that wait to be written: seconds of a fast writer.
const STREAM_BYTES_MAX: usize = 2 << 20;
/// Bytes of all streams that wait to be written.
const TOTAL_BYTES_MAX: usize = 64 << 20;
/// What a waiting line costs besides its text.
const EVENT_BYTES: usize = 64;

/// A cheap handle; the writer ends, after writing what waits, when the last one is dropped.
#[derive(Clone, Debug)]
pub struct LogIngest {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.filled.notify_one();
    }
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    filled: Notify,
    /// Told after every batch.
    emptied: Notify,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    queues: HashMap<Key, Queue>,
    /// Streams with lines, in the order in which they are served.
    turns: VecDeque<Key>,
    bytes: usize,
    writing: bool,
    closed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    scope: Arc<str>,
    group: Arc<str>,
    stream: Arc<str>,
}

#[derive(Debug, Default)]
struct Queue {
    events: Vec<(UnixMs, String)>,
    bytes: usize,
    dropped: u64,
}

impl Waiting {
    fn is_written(&self) -> bool {
        self.turns.is_empty() && !self.writing
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogIngest {
    pub(super) fn start(logs: Arc<dyn Logs>, taps: Arc<Taps>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared::default());
        tokio::spawn(write(Arc::clone(&shared), logs, taps, clock));
        Self { handle: Arc::new(Handle { shared }) }
    }

    /// Queues lines with the times they were written at. Never waits; lines beyond the bounds are dropped.
    pub fn append(&self, scope: &Scope, group: &str, stream: &str, events: Vec<(UnixMs, String)>) {
        if events.is_empty() {
            return;
        }
        let key = Key { scope: store_scope(scope).into(), group: group.into(), stream: stream.into() };
        let mut waiting = self.handle.shared.lock();
        let Waiting { queues, turns, bytes, .. } = &mut *waiting;
        let queue = queues.entry(key.clone()).or_insert_with(|| {
            turns.push_back(key);
            Queue::default()
        });
        let mut dropped = 0;
        for event in events {
            let cost = event.1.len() + EVENT_BYTES;
            if queue.dropped > 0 || queue.bytes + cost > STREAM_BYTES_MAX || *bytes + cost > TOTAL_BYTES_MAX {
                queue.dropped += 1;
                dropped += 1;
                continue;
            }
            queue.bytes += cost;
            *bytes += cost;
            queue.events.push(event);
        }
        drop(waiting);
        self.handle.shared.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.handle.shared.filled.notify_one();
    }

    /// Lines lost since the start, because they came too fast or the disk refused them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.handle.shared.dropped.load(Ordering::Relaxed)
    }

    /// Waits until every line that was appended is in the store.
    pub async fn flush(&self) {
        let shared = &self.handle.shared;
        loop {
            let mut emptied = std::pin::pin!(shared.emptied.notified());
            emptied.as_mut().enable();
            if shared.lock().is_written() {
                return;
            }
            emptied.await;
        }
    }
}

async fn write(shared: Arc<Shared>, logs: Arc<dyn Logs>, taps: Arc<Taps>, clock: Arc<dyn Clock>) {
    loop {
        let (next, closed) = take(&shared);
        match next {
            Some((key, queue)) => write_queue(&shared, &*logs, &taps, &*clock, &key, queue).await,
            None if closed => return,
            None => shared.filled.notified().await,
        }
        shared.lock().writing = false;
        shared.emptied.notify_waiters();
    }
}

/// The stream whose turn it is, with all its lines.
fn take(shared: &Shared) -> (Option<(Key, Queue)>, bool) {
    let mut waiting = shared.lock();
    let closed = waiting.closed;
    let Some(key) = waiting.turns.pop_front() else { return (None, closed) };
    let queue = waiting.queues.remove(&key).unwrap_or_default();
    waiting.bytes -= queue.bytes;
    waiting.writing = true;
    (Some((key, queue)), closed)
}

async fn write_queue(shared: &Shared, logs: &dyn Logs, taps: &Taps, clock: &dyn Clock, key: &Key, queue: Queue) {
    let ingestion_ms = clock.unix_ms();
    let count = queue.events.len() as u64;
    let event = |(timestamp_ms, message)| LogEvent { timestamp_ms, ingestion_ms, message };
    let mut events: Vec<LogEvent> = queue.events.into_iter().map(event).collect();
    if queue.dropped > 0 {
        let message =
            format!("[tindra] {} lines are missing here: they came faster than they could be stored", queue.dropped);
        events.push(event((events.last().map_or(ingestion_ms, |last| last.timestamp_ms), message)));
    }
    if let Err(error) = taps.store(logs, &key.scope, &key.group, &key.stream, events).await {
        shared.dropped.fetch_add(count, Ordering::Relaxed);
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(%error, cause, lines = count, "log lines were lost");
    }
}
