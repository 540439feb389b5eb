//! Reading one shard: pages come in, batches go to the function, and the position follows behind what is done.
//!
//! What to do is decided by [`ShardWork`]; here it is done. Everything that is to survive is written with the lease of the shard,
//! so that whoever has lost it writes nothing.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tindra_core::event_source_mapping::stream::{Discarded, Frame, ShardWork, Step};
use tindra_store::{BoxFuture, Message};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ability::Ability;
use super::cursor::Cursor;
use super::lease::{Lease, Lost, RENEW_AFTER};
use super::mapped::Mapped;
use super::ports::{Page, ShardSource, SourceError};
use super::runs::{Run, run};
use super::seen::Seen;

/// Between two reads of a shard that has more (Kinesis: five in a second).
const READ_WAIT: Duration = Duration::from_millis(200);
/// The first wait after a source failed, in real time.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest one.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// A refusal that only means that it was asked too often.
const TOO_OFTEN: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "ThrottlingException",
    "KMSThrottlingException",
];

/// What all readers of a mapping share.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) mapped: Mapped,
    pub(super) source: Arc<dyn ShardSource>,
    pub(super) ability: Arc<Ability>,
}

impl Deref for Stream {
    type Target = Mapped;

    fn deref(&self) -> &Mapped {
        &self.mapped
    }
}

/// What the stream tells of a shard while it is read.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// It is closed, and ends with this sequence number.
    pub(super) ending: OnceLock<String>,
    /// The stream does not list it any more.
    pub(super) gone: OnceLock<()>,
    /// Another server is to read it.
    pub(super) given_up: watch::Sender<bool>,
}

/// A cursor with what its last read gave.
type Reading = BoxFuture<'static, (Cursor, Result<Page, SourceError>)>;

/// Reads a shard.
#[derive(Debug)]
pub(super) struct ShardReader {
    stream: Arc<Stream>,
    lease: Lease,
    told: Arc<Told>,
    seen: Seen,
    work: ShardWork,
    runs: JoinSet<Run>,
    /// Messages about what was given up, to be written with the position.
    messages: Vec<Message>,
    /// When the source is read next; none once it has nothing more.
    read_at: Option<Instant>,
    read_failures: u32,
    written: Instant,
}

impl ShardReader {
    pub(super) fn new(stream: Arc<Stream>, lease: Lease, told: Arc<Told>) -> Self {
        let mapping = &stream.mapping;
        let work = ShardWork::new(&lease.record, mapping.settings.clone(), Frame::of(mapping, ""));
        let seen = stream.tools.seen.enter(mapping.uuid, &lease.record.shard_id);
        let now = Instant::now();
        Self {
            stream,
            lease,
            told,
            seen,
            work,
            runs: JoinSet::new(),
            messages: Vec::new(),
            read_at: Some(now),
            read_failures: 0,
            written: now,
        }
    }

    /// Reads until the shard has ended, the lease is lost, or it is told to stop or to give the shard up; then it ends what it has
    /// begun.
    pub(super) async fn run(mut self, stop: watch::Receiver<bool>) {
        if self.work_through(stop).await.is_ok() {
            self.lease.release().await;
        }
    }

    async fn work_through(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), Lost> {
        let mut idle = Some(Cursor::new(Arc::clone(&self.stream.source), &self.lease.record));
        let mut reading: Option<Reading> = None;
        let mut is_stopping = false;
        let mut given_up = self.told.given_up.subscribe();
        loop {
            // Before the next batch begins, what became of the last one is durable.
            self.write_down().await?;
            let until_ms = if is_stopping { None } else { self.begin().await? };
            if (is_stopping && self.runs.is_empty()) || self.lease.record.is_ended {
                return Ok(());
            }
            let is_due = !is_stopping && self.work.room() > 0 && self.read_at.is_some_and(|at| at <= Instant::now());
            if is_due && let Some(cursor) = idle.take() {
                reading = Some(read(cursor, self.work.room()));
            }
            let wait = self.wait(until_ms, idle.is_some() && !is_stopping && self.work.room() > 0);
            tokio::select! {
                biased;
                () = told_to(&mut stop), if !is_stopping => is_stopping = true,
                () = told_to(&mut given_up), if !is_stopping => is_stopping = true,
                Some(ended) = self.runs.join_next() => {
                    // One that has panicked ends the shard's reader, and the next one begins with the batch.
                    let Ok(ended) = ended else { return Ok(()) };
                    self.ended(ended).await;
                }
                (cursor, page) = finished(&mut reading) => {
                    self.came(&cursor, page).await;
                    idle = Some(cursor);
                    reading = None;
                }
                () = wait => {}
            }
        }
    }

    /// Begins all that can begin; returns when there may be more of it.
    async fn begin(&mut self) -> Result<Option<u64>, Lost> {
        loop {
            let now_ms = self.stream.tools.timer.unix_ms();
            match self.work.step(now_ms) {
                Step::Invoke { lane } => {
                    let event = self.work.event(lane);
                    let stream = Arc::clone(&self.stream);
                    self.runs.spawn(async move {
                        let run = run(&*stream.tools.invoke, &stream.mapping, lane, event).await;
                        run.tell(&stream.ability);
                        run
                    });
                }
                Step::Discard(discarded) => {
                    self.discard(discarded).await;
                    self.write_down().await?;
                }
                Step::Wait(until_ms) => return Ok(until_ms),
            }
        }
    }

