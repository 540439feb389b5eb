//! Writing to the journals of shards: whatever waits while a shard's last commit is under way goes into its next one.
//!
//! A journal takes records only at its end, and a closed shard's ends with a mark that nothing is put behind. So whoever finds
//! that the end is elsewhere looks at the stream anew, and learns that the shard is closed or that the stream has gone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tindra_core::clock::{Clock, SystemClock, Timer, UnixMs};
use tindra_store::{Batch, JournalChange, JsonRecords as _, Store, StoreError, Versioned};
use tokio::sync::{OwnedMutexGuard, oneshot, watch};
use uuid::Uuid;

use super::entry::{self, Entry, Given};
use super::names;
use super::pace::Pace;
use super::records::{Closed, Stream};

/// Of one commit, but for its last record.
const COMMIT_BYTES_MAX: usize = 16 << 20;
const COMMIT_RECORDS_MAX: usize = 10_000;

/// Where records have come to lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appended {
    /// Offset of the first of them.
    pub(super) offset: u64,
    pub(super) arrived_ms: UnixMs,
}

/// Why records were not appended.
#[derive(Clone, Copy, Debug)]
pub(super) enum NotAppended {
    /// The shard is closed, or its stream has gone: look at the stream again.
    Closed,
    /// They may have been written, or not.
    Store,
}

/// The writers of all shards.
#[derive(Debug)]
pub(super) struct Appenders {
    store: Store,
    timer: Arc<dyn Timer>,
    /// How much a shard takes each second is a matter of real time, whatever the other clock shows.
    clock: SystemClock,
    known: Mutex<HashMap<(Uuid, u32), Arc<Appender>>>,
}

/// The writer of one shard.
#[derive(Debug)]
pub(super) struct Appender {
    store: Store,
    timer: Arc<dyn Timer>,
    stream: Uuid,
    stream_key: String,
    shard: u32,
    journal: String,
    waiting: Mutex<Waiting>,
    end: Arc<tokio::sync::Mutex<End>>,
    /// Changes with each commit, and when the shard is closed.
    grown: watch::Sender<()>,
}

#[derive(Debug)]
struct Waiting {
    puts: VecDeque<Put>,
    is_working: bool,
    pace: Pace,
}

#[derive(Debug)]
struct Put {
    records: Vec<Given>,
    done: oneshot::Sender<Result<Appended, NotAppended>>,
}

/// What is known of the end of a journal.
#[derive(Clone, Copy, Debug)]
enum End {
    Unknown,
    At { offset: u64, last_ms: UnixMs },
    Closed,
}

impl Appenders {
    pub(super) fn new(store: Store, timer: Arc<dyn Timer>) -> Self {
        Self { store, timer, clock: SystemClock::new(), known: Mutex::default() }
    }

    pub(super) fn of(&self, stream: &Stream, shard: u32) -> Arc<Appender> {
        let mut known = locked(&self.known);
        let appender = known.entry((stream.id, shard)).or_insert_with(|| {
            let pace = Pace::new(self.clock.monotonic());
            Arc::new(Appender {
                store: self.store.clone(),
                timer: Arc::clone(&self.timer),
                stream: stream.id,
                stream_key: stream.key(),
                shard,
                journal: names::journal(stream.id, shard),
                waiting: Mutex::new(Waiting { puts: VecDeque::new(), is_working: false, pace }),
                end: Arc::new(tokio::sync::Mutex::new(End::Unknown)),
                grown: watch::Sender::new(()),
            })
        });
        Arc::clone(appender)
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The shards have gone.
    pub(super) fn forget(&self, stream: Uuid, shards: impl IntoIterator<Item = u32>) {
        let mut known = locked(&self.known);
        for shard in shards {
            if let Some(appender) = known.remove(&(stream, shard)) {
                appender.grown.send_replace(());
            }
        }
    }

    /// All shards of a stream have gone.
    pub(super) fn forget_stream(&self, stream: Uuid) {
        let shards: Vec<u32> = locked(&self.known).keys().filter(|key| key.0 == stream).map(|key| key.1).collect();
        self.forget(stream, shards);
    }
}

impl Appender {
    /// Whether the shard takes a record more in this second.
    pub(super) fn admits(&self, now: Duration, bytes: usize) -> bool {
        locked(&self.waiting).pace.admits(now, bytes)
    }

    /// Is told of what is appended from now on, and of the end of the shard.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    /// Appends records, in their order; they are durable when it returns. They are also written when nobody waits any more.
    pub(super) async fn append(self: &Arc<Self>, records: Vec<Given>) -> Result<Appended, NotAppended> {
        let (done, outcome) = oneshot::channel();
        {
            let mut waiting = locked(&self.waiting);
            waiting.puts.push_back(Put { records, done });
            if !std::mem::replace(&mut waiting.is_working, true) {
                tokio::spawn(Arc::clone(self).work());
            }
        }
        outcome.await.unwrap_or(Err(NotAppended::Store))
    }

