//! A lane of a shard: records in their order, of which one batch is worked on at a time.

use std::collections::VecDeque;

use super::attempts::{Batch, LastInvoke, Retrying};
use super::verdict::BatchEnd;
use super::window::{GRACE_MS, OpenWindow};
use super::{DiscardReason, StreamRecord};
use crate::clock::UnixMs;
use crate::event_source_mapping::MappingSettings;
use crate::limits;
use crate::push::Backoff;

/// Room for what stands around the records of an event.
const AROUND_BYTES: usize = 4_096;
/// The waits between attempts.
const BACKOFF: Backoff = Backoff::Doubling { first_ms: 500, most_ms: 60_000 };

/// What goes for all lanes of a shard at a moment.
pub(super) struct Moment<'a> {
    pub(super) settings: &'a MappingSettings,
    pub(super) now_ms: UnixMs,
    /// When the source had nothing more, if that was after the last record.
    pub(super) tip_ms: Option<UnixMs>,
    /// The shard has no more records.
    pub(super) is_ending: bool,
    /// What no event has room for is given up.
    pub(super) gives_up_what_is_too_large: bool,
}

/// What a lane does next.
pub(super) enum LaneStep {
    /// Runs the function for [`Lane::running`].
    Run,
    /// Gives these up.
    Discard(Batch, DiscardReason),
    /// Waits, until then at most.
    Wait(Option<UnixMs>),
}

/// What followed from the end of an attempt.
#[derive(Default)]
pub(super) struct LaneEnded {
    /// What is done.
    pub(super) done: Batch,
    /// How many records the function has failed with.
    pub(super) failed: usize,
    /// What is given up.
    pub(super) discarded: Option<(Batch, DiscardReason)>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    came_ms: UnixMs,
    record: StreamRecord,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: VecDeque<Waiting>,
    /// Batches that were begun; the last is the next.
    begun: Vec<Batch>,
    /// Before this nothing is tried.
    due_ms: UnixMs,
    /// Attempts in a row that failed.
    failures: u32,
    is_running: bool,
    /// What runs ends the window, and has no records.
    pub(super) is_final: bool,
    pub(super) retrying: Option<Retrying>,
}

impl Lane {
    pub(super) fn take(&mut self, number: u64, record: StreamRecord, came_ms: UnixMs) {
        self.waiting.push_back(Waiting { number, came_ms, record });
    }

