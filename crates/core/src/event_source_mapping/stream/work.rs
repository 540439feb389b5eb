//! All that was read of a shard and is not done.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::attempts::{Batch, LastInvoke, Retrying};
use super::discarded::{DiscardReason, Discarded};
use super::lane::{Lane, LaneStep, Moment};
use super::{BatchEnd, Frame, OpenWindow, ShardPosition, ShardRecord, StreamRecord};
use crate::clock::UnixMs;
use crate::event_source_mapping::MappingSettings;

/// No more is read while as many bytes of records are not done.
const PENDING_BYTES_MAX: usize = 16 << 20;
/// At least as many records are read ahead of what is done.
const AHEAD_MIN: usize = 1_000;

/// What to do next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Run the function with [`ShardWork::event`] of a lane, and tell [`ShardWork::ended`] of it.
    Invoke {
        /// Which one.
        lane: usize,
    },
    /// Records are given up.
    Discard(Discarded),
    /// Nothing, until then or until something happens.
    Wait(Option<UnixMs>),
}

/// What followed from the end of an attempt.
#[derive(Debug, Default, PartialEq)]
pub struct Ended {
    /// How many records are done.
    pub done: usize,
    /// With how many the function has failed.
    pub failed: usize,
    /// What is given up.
    pub discarded: Option<Discarded>,
}

/// The work on one shard. It is for who holds the shard's lease.
#[derive(Debug)]
pub struct ShardWork {
    settings: MappingSettings,
    shard_id: String,
    frame: Frame,
    lanes: Vec<Lane>,
    window: Option<OpenWindow>,
    /// What was read and lies behind the position, in its order.
    read: VecDeque<Read>,
    /// The number of the first of it.
    first: u64,
    pending: usize,
    pending_bytes: usize,
    position: ShardPosition,
    arrival_ms: Option<UnixMs>,
    tip_ms: Option<UnixMs>,
    is_ending: bool,
    is_changed: bool,
}

#[derive(Debug)]
struct Read {
    sequence: String,
    arrival_ms: UnixMs,
    is_done: bool,
}

impl ShardWork {
    /// Goes on from what is durable of a shard.
    #[must_use]
    pub fn new(record: &ShardRecord, settings: MappingSettings, frame: Frame) -> Self {
        // A window's state is one for the whole shard.
        let lanes = if settings.tumbling_window_s > 0 { 1 } else { settings.parallelization_factor.max(1) };
        Self {
            settings,
            shard_id: record.shard_id.clone(),
            frame,
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            window: record.window.clone(),
            read: VecDeque::new(),
            first: 0,
            pending: 0,
            pending_bytes: 0,
            position: record.position.clone(),
            arrival_ms: record.arrival_ms,
            tip_ms: None,
            is_ending: false,
            is_changed: false,
        }
    }

    /// What stands around its records.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Up to where all records are done.
    #[must_use]
    pub fn position(&self) -> &ShardPosition {
        &self.position
    }

    /// When the record at the position was written.
    #[must_use]
    pub fn arrival_ms(&self) -> Option<UnixMs> {
        self.arrival_ms
    }

    /// What the records take that are read and not done.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// How many more records it takes now.
    #[must_use]
    pub fn room(&self) -> usize {
        let ahead = (self.settings.batch_size as usize * self.lanes.len() * 2).max(AHEAD_MIN);
        if self.pending_bytes >= PENDING_BYTES_MAX { 0 } else { ahead.saturating_sub(self.pending) }
    }

    /// Takes what was read: records in their order, each with whether the filters let it pass.
    pub fn take(&mut self, records: impl IntoIterator<Item = (StreamRecord, bool)>, now_ms: UnixMs) {
        for (record, passes) in records {
            self.tip_ms = None;
            let number = self.first + self.read.len() as u64;
            let StreamRecord { sequence, arrival_ms, .. } = &record;
            self.read.push_back(Read { sequence: sequence.clone(), arrival_ms: *arrival_ms, is_done: !passes });
            if passes {
                self.pending += 1;
                self.pending_bytes += record.bytes;
                let lane = lane_of(&record.key, self.lanes.len());
                self.lanes[lane].take(number, record, now_ms);
            }
        }
        self.move_on();
    }

    /// The source had nothing more just now.
    pub fn is_at_tip(&mut self, now_ms: UnixMs) {
        self.tip_ms = Some(now_ms);
    }

