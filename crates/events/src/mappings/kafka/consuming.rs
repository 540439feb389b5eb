//! What a member of a group does with its partitions, until it is told to stop or the cluster cannot be reached.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tindra_core::event_source_mapping::stream::{Discarded, Partition, ShardPosition, ShardRecord, Step};
use tindra_store::{Batch, JsonBatch as _, Message, Precondition};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::mapped::Mapped;
use super::super::ports::{GroupEvent, GroupMember, SourceError};
use super::super::runs::{Run, run};
use super::RETRY_AFTER;
use super::reader::Reader;

/// How long the rest of the group waits at most for batches that run, before partitions go to somebody else (as with Kafka's own
/// clients): later the records come again there.
const REVOKING_MAX: Duration = Duration::from_secs(300);
/// Wait before what could not be committed is tried again.
const COMMIT_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often positions are noted in the store.
const NOTE_EVERY: Duration = Duration::from_secs(10);
/// What records that are not done take at most, of all partitions together; every partition may have some.
const PENDING_BYTES_MAX: usize = 128 << 20;
/// A partition's part of it at the least.
const SHARE_BYTES_MIN: usize = 1 << 20;
/// Batches that a provisioned poller works on at once (AWS).
const OF_A_POLLER: usize = 5;

pub(super) struct Consuming {
    mapped: Arc<Mapped>,
    member: Box<dyn GroupMember>,
    /// Where partitions begin that the group has not committed.
    starts: HashMap<String, ShardPosition>,
    readers: BTreeMap<Partition, Reader>,
    /// How often partitions were assigned.
    epoch: u64,
    tasks: JoinSet<Ended>,
    /// Partitions whose function runs, be it for a reader or for one that has gone.
    running: BTreeMap<Partition, u64>,
    /// Until when partitions are to be given back.
    revoking: Option<Instant>,
    /// Nothing more is begun: it was asked for, or why the cluster cannot be read.
    ending: Option<Result<(), SourceError>>,
    commit_again: Option<Instant>,
    note_at: Instant,
    /// With which partition to begin, so that a limit meets all of them.
    turn: usize,
}

/// What has ended that was begun.
enum Ended {
    /// A run of the function.
    Ran(Partition, u64, Run),
    /// What was given up is durably told of.
    Told(Partition, u64),
    /// Positions are noted.
    Noted,
}

impl Consuming {
    pub(super) fn new(
        mapped: Arc<Mapped>,
        member: Box<dyn GroupMember>,
        starts: HashMap<String, ShardPosition>,
    ) -> Self {
        Self {
            mapped,
            member,
            starts,
            readers: BTreeMap::new(),
            epoch: 0,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            revoking: None,
            ending: None,
            commit_again: None,
            note_at: Instant::now() + NOTE_EVERY,
            turn: 0,
        }
    }

