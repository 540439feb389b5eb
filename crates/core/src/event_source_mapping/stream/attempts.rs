//! A batch between its first attempt and its end.

use super::{DiscardReason, Discarded, StreamRecord};
use crate::clock::UnixMs;

/// A run of the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastInvoke {
    /// Its request id.
    pub request_id: String,
    /// The version that ran.
    pub executed_version: String,
    /// `X-Amzn-Trace-Id` as the function saw it.
    pub trace_id: String,
    /// It ended with an error, rather than with an answer that names failures.
    pub is_function_error: bool,
}

/// Why a shard does not go on, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrying {
    /// Since when.
    pub since_ms: UnixMs,
    /// Why, for people.
    pub reason: String,
}

/// Records that the function gets together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// In their order.
    pub(super) records: Vec<StreamRecord>,
    /// Their numbers in the shard's work.
    pub(super) numbers: Vec<u64>,
    /// Attempts that count after the first.
    retries: u32,
    /// Times that the function got them.
    invokes: u32,
    last: Option<LastInvoke>,
}

impl Batch {
    pub(super) fn push(&mut self, number: u64, record: StreamRecord) {
        self.numbers.push(number);
        self.records.push(record);
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The function got it.
    pub(super) fn invoked(&mut self, last: Option<LastInvoke>) {
        self.invokes = self.invokes.saturating_add(1);
        self.last = last;
    }

    /// Takes what comes before a record out, with all that is known of it.
    pub(super) fn cut(&mut self, index: usize) -> Self {
        let (records, numbers) = (self.records.split_off(index), self.numbers.split_off(index));
        let rest = Self { records, numbers, last: self.last.clone(), ..*self };
        std::mem::replace(self, rest)
    }

    /// Takes all but some records out; `kept` are in their order.
    pub(super) fn keep(&mut self, kept: &[usize]) -> Self {
        let mut taken = Self::default();
        let (mut records, mut numbers) = (Vec::new(), Vec::new());
        let pairs = self.records.drain(..).zip(self.numbers.drain(..));
        for (index, (record, number)) in pairs.enumerate() {
            if kept.binary_search(&index).is_ok() {
                records.push(record);
                numbers.push(number);
            } else {
                taken.push(number, record);
            }
        }
        (self.records, self.numbers) = (records, numbers);
        taken
    }

    /// Whether it is one record, and no event has room for that.
    pub(super) fn is_too_large(&self, bytes_max: usize) -> bool {
        matches!(&self.records[..], [record] if record.bytes > bytes_max)
    }

    /// Counts an attempt, if another one is allowed.
    pub(super) fn retry(&mut self, retries_max: Option<u32>) -> bool {
        let may = retries_max.is_none_or(|max| self.retries < max);
        if may {
            self.retries = self.retries.saturating_add(1);
        }
        may
    }

    /// How many records at its head are too old.
    pub(super) fn expired(&self, age_s_max: Option<u32>, now_ms: UnixMs) -> usize {
        let Some(age_s_max) = age_s_max else { return 0 };
        self.records.iter().take_while(|record| expiry_ms(record, age_s_max) < now_ms).count()
    }

    /// When its first record becomes too old.
    pub(super) fn expires_ms(&self, age_s_max: Option<u32>) -> Option<UnixMs> {
        Some(expiry_ms(self.records.first()?, age_s_max?).saturating_add(1))
    }

    pub(super) fn discarded(self, reason: DiscardReason) -> Discarded {
        let Self { records, invokes, last, .. } = self;
        Discarded { records, reason, invokes, last }
    }
}

fn expiry_ms(record: &StreamRecord, age_s_max: u32) -> UnixMs {
    record.arrival_ms.saturating_add(u64::from(age_s_max) * 1_000)
}