    /// The source will have nothing more.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    /// What to do next.
    pub fn step(&mut self, now_ms: UnixMs) -> Step {
        let mut until_ms: Option<UnixMs> = None;
        for lane in 0..self.lanes.len() {
            let at = moment(&self.settings, &self.frame, now_ms, self.tip_ms, self.is_ending);
            match self.lanes[lane].step(&at, &mut self.window) {
                LaneStep::Run => return Step::Invoke { lane },
                LaneStep::Discard(batch, reason) => return Step::Discard(self.discard(batch, reason)),
                LaneStep::Wait(wait_ms) => until_ms = wait_ms.into_iter().chain(until_ms).min(),
            }
        }
        Step::Wait(until_ms)
    }

    /// The event that a lane's function is run with.
    #[must_use]
    pub fn event(&self, lane: usize) -> Vec<u8> {
        let Some(lane) = self.lanes.get(lane) else { return Vec::new() };
        self.event_of(lane.running(), lane.is_final)
    }

    /// The event of records.
    #[must_use]
    pub fn event_of(&self, records: &[StreamRecord], is_final: bool) -> Vec<u8> {
        self.frame.event(&self.shard_id, records, self.window.as_ref(), is_final)
    }

    /// How many records a lane's function is run with.
    #[must_use]
    pub fn running(&self, lane: usize) -> usize {
        self.lanes.get(lane).map_or(0, |lane| lane.running().len())
    }

    /// What a function's answer to a lane's event means.
    #[must_use]
    pub fn judge(&self, lane: usize, answer: &[u8]) -> BatchEnd {
        match self.lanes.get(lane) {
            Some(lane) => self.frame.judge(answer, &self.settings, &self.shard_id, lane.running(), lane.is_final),
            None => BatchEnd::Failed,
        }
    }

    /// A lane's function has ended.
    pub fn ended(&mut self, lane: usize, end: BatchEnd, last: Option<LastInvoke>, now_ms: UnixMs) -> Ended {
        let at = moment(&self.settings, &self.frame, now_ms, self.tip_ms, self.is_ending);
        let Some(lane) = self.lanes.get_mut(lane) else { return Ended::default() };
        let had_window = self.window.is_some();
        let ended = lane.ended(end, last, &at, &mut self.window);
        self.is_changed |= had_window;
        let done = ended.done.len();
        self.done(&ended.done);
        let discarded = ended.discarded.map(|(batch, reason)| self.discard(batch, reason));
        Ended { done, failed: ended.failed, discarded }
    }

    fn discard(&mut self, batch: Batch, reason: DiscardReason) -> Discarded {
        self.done(&batch);
        batch.discarded(reason)
    }

    fn done(&mut self, batch: &Batch) {
        for (number, record) in batch.numbers.iter().zip(&batch.records) {
            self.pending -= 1;
            self.pending_bytes -= record.bytes;
            let index = usize::try_from(number - self.first).unwrap_or(usize::MAX);
            if let Some(read) = self.read.get_mut(index) {
                read.is_done = true;
            }
        }
        self.move_on();
    }

    /// Moves the position behind what is done without a gap.
    fn move_on(&mut self) {
        while let Some(read) = self.read.pop_front_if(|read| read.is_done) {
            self.first += 1;
            self.position = ShardPosition::After(read.sequence);
            self.arrival_ms = Some(read.arrival_ms);
            self.is_changed = true;
        }
    }

    /// Whether anything has changed of what is durable; from now on it has not.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Writes into a record how far the shard is.
    pub fn note_into(&self, record: &mut ShardRecord) {
        record.position = self.position.clone();
        record.arrival_ms = self.arrival_ms;
        record.window = self.window.clone();
        record.is_ended = self.is_done();
    }

    /// Whether every record is done, and there will be no more.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_ending && self.pending == 0 && self.window.is_none()
    }

    /// Whether the function is running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.lanes.iter().any(Lane::is_running)
    }

    /// Why it does not go on, and since when: the lane that waits for longest.
    #[must_use]
    pub fn retrying(&self) -> Option<&Retrying> {
        self.lanes.iter().filter_map(|lane| lane.retrying.as_ref()).min_by_key(|retrying| retrying.since_ms)
    }
}

fn moment<'a>(
    settings: &'a MappingSettings,
    frame: &Frame,
    now_ms: UnixMs,
    tip_ms: Option<UnixMs>,
    is_ending: bool,
) -> Moment<'a> {
    Moment { settings, now_ms, tip_ms, is_ending, gives_up_what_is_too_large: frame.gives_up_what_is_too_large() }
}

fn lane_of(key: &str, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % lanes.max(1) as u64).unwrap_or(0)
}