    /// Writes until nothing waits.
    async fn work(self: Arc<Self>) {
        while let Some(puts) = self.take() {
            let written = self.write(&puts).await;
            match written {
                Ok(Appended { mut offset, arrived_ms }) => {
                    self.grown.send_replace(());
                    for put in puts {
                        let count = put.records.len() as u64;
                        // Nobody waits for an answer that cannot be sent.
                        let _ = put.done.send(Ok(Appended { offset, arrived_ms }));
                        offset += count;
                    }
                }
                Err(error) => {
                    for put in puts {
                        let _ = put.done.send(Err(error));
                    }
                }
            }
        }
    }

    /// What goes into the next commit.
    fn take(&self) -> Option<Vec<Put>> {
        let mut waiting = locked(&self.waiting);
        let (mut puts, mut records, mut bytes) = (Vec::new(), 0, 0);
        while records < COMMIT_RECORDS_MAX && bytes < COMMIT_BYTES_MAX {
            let Some(put) = waiting.puts.pop_front() else { break };
            records += put.records.len();
            bytes += put.records.iter().map(Given::size).sum::<usize>();
            puts.push(put);
        }
        waiting.is_working = !puts.is_empty();
        waiting.is_working.then_some(puts)
    }

    async fn write(&self, puts: &[Put]) -> Result<Appended, NotAppended> {
        let mut end = self.end.lock().await;
        let failed = |error: &StoreError| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                journal = self.journal,
                "records could not be kept"
            );
            NotAppended::Store
        };
        loop {
            if matches!(*end, End::Unknown) {
                *end = self.find_end().await.map_err(|error| failed(&error))?;
            }
            let End::At { offset, last_ms } = *end else { return Err(NotAppended::Closed) };
            // The clock may have gone back; times in a shard do not.
            let arrived_ms = self.timer.unix_ms().max(last_ms);
            let records: Vec<Bytes> =
                puts.iter().flat_map(|put| &put.records).map(|given| given.to_bytes(arrived_ms)).collect();
            let next = offset + records.len() as u64;
            let change = JournalChange::Append { journal: self.journal.clone(), at: offset, records };
            match self.store.metadata.commit(Batch::default().journal(change)).await {
                Ok(_) => {
                    *end = End::At { offset: next, last_ms: arrived_ms };
                    return Ok(Appended { offset, arrived_ms });
                }
                Err(StoreError::Conflict { .. }) => *end = End::Unknown,
                Err(error) => {
                    *end = End::Unknown;
                    return Err(failed(&error));
                }
            }
        }
    }

    /// Where the journal ends. The stream is looked at afterwards: if the shard is closed in between, the end is elsewhere.
    async fn find_end(&self) -> Result<End, StoreError> {
        let bounds = self.store.journals.bounds(&self.journal).await?;
        let last = match bounds.end.checked_sub(1) {
            Some(last) => self.store.journals.read(&self.journal, last, 1, 1).await?,
            None => Vec::new(),
        };
        let last_ms = last.first().and_then(|(_, bytes)| Entry::read(bytes)).map_or(0, |entry| entry.time_ms());
        let stream: Option<Versioned<Stream>> = self.store.metadata.get_json(&self.stream_key).await?;
        let shard = stream.as_ref().filter(|stream| stream.value.id == self.stream);
        let shard = shard.and_then(|stream| stream.value.shard(self.shard));
        Ok(match shard {
            Some(shard) if shard.closed.is_none() => End::At { offset: bounds.end, last_ms },
            _ => End::Closed,
        })
    }

    /// Holds the shard still, so that it can be closed where it ends: nothing is appended as long as this is kept.
    pub(super) async fn hold(self: Arc<Self>) -> Result<Held, StoreError> {
        let mut end = Arc::clone(&self.end).lock_owned().await;
        if matches!(*end, End::Unknown) {
            *end = self.find_end().await?;
        }
        Ok(Held { appender: self, end })
    }
}

/// A shard that is held still.
#[derive(Debug)]
pub(super) struct Held {
    appender: Arc<Appender>,
    end: OwnedMutexGuard<End>,
}

impl Held {
    pub(super) fn shard(&self) -> u32 {
        self.appender.shard
    }

    /// How the shard ends when it is closed now, and what has to be committed together with that; none when it is closed.
    pub(super) fn close(&self, now_ms: UnixMs) -> Option<(Closed, JournalChange)> {
        let End::At { offset, last_ms } = *self.end else { return None };
        let closed = Closed { at_ms: now_ms.max(last_ms), records: offset };
        let (journal, records) = (self.appender.journal.clone(), vec![entry::end(closed.at_ms)]);
        Some((closed, JournalChange::Append { journal, at: offset, records }))
    }

    /// The commit has been made, or has not, or nobody knows; what waits looks for itself.
    pub(super) fn release(mut self) {
        *self.end = End::Unknown;
        self.appender.grown.send_replace(());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