    /// Until the time has come for the next attempt, the next read or the next sign of life.
    fn wait(&self, until_ms: Option<u64>, reads: bool) -> impl Future<Output = ()> + Send + use<> {
        let timer = Arc::clone(&self.stream.tools.timer);
        let read_at = self.read_at.filter(|_| reads);
        let renewed_at = self.stream.tools.is_shared.then(|| self.written + RENEW_AFTER);
        async move {
            let attempt = async {
                match until_ms {
                    Some(until_ms) => timer.wait_until(until_ms).await,
                    None => std::future::pending().await,
                }
            };
            let reading = async {
                match read_at.into_iter().chain(renewed_at).min() {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = attempt => {}
                () = reading => {}
            }
        }
    }

    /// What was read, or why nothing was.
    async fn came(&mut self, cursor: &Cursor, page: Result<Page, SourceError>) {
        let now = Instant::now();
        let page = match page {
            Ok(page) => page,
            Err(error) => return self.not_read(&error).await,
        };
        if std::mem::take(&mut self.read_failures) > 0 {
            self.seen.reads_again();
            self.stream.status.can_read().await;
        }
        let now_ms = self.stream.tools.timer.unix_ms();
        let Page { records, next, behind_ms } = page;
        let is_empty = records.is_empty();
        self.seen.read(records.last().map(|record| record.arrival_ms), behind_ms);
        self.work.take(self.stream.sorted(records, now_ms), now_ms);
        let is_at_tip = is_empty && behind_ms.unwrap_or(0) == 0;
        if is_at_tip {
            self.work.is_at_tip(now_ms);
        }
        // Some go on to give iterators when a shard has ended.
        let is_closed = |last: &String| behind_ms == Some(0) || cursor.is_past(last);
        if next.is_none() || (is_empty && self.told.ending.get().is_some_and(is_closed)) {
            self.work.end();
            self.read_at = None;
        } else {
            let wait = match is_at_tip {
                _ if self.stream.source.tells() => Duration::ZERO,
                true => self.stream.source.idle_wait(),
                false => READ_WAIT,
            };
            self.read_at = Some(now + wait);
        }
    }

    async fn not_read(&mut self, error: &SourceError) {
        self.read_failures = self.read_failures.saturating_add(1);
        // Its records have gone by their age, and the shard with them.
        if self.told.gone.get().is_some() && error.is_one_of(&["ResourceNotFoundException"]) {
            self.work.end();
            self.read_at = None;
            return;
        }
        let doubled = RETRY_AFTER * 2u32.saturating_pow(self.read_failures.saturating_sub(1).min(8));
        self.read_at = Some(Instant::now() + doubled.min(RETRY_AFTER_MAX));
        // An iterator expires while there is no room for what it would give.
        if self.read_failures == 1 && error.is_one_of(&["ExpiredIteratorException"]) {
            self.read_at = Some(Instant::now());
        } else if !error.is_one_of(&TOO_OFTEN) {
            let (mapping, shard) = (self.stream.mapping.uuid, &self.lease.record.shard_id);
            tracing::warn!(%mapping, shard, reason = error.message, "a shard could not be read; trying again");
            self.seen.fails_to_read(self.stream.tools.real.unix_ms(), &error.message);
            self.stream.status.has_problem(&error.message).await;
        }
    }

    /// The function has answered, or was not run.
    async fn ended(&mut self, run: Run) {
        let stream = Arc::clone(&self.stream);
        if let Some(discarded) = stream.ended(&mut self.work, &self.seen, run).await {
            self.discard(discarded).await;
        }
    }

    async fn discard(&mut self, discarded: Discarded) {
        self.messages.extend(self.stream.told(&self.work, &self.lease.record.shard_id, &discarded).await);
    }

    /// Makes durable what has changed, or that the shard is still read here.
    async fn write_down(&mut self) -> Result<(), Lost> {
        self.seen.follows(&self.work);
        let is_changed = self.work.take_changed() || !self.messages.is_empty();
        let is_over = self.work.is_done() && !self.lease.record.is_ended;
        let is_silent = self.stream.tools.is_shared && self.written.elapsed() >= RENEW_AFTER;
        if !is_changed && !is_over && !is_silent {
            return Ok(());
        }
        self.work.note_into(&mut self.lease.record);
        self.lease.write(std::mem::take(&mut self.messages)).await?;
        self.written = Instant::now();
        Ok(())
    }
}

async fn told_to(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn read(mut cursor: Cursor, records_max: usize) -> Reading {
    Box::pin(async move {
        let page = cursor.next(records_max).await;
        (cursor, page)
    })
}

/// What a read gives, where there is one.
async fn finished(reading: &mut Option<Reading>) -> (Cursor, Result<Page, SourceError>) {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}