    /// Works until it is told to stop, then ends what it has begun and leaves the group; `wait` begins anew when records come.
    pub(super) async fn run(
        mut self,
        stop: &mut watch::Receiver<bool>,
        wait: &mut Duration,
    ) -> Result<(), SourceError> {
        let ended = loop {
            let until_ms = if self.begins() { self.begin().await } else { None };
            self.commit();
            self.hold();
            if self.running.is_empty() && self.revoking.is_some() {
                self.release();
            }
            if self.ending.is_some() && self.tasks.is_empty() {
                break self.ending.take().unwrap_or(Ok(()));
            }
            // After a failure there is nobody to ask.
            let is_asked = !matches!(self.ending, Some(Err(_)));
            let timer = self.wait(until_ms);
            tokio::select! {
                biased;
                () = told_to(stop), if self.ending.is_none() => self.end(Ok(())),
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok(ended) => self.ended(ended).await,
                    // Which batch that was is not known: all of them begin again.
                    Err(error) => self.end(Err(SourceError::new(format!("a batch ended unexpectedly: {error}")))),
                },
                event = self.member.next(), if is_asked => match event {
                    Ok(event) => self.happened(event, wait).await,
                    Err(error) => self.end(Err(error)),
                },
                () = timer => self.is_late(),
            }
        };
        self.commit();
        self.member.close().await;
        ended
    }

    fn begins(&self) -> bool {
        self.ending.is_none() && self.revoking.is_none()
    }

    fn end(&mut self, ending: Result<(), SourceError>) {
        if self.ending.is_none() || ending.is_err() {
            self.ending = Some(ending);
        }
        self.note();
    }

    /// Begins all that can begin; returns when there may be more of it.
    async fn begin(&mut self) -> Option<u64> {
        let now_ms = self.mapped.tools.timer.unix_ms();
        let pollers = self.mapped.mapping.settings.provisioned_pollers.as_ref();
        let runs_max = pollers.map_or(usize::MAX, |pollers| pollers.maximum as usize * OF_A_POLLER);
        let mut partitions: Vec<Partition> = self.readers.keys().cloned().collect();
        if !partitions.is_empty() {
            let first = self.turn % partitions.len();
            partitions.rotate_left(first);
        }
        let mut until_ms: Option<u64> = None;
        for partition in partitions {
            // One of an earlier assignment goes first: a partition keeps its order.
            if self.running.contains_key(&partition) || self.running.len() >= runs_max {
                continue;
            }
            // Before the next batch begins, what was given up is durably told of.
            while let Some(reader) = self.readers.get_mut(&partition).filter(|reader| reader.untold == 0) {
                match reader.work.step(now_ms) {
                    Step::Invoke { lane } => {
                        let (epoch, event) = (reader.epoch, reader.work.event(lane));
                        self.spawn_run(&partition, epoch, lane, event);
                        break;
                    }
                    Step::Discard(discarded) => self.discard(&partition, &discarded).await,
                    Step::Wait(wait_ms) => {
                        until_ms = wait_ms.into_iter().chain(until_ms).min();
                        break;
                    }
                }
            }
        }
        until_ms
    }

    fn spawn_run(&mut self, partition: &Partition, epoch: u64, lane: usize, event: Vec<u8>) {
        self.turn = self.turn.wrapping_add(1);
        self.running.insert(partition.clone(), epoch);
        let (mapped, partition) = (Arc::clone(&self.mapped), partition.clone());
        self.tasks.spawn(async move {
            let run = run(&*mapped.tools.invoke, &mapped.mapping, lane, event).await;
            Ended::Ran(partition, epoch, run)
        });
    }

    async fn discard(&mut self, partition: &Partition, discarded: &Discarded) {
        let Some(reader) = self.readers.get_mut(partition) else { return };
        let Some(message) = self.mapped.told(&reader.work, &partition.shard_id(), discarded).await else { return };
        reader.untold += 1;
        let (mapped, partition, epoch) = (Arc::clone(&self.mapped), partition.clone(), reader.epoch);
        self.tasks.spawn(async move {
            tell(&mapped, message).await;
            Ended::Told(partition, epoch)
        });
    }

    async fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::Ran(partition, epoch, run) => {
                self.running.remove(&partition);
                let mapped = Arc::clone(&self.mapped);
                let Some(reader) = self.readers.get_mut(&partition).filter(|reader| reader.epoch == epoch) else {
                    // Its records come again, here or elsewhere.
                    return tracing::info!(mapping = %mapped.mapping.uuid, partition = partition.shard_id(), "a batch ended after its partition had gone");
                };
                let discarded = mapped.ended(&mut reader.work, &reader.seen, run).await;
                reader.seen.follows(&reader.work);
                if let Some(discarded) = discarded {
                    self.discard(&partition, &discarded).await;
                }
            }
            Ended::Told(partition, epoch) => {
                let reader = self.readers.get_mut(&partition).filter(|reader| reader.epoch == epoch);
                if let Some(offset) = reader.and_then(Reader::is_told) {
                    self.send(&[(partition, offset)]);
                }
            }
            Ended::Noted => {}
        }
    }

    async fn happened(&mut self, event: GroupEvent, wait: &mut Duration) {
        match event {
            GroupEvent::Assigned(partitions) => {
                if let Err(error) = self.assigned(partitions).await {
                    self.end(Err(error));
                }
            }
            GroupEvent::Revoking => {
                self.note();
                self.revoking = Some(Instant::now() + REVOKING_MAX);
            }
            GroupEvent::Lost => {
                self.note();
                self.revoking = None;
                self.readers.clear();
            }
            GroupEvent::Record(partition, record) => {
                *wait = RETRY_AFTER;
                let now_ms = self.mapped.tools.timer.unix_ms();
                if let Some(reader) = self.readers.get_mut(&partition) {
                    reader.take(&self.mapped, record, now_ms);
                }
            }
            GroupEvent::AtTip(partition) => {
                if let Some(reader) = self.readers.get(&partition) {
                    reader.seen.read(None, Some(0));
                }
            }
            GroupEvent::NotCommitted(partitions) => {
                for partition in partitions {
                    if let Some(reader) = self.readers.get_mut(&partition) {
                        reader.is_not_committed();
                    }
                }
                self.commit_again = Some(Instant::now() + COMMIT_AGAIN_AFTER);
            }
        }
    }

    /// Goes on from what the group has committed, or where the mapping begins.
    async fn assigned(&mut self, partitions: Vec<Partition>) -> Result<(), SourceError> {
        self.epoch += 1;
        self.readers.clear();
        let committed = self.member.committed(partitions.clone()).await?;
        let mut from = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let shard_id = partition.shard_id();
            let offset = committed.get(&partition).copied();
            let start = self.starts.get(&shard_id).cloned().unwrap_or(ShardPosition::TrimHorizon);
            let position = offset.map_or(start, ShardPosition::of_offset);
            from.push((partition.clone(), position.offset()));
            let servers = self.member.servers();
            let reader = Reader::new(&self.mapped, &partition, servers, self.epoch, position, offset);
            self.readers.insert(partition, reader);
        }
        self.member.assign(&from)?;
        self.mapped.status.can_read().await;
        Ok(())
    }

    /// Commits what is done and not committed.
    fn commit(&mut self) {
        if self.commit_again.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.commit_again = None;
        let due = |(partition, reader): (&Partition, &mut Reader)| Some((partition.clone(), reader.commits()?));
        let offsets: Vec<(Partition, u64)> = self.readers.iter_mut().filter_map(due).collect();
        self.send(&offsets);
    }

    fn send(&mut self, offsets: &[(Partition, u64)]) {
        if offsets.is_empty() {
            return;
        }
        if let Err(error) = self.member.commit(offsets) {
            tracing::warn!(mapping = %self.mapped.mapping.uuid, reason = error.message, "offsets could not be committed; trying again");
            for (partition, _) in offsets {
                if let Some(reader) = self.readers.get_mut(partition) {
                    reader.is_not_committed();
                }
            }
            self.commit_again = Some(Instant::now() + COMMIT_AGAIN_AFTER);
        }
    }

    /// Has no more records come than there is room for.
    fn hold(&mut self) {
        let share_bytes = (PENDING_BYTES_MAX / self.readers.len().max(1)).max(SHARE_BYTES_MIN);
        for (partition, reader) in &mut self.readers {
            if let Some(is_held) = reader.holds(share_bytes) {
                self.member.hold(partition, is_held);
            }
        }
    }

    /// Gives the partitions back; what runs of them is not waited for any longer.
    fn release(&mut self) {
        self.commit();
        self.note();
        self.revoking = None;
        self.readers.clear();
        if let Err(error) = self.member.release() {
            self.end(Err(error));
        }
    }

    /// Writes down how far partitions are, for those who look after mappings.
    fn note(&mut self) {
        self.note_at = Instant::now() + NOTE_EVERY;
        let records: Vec<ShardRecord> = self.readers.values_mut().filter_map(Reader::notes).collect();
        if !records.is_empty() {
            let mapped = Arc::clone(&self.mapped);
            self.tasks.spawn(async move {
                note(&mapped, &records).await;
                Ended::Noted
            });
        }
    }

    fn is_late(&mut self) {
        if self.revoking.is_some_and(|until| until <= Instant::now()) {
            self.release();
        }
        if self.note_at <= Instant::now() {
            self.note();
        }
    }

    /// Until the time has come for the next attempt, or for something else.
    fn wait(&self, until_ms: Option<u64>) -> impl Future<Output = ()> + Send + use<> {
        let timer = Arc::clone(&self.mapped.tools.timer);
        let at = [Some(self.note_at), self.revoking, self.commit_again].into_iter().flatten().min();
        async move {
            let attempt = async {
                match until_ms {
                    Some(until_ms) => timer.wait_until(until_ms).await,
                    None => std::future::pending().await,
                }
            };
            let late = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = attempt => {}
                () = late => {}
            }
        }
    }
}

async fn told_to(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Writes down what a destination is to be told, until it is.
async fn tell(mapped: &Mapped, message: Message) {
    while let Err(error) = mapped.tools.outbox.commit(Batch::default(), vec![message.clone()]).await {
        tracing::warn!(mapping = %mapped.mapping.uuid, error = &error as &dyn std::error::Error, "what a destination is to be told could not be written down; trying again");
        sleep(RETRY_AFTER).await;
    }
}

async fn note(mapped: &Mapped, records: &[ShardRecord]) {
    let mut batch = Batch::default();
    for record in records {
        match batch.put_json(mapped.mapping.shard_key(&record.shard_id), Precondition::None, record) {
            Ok(next) => batch = next,
            Err(_) => return,
        }
    }
    if let Err(error) = mapped.tools.store.metadata.commit(batch).await {
        let error = &error as &dyn std::error::Error;
        tracing::debug!(mapping = %mapped.mapping.uuid, error, "positions of partitions could not be noted");
    }
}
