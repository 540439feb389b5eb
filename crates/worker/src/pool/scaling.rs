//! How fast the environments of one function may become more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tindra_core::limits::SCALING_PERIOD_S;
use tindra_core::rate::RateLimit;
use uuid::Uuid;

/// Functions that are remembered before those are forgotten that have all of their allowance again.
const FUNCTIONS_MAX: usize = 1_024;

/// The starts of each function. Asked when an environment is started for an invoke, never by an invoke that finds one.
#[derive(Debug)]
pub(super) struct Scaling {
    limit: RateLimit,
    /// By the function's id: see [`RateLimit::take`].
    functions: Mutex<HashMap<Uuid, u64>>,
}

impl Scaling {
    /// `environments` of a function at once, and as many again in the course of each [`SCALING_PERIOD_S`] seconds (AWS).
    pub(super) fn new(environments: u32) -> Self {
        let limit = RateLimit::new(u64::from(environments), Duration::from_secs(SCALING_PERIOD_S));
        Self { limit, functions: Mutex::default() }
    }

    /// Whether there have been too many starts. Counts nothing.
    pub(super) fn is_too_fast(&self, function_id: Uuid, now: Duration) -> bool {
        let functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        self.limit.take(functions.get(&function_id).copied().unwrap_or_default(), now).is_err()
    }

    /// Counts a start, unless there have been too many.
    pub(super) fn may_start(&self, function_id: Uuid, now: Duration) -> bool {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if functions.len() >= FUNCTIONS_MAX {
            functions.retain(|_, unused_at_ns| u128::from(*unused_at_ns) > now.as_nanos());
        }
        let unused_at_ns = functions.entry(function_id).or_default();
        match self.limit.take(*unused_at_ns, now) {
            Ok(taken) => *unused_at_ns = taken,
            Err(_) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_has_its_own_allowance_and_those_with_all_of_it_are_forgotten() {
        let scaling = Scaling::new(2);
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let start = |id, at_s| scaling.may_start(id, Duration::from_secs(at_s));
        assert_eq!([start(one, 0), start(one, 0), start(one, 0)], [true, true, false]);
        assert!(start(other, 0));
        let asked = |at_s| scaling.is_too_fast(one, Duration::from_secs(at_s));
        assert_eq!([asked(0), asked(5), asked(5)], [true, false, false], "asking counts nothing");
        assert_eq!([start(one, 5), start(one, 5)], [true, false], "half of the time brings half of it");
        for id in 10..10 + FUNCTIONS_MAX as u128 {
            assert!(start(Uuid::from_u128(id), 100));
        }
        assert!(start(one, 200));
        assert!(scaling.functions.lock().unwrap().len() < FUNCTIONS_MAX);
    }
}