    /// The records that the function is given now.
    pub(super) fn running(&self) -> &[StreamRecord] {
        match self.begun.last() {
            Some(batch) if self.is_running && !self.is_final => &batch.records,
            _ => &[],
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    pub(super) fn step(&mut self, at: &Moment<'_>, window: &mut Option<OpenWindow>) -> LaneStep {
        if self.is_running {
            return LaneStep::Wait(None);
        }
        if self.closes(at, window.as_ref()) {
            return self.run(at, true, None);
        }
        if self.begun.is_empty() {
            match self.form(at, window) {
                Some(batch) => self.begun.push(batch),
                None => return LaneStep::Wait(self.ready_ms(at)),
            }
        }
        let age_s_max = at.settings.maximum_record_age_s;
        let Some(batch) = self.begun.last_mut() else { return LaneStep::Wait(None) };
        let expired = batch.expired(age_s_max, at.now_ms);
        if expired > 0 {
            let expired = batch.cut(expired);
            self.drop_empty();
            return LaneStep::Discard(expired, DiscardReason::RecordAgeExceeded);
        }
        if at.gives_up_what_is_too_large && batch.is_too_large(limits::SYNC_REQUEST_BYTES_MAX - AROUND_BYTES) {
            let batch = self.begun.pop().unwrap_or_default();
            return LaneStep::Discard(batch, DiscardReason::MaximumPayloadSizeExceeded);
        }
        let expires_ms = batch.expires_ms(age_s_max);
        self.run(at, false, expires_ms)
    }

    fn run(&mut self, at: &Moment<'_>, is_final: bool, expires_ms: Option<UnixMs>) -> LaneStep {
        if self.due_ms > at.now_ms {
            return LaneStep::Wait(Some(expires_ms.map_or(self.due_ms, |expires_ms| expires_ms.min(self.due_ms))));
        }
        (self.is_running, self.is_final) = (true, is_final);
        LaneStep::Run
    }

    /// Whether the window that is open ends before anything else.
    fn closes(&self, at: &Moment<'_>, window: Option<&OpenWindow>) -> bool {
        let Some(window) = window else { return false };
        if window.is_terminated_early || at.settings.tumbling_window_s == 0 {
            return true;
        }
        if !self.begun.is_empty() {
            return false;
        }
        match self.waiting.front() {
            Some(next) => !window.takes(next.record.arrival_ms),
            None => at.is_ending || is_past(window, at),
        }
    }

    /// The next batch, once it is full or has waited for as long as it may.
    fn form(&mut self, at: &Moment<'_>, window: &mut Option<OpenWindow>) -> Option<Batch> {
        let first = self.waiting.front()?;
        let window = match at.settings.tumbling_window_s {
            0 => None,
            width_s => Some(&*window.get_or_insert_with(|| OpenWindow::of(first.record.arrival_ms, width_s))),
        };
        let state_bytes = window.map_or(0, |window| window.state.to_string().len());
        let mut room_bytes = limits::SYNC_REQUEST_BYTES_MAX.saturating_sub(AROUND_BYTES + state_bytes);
        let mut count = 0;
        let mut is_full = at.is_ending || window.is_some_and(|window| is_past(window, at));
        for next in &self.waiting {
            let fits = next.record.bytes <= room_bytes || count == 0;
            if count == at.settings.batch_size as usize
                || !fits
                || window.is_some_and(|window| !window.takes(next.record.arrival_ms))
            {
                is_full = true;
                break;
            }
            count += 1;
            room_bytes = room_bytes.saturating_sub(next.record.bytes);
        }
        is_full |= count == at.settings.batch_size as usize;
        if !is_full && self.ready_ms(at).is_some_and(|ready_ms| ready_ms > at.now_ms) {
            return None;
        }
        let mut batch = Batch::default();
        for Waiting { number, record, .. } in self.waiting.drain(..count) {
            batch.push(number, record);
        }
        Some(batch)
    }

    /// When what waits has waited for as long as it may.
    fn ready_ms(&self, at: &Moment<'_>) -> Option<UnixMs> {
        let window_ms = at.settings.batching_window_ms();
        self.waiting.front().map(|first| first.came_ms.saturating_add(window_ms))
    }

    /// An attempt has ended.
    pub(super) fn ended(
        &mut self,
        end: BatchEnd,
        last: Option<LastInvoke>,
        at: &Moment<'_>,
        window: &mut Option<OpenWindow>,
    ) -> LaneEnded {
        self.is_running = false;
        if std::mem::take(&mut self.is_final) {
            match end {
                BatchEnd::Done { .. } | BatchEnd::From { .. } | BatchEnd::Only { .. } => {
                    *window = None;
                    self.is_well(at);
                }
                BatchEnd::Failed => self.later(at, FUNCTION_FAILED),
                BatchEnd::Passing { reason } => self.later(at, &reason),
            }
            return LaneEnded::default();
        }
        let Some(mut batch) = self.begun.pop() else { return LaneEnded::default() };
        match end {
            BatchEnd::Passing { reason } => {
                self.begun.push(batch);
                self.later(at, &reason);
                LaneEnded::default()
            }
            BatchEnd::Done { state } => {
                go_on(window, state);
                self.is_well(at);
                LaneEnded { done: batch, ..LaneEnded::default() }
            }
            BatchEnd::From { index, state } => {
                batch.invoked(last);
                go_on(window, state);
                let done = batch.cut(index);
                LaneEnded { done, ..self.failed(batch, at.settings.bisect_on_error, at) }
            }
            BatchEnd::Only { indices } => {
                batch.invoked(last);
                let done = batch.keep(&indices);
                LaneEnded { done, ..self.failed(batch, false, at) }
            }
            BatchEnd::Failed => {
                batch.invoked(last);
                self.failed(batch, false, at)
            }
        }
    }

    /// The function has failed with a batch; a split does not count as a retry.
    fn failed(&mut self, mut batch: Batch, was_split: bool, at: &Moment<'_>) -> LaneEnded {
        let failed = batch.len();
        self.later(at, FUNCTION_FAILED);
        if was_split {
            self.due_ms = at.now_ms;
            self.begun.push(batch);
        } else if at.settings.bisect_on_error && batch.len() > 1 {
            self.due_ms = at.now_ms;
            let first = batch.cut(batch.len() / 2);
            self.begun.extend([batch, first]);
        } else if batch.retry(at.settings.maximum_retry_attempts) {
            self.begun.push(batch);
        } else {
            self.is_well(at);
            let discarded = Some((batch, DiscardReason::RetryAttemptsExhausted));
            return LaneEnded { failed, discarded, ..LaneEnded::default() };
        }
        LaneEnded { failed, ..LaneEnded::default() }
    }

    fn is_well(&mut self, at: &Moment<'_>) {
        (self.due_ms, self.failures, self.retrying) = (at.now_ms, 0, None);
    }

    fn later(&mut self, at: &Moment<'_>, reason: &str) {
        self.failures = self.failures.saturating_add(1);
        self.due_ms = at.now_ms.saturating_add(BACKOFF.wait_ms(self.failures));
        let since_ms = self.retrying.as_ref().map_or(at.now_ms, |retrying| retrying.since_ms);
        self.retrying = Some(Retrying { since_ms, reason: reason.to_owned() });
    }

    fn drop_empty(&mut self) {
        if self.begun.last().is_some_and(|batch| batch.len() == 0) {
            self.begun.pop();
            (self.due_ms, self.failures, self.retrying) = (0, 0, None);
        }
    }
}

/// What is said of a batch with which the function has failed (AWS).
pub(super) const FUNCTION_FAILED: &str = "Function call failed";

/// Whether no more records of a window can come.
fn is_past(window: &OpenWindow, at: &Moment<'_>) -> bool {
    at.tip_ms.is_some_and(|tip_ms| tip_ms >= window.end_ms.saturating_add(GRACE_MS))
}

fn go_on(window: &mut Option<OpenWindow>, state: Option<serde_json::Value>) {
    if let (Some(window), Some(state)) = (window.as_mut(), state) {
        window.go_on(state);
    }
}
