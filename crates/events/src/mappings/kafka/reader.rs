//! One partition while it is the member's.

use tindra_core::clock::UnixMs;
use tindra_core::event_source_mapping::stream::{
    Frame, Partition, ShardPosition, ShardRecord, ShardWork, StreamRecord,
};

use super::super::mapped::Mapped;
use super::super::seen::Seen;

#[derive(Debug)]
pub(super) struct Reader {
    /// Which assignment it is of: the end of a run that was begun in an earlier one is none of its business.
    pub(super) epoch: u64,
    pub(super) work: ShardWork,
    pub(super) seen: Seen,
    shard_id: String,
    /// The offset that is at the cluster, or on its way.
    committed: Option<u64>,
    /// What was given up and is not durably told of yet: until it is, nothing is committed.
    pub(super) untold: usize,
    is_held: bool,
    /// The position that is in the store.
    noted: ShardPosition,
}

impl Reader {
    /// Goes on from a position; `committed` if it is the group's.
    pub(super) fn new(
        mapped: &Mapped,
        partition: &Partition,
        servers: &str,
        epoch: u64,
        position: ShardPosition,
        committed: Option<u64>,
    ) -> Self {
        let shard_id = partition.shard_id();
        let record = ShardRecord::new(shard_id.clone(), Vec::new(), position.clone());
        let frame = Frame::of(&mapped.mapping, servers);
        let work = ShardWork::new(&record, mapped.mapping.settings.clone(), frame);
        let seen = mapped.tools.seen.enter(mapped.mapping.uuid, &shard_id);
        seen.is_done_to(&position, None);
        Self { epoch, work, seen, shard_id, committed, untold: 0, is_held: false, noted: position }
    }

    /// Takes a record, with whether the filters let it pass.
    pub(super) fn take(&mut self, mapped: &Mapped, record: StreamRecord, now_ms: UnixMs) {
        self.seen.read(Some(record.arrival_ms), None);
        self.work.take(mapped.sorted(vec![record], now_ms), now_ms);
    }

    /// The offset that is to be committed: never that of a record that is not done.
    pub(super) fn commits(&mut self) -> Option<u64> {
        if !self.work.take_changed() && self.committed.is_some() {
            return None;
        }
        self.seen.is_done_to(self.work.position(), self.work.arrival_ms());
        self.due()
    }

    fn due(&mut self) -> Option<u64> {
        let offset = self.work.position().offset()?;
        if self.untold > 0 || self.committed == Some(offset) {
            return None;
        }
        self.committed = Some(offset);
        Some(offset)
    }

    /// What was given up is durably told of.
    pub(super) fn is_told(&mut self) -> Option<u64> {
        self.untold = self.untold.saturating_sub(1);
        self.due()
    }

    /// What was to be committed is not.
    pub(super) fn is_not_committed(&mut self) {
        self.committed = None;
    }

    /// Whether records are to stop or to come again: they stop when there is no room for more, or when those that are not done take
    /// more than their share of memory.
    pub(super) fn holds(&mut self, share_bytes: usize) -> Option<bool> {
        let is_full = self.work.room() == 0 || self.work.pending_bytes() >= share_bytes;
        let changes = is_full != self.is_held;
        self.is_held = is_full;
        changes.then_some(is_full)
    }

    /// What is to be noted in the store, for those who look after mappings.
    pub(super) fn notes(&mut self) -> Option<ShardRecord> {
        if self.untold > 0 || self.noted == *self.work.position() {
            return None;
        }
        self.noted = self.work.position().clone();
        let record = ShardRecord::new(self.shard_id.clone(), Vec::new(), self.noted.clone());
        Some(ShardRecord { arrival_ms: self.work.arrival_ms(), ..record })
    }
}
