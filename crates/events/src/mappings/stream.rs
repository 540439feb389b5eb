//! Polling a stream: finds its shards, and has each that may be read read by one reader.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::event_source_mapping::stream::{Reconciled, ShardInfo, ShardRecord, is_runnable, reconcile};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError, Versioned};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use super::cursor::in_time;
use super::lease::{self, Lease};
use super::mapped::Mapped;
use super::peers::{BEAT, Peers};
use super::ports::SourceError;
use super::shard::{ShardReader, Stream, Told};

/// How often a stream is asked for its shards.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long to wait before a shard is looked at again that a poller here is about to give back.
const GIVEN_BACK_AFTER: Duration = Duration::from_millis(200);

/// Polls the shards of one mapping.
#[derive(Debug)]
pub(super) struct StreamPoller {
    stream: Arc<Stream>,
    owner: Uuid,
    /// The pollers of other servers; none where there are no others.
    peers: Option<Peers>,
    /// What readers are told of their shards.
    told: HashMap<String, Arc<Told>>,
    /// The shards of the last listing that had any, with the last sequence numbers of those that are closed.
    listed: HashMap<String, Option<String>>,
    /// When the stream was asked for its shards; none when it is to be asked at once.
    asked: Option<Instant>,
    /// How long to wait after a look at the stream that has failed; none after a success.
    patience: Option<Duration>,
    readers: JoinSet<()>,
    /// Which shards they read.
    read: HashMap<Id, String>,
}

/// Why a look at a stream failed.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StreamPoller {
    pub(super) fn new(stream: Stream) -> Self {
        let owner = stream.tools.owners.enter();
        let peers = Peers::enter(&stream, owner);
        Self {
            stream: Arc::new(stream),
            owner,
            peers,
            told: HashMap::new(),
            listed: HashMap::new(),
            asked: None,
            patience: Some(super::RETRY_AFTER),
            readers: JoinSet::new(),
            read: HashMap::new(),
        }
    }

    /// Polls until it is told to stop, then ends what it has begun.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let stopping = stop.clone();
            let looked = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                looked = self.look(&stopping) => looked,
            };
            let wait = match looked {
                Ok(wait) => {
                    if self.patience.take().is_some() {
                        self.stream.status.can_read().await;
                    }
                    wait
                }
                Err(error) => {
                    let mapping = self.stream.mapping.uuid;
                    tracing::warn!(%mapping, error = &error as &dyn std::error::Error, "a stream's shards could not be looked at; trying again");
                    if let LookError::Source(error) = &error {
                        self.stream.status.has_problem(&error.message).await;
                    }
                    let wait = self.patience.unwrap_or(super::RETRY_AFTER);
                    self.patience = Some((wait * 2).min(super::RETRY_AFTER_MAX));
                    wait
                }
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                // The children of a shard that has ended may begin.
                Some(ended) = self.readers.join_next_with_id() => self.reader_ended(ended),
                () = tokio::time::sleep(wait) => {}
            }
        }
        if let Some(peers) = &self.peers {
            peers.is_leaving();
        }
        while self.readers.join_next().await.is_some() {}
        if let Some(peers) = self.peers.take() {
            peers.leave().await;
        }
        self.stream.leave().await;
    }

    fn reader_ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a shard's reader ended unexpectedly");
                error.id()
            }
        };
        if let Some(shard_id) = self.read.remove(&id) {
            self.told.remove(&shard_id);
        }
        self.asked = None;
    }

    /// Looks which shards there are and begins to read those that can be; returns when to look again.
    async fn look(&mut self, stop: &watch::Receiver<bool>) -> Result<Duration, LookError> {
        // What is begun after the stream was asked may be of shards that it did not have then.
        let read_before: Vec<String> = self.told.keys().cloned().collect();
        let is_due = self.asked.is_none_or(|asked| asked.elapsed() >= LOOK_EVERY);
        let listed = if is_due { Some(in_time(self.stream.source.shards()).await) } else { None };
        if let Some(peers) = &mut self.peers {
            peers.look().await?;
        }
        let mut known = self.stream.known().await?;
        if let Some(Ok(listed)) = &listed {
            self.tell(listed, &read_before);
            if self.note(&known, listed).await? {
                known = self.stream.known().await?;
            }
        }
        let wait = self.begin(&known, stop).await?;
        if let Some(listed) = listed {
            self.asked = None;
            listed?;
            self.asked = Some(Instant::now());
        }
        Ok(wait)
    }

    /// Tells readers what the stream says of their shards.
    fn tell(&mut self, listed: &[ShardInfo], read_before: &[String]) {
        // A listing without any shard is rather one of a stream that is being made.
        if !listed.is_empty() {
            self.listed = listed.iter().map(|shard| (shard.id.clone(), shard.ending_sequence.clone())).collect();
        }
        for (shard_id, told) in &self.told {
            self.tell_ending(shard_id, told);
        }
        let is_gone = |shard_id: &&String| !self.listed.is_empty() && !self.listed.contains_key(*shard_id);
        for shard_id in read_before.iter().filter(is_gone) {
            if let Some(told) = self.told.get(shard_id) {
                let _ = told.gone.set(());
            }
        }
    }

    fn tell_ending(&self, shard_id: &str, told: &Told) {
        if let Some(Some(ending)) = self.listed.get(shard_id) {
            let _ = told.ending.set(ending.clone());
        }
    }

    /// Writes down what has changed; whether anything has.
    async fn note(&self, known: &[Versioned<ShardRecord>], listed: &[ShardInfo]) -> Result<bool, StoreError> {
        let Mapped { tools, mapping, .. } = &self.stream.mapped;
        let records: Vec<ShardRecord> = known.iter().map(|record| record.value.clone()).collect();
        // The times of records are real ones.
        let now_ms = tools.real.unix_ms();
        let Reconciled { new, gone } = reconcile(&records, listed, mapping.source.starting_position, now_ms);
        if new.is_empty() && gone.is_empty() {
            return Ok(false);
        }
        let mut batch = Batch::default();
        for record in &new {
            batch = batch.put_json(mapping.shard_key(&record.shard_id), Precondition::Absent, record)?;
        }
        for record in known.iter().filter(|record| gone.contains(&record.value.shard_id)) {
            batch = batch.delete(record.key.clone(), Precondition::Revision(record.revision));
        }
        match tools.store.metadata.commit(batch).await {
            // A conflict is another server, which has noted the same.
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Takes the shards that can be read.
    async fn begin(
        &mut self,
        known: &[Versioned<ShardRecord>],
        stop: &watch::Receiver<bool>,
    ) -> Result<Duration, StoreError> {
        let records: Vec<ShardRecord> = known.iter().map(|record| record.value.clone()).collect();
        let runnable = || known.iter().filter(|shard| is_runnable(&shard.value, &records));
        let share = self.peers.as_ref().map_or(usize::MAX, |peers| peers.share(runnable().count()));
        self.give_up(share);
        let mut wait = if self.peers.is_some() { BEAT } else { LOOK_EVERY };
        for shard in runnable() {
            let tools = &self.stream.tools;
            let shard_id = &shard.value.shard_id;
            if self.told.contains_key(shard_id) {
                continue;
            }
            // One of this poller's that nobody here reads is left from a reader that ended before its time.
            let is_left = shard.value.owner == Some(self.owner);
            if !is_left && !lease::is_free(tools, self.peers.as_ref(), &shard.value) {
                let is_here = shard.value.owner.is_some_and(|owner| tools.owners.has(owner));
                wait = if is_here { GIVEN_BACK_AFTER } else { wait };
                continue;
            }
            // The others will take it.
            if !is_left && self.told.len() >= share {
                continue;
            }
            let Some(lease) = Lease::take(tools, shard, self.owner).await? else {
                wait = GIVEN_BACK_AFTER;
                continue;
            };
            let told = Arc::new(Told::default());
            self.tell_ending(shard_id, &told);
            self.told.insert(shard_id.clone(), Arc::clone(&told));
            let reader = ShardReader::new(Arc::clone(&self.stream), lease, told);
            let task = self.readers.spawn(reader.run(stop.clone()));
            self.read.insert(task.id(), shard_id.clone());
        }
        Ok(wait)
    }

    /// Has readers end, each before its next batch, that read more than this poller's share; rather those that are not about to try
    /// a batch again, whose attempts would be counted anew.
    fn give_up(&self, share: usize) {
        let Mapped { tools, mapping, .. } = &self.stream.mapped;
        let mut kept: Vec<(&String, &Arc<Told>)> =
            self.told.iter().filter(|(_, told)| !*told.given_up.borrow()).collect();
        kept.sort_by_key(|(shard_id, _)| (!tools.seen.is_retrying(mapping.uuid, shard_id), *shard_id));
        for (_, told) in kept.into_iter().skip(share) {
            told.given_up.send_replace(true);
        }
    }
}

impl Drop for StreamPoller {
    fn drop(&mut self) {
        self.stream.tools.owners.leave(self.owner);
    }
}
