//! What becomes of an asynchronous invoke: when it is tried again, and when it is given up.
//!
//! Rules of the pages "How Lambda handles errors and retries with asynchronous invocation" and "Capturing records of
//! Lambda asynchronous invocations" of AWS's developer guide. Pure: the time comes in.

use serde::{Deserialize, Serialize};

use crate::clock::UnixMs;
use crate::event_invoke_config::EventInvokeConfig;
use crate::function::Scope;
use crate::limits;
use crate::name;

/// An accepted event with what has become of it so far: all but its payload. The store keeps it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsyncEvent {
    /// What the caller was told, and what the function sees at every attempt.
    pub request_id: String,
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name of the function.
    pub function_name: String,
    /// The version or alias as the caller named it; none for none. What it leads to is found out at each attempt.
    pub qualifier: Option<String>,
    /// `X-Amzn-Trace-Id` before the function's own lineage is added.
    pub trace_id: String,
    /// The tenant that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// When it was accepted.
    pub accepted_ms: UnixMs,
    /// The function's reserved concurrency was 0 then: it is not to be run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_unwanted: bool,
    /// Runs of the function that ended, well or not.
    #[serde(default)]
    pub attempts: u32,
    /// How often it was given back without a run since the last run.
    #[serde(default)]
    pub refusals: u32,
    /// What came of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastAttempt>,
}

/// What came of an attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAttempt {
    /// HTTP status that a synchronous caller would have got.
    pub status: u16,
    /// Why, for people: the error's message.
    pub message: String,
    /// The run behind it; none when the function did not run, but kept from an earlier attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<FailedRun>,
}

/// A run that ended with an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRun {
    /// The version that ran.
    pub executed_version: String,
    /// The error object, JSON; none when it was larger than [`limits::KEPT_ERROR_BYTES_MAX`].
    pub payload: Option<String>,
}

/// How an attempt ended, as far as the rules care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The function answered.
    Succeeded,
    /// The function failed, ran out of time or of memory.
    Failed(FailedRun),
    /// It did not run, and may later: throttled, the platform failed, or the function cannot be run now.
    Refused {
        /// HTTP status.
        status: u16,
        /// Why.
        message: String,
    },
    /// It did not run and must not: it has caused itself too often.
    Recursive {
        /// Why, in the words of the error.
        message: String,
    },
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The event is done with.
    Over(Condition),
    /// It is to be tried again then.
    Again {
        /// When.
        due_ms: UnixMs,
    },
}

/// `condition` of a destination record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// The function answered.
    Success,
    /// The function failed as often as it may.
    RetriesExhausted,
    /// The event became too old.
    EventAgeExceeded,
    /// It was sent while the function's reserved concurrency was 0.
    ZeroReservedConcurrency,
    /// It is one of a loop. The word has been seen in one outside measurement only.
    RecursiveInvocation,
}

impl Condition {
    /// As the record has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
            Self::RecursiveInvocation => "RecursiveInvocation",
        }
    }
}

/// How long and how often an event is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Runs after the first.
    pub retries_max: u32,
    /// From its acceptance on.
    pub age_max_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries_max: limits::ASYNC_RETRIES_DEFAULT,
            age_max_ms: u64::from(limits::ASYNC_EVENT_AGE_S_DEFAULT) * 1_000,
        }
    }
}

impl RetryPolicy {
    /// What a configuration says, with the defaults where it says nothing.
    #[must_use]
    pub fn of(config: Option<&EventInvokeConfig>) -> Self {
        let default = Self::default();
        let Some(config) = config else { return default };
        Self {
            retries_max: config.maximum_retry_attempts.unwrap_or(default.retries_max),
            age_max_ms: config.maximum_event_age_s.map_or(default.age_max_ms, |age_s| u64::from(age_s) * 1_000),
        }
    }
}

impl AsyncEvent {
    /// The ARN with a qualifier, always.
    #[must_use]
    pub fn qualified_arn(&self) -> String {
        name::arn(&self.scope, &self.function_name, Some(self.qualifier.as_deref().unwrap_or(name::LATEST)))
    }

    /// How old it is; 0 after the clock has gone back.
    #[must_use]
    pub fn age_ms(&self, now_ms: UnixMs) -> u64 {
        now_ms.saturating_sub(self.accepted_ms)
    }

    /// What an attempt now would be spared: an event that is too old, or that was never to be run.
    #[must_use]
    pub fn over_before_an_attempt(&self, policy: RetryPolicy, now_ms: UnixMs) -> Option<Condition> {
        if self.is_unwanted {
            return Some(Condition::ZeroReservedConcurrency);
        }
        (self.age_ms(now_ms) >= policy.age_max_ms).then_some(Condition::EventAgeExceeded)
    }

    /// Takes in how an attempt ended and decides. An event that would be due when it is too old is due when it becomes so.
    pub fn settle(&mut self, end: AttemptEnd, policy: RetryPolicy, now_ms: UnixMs) -> Verdict {
        let wait_ms = match end {
            AttemptEnd::Succeeded => {
                self.attempts += 1;
                return Verdict::Over(Condition::Success);
            }
            AttemptEnd::Failed(run) => {
                self.attempts += 1;
                self.refusals = 0;
                let message = run.message();
                self.last = Some(LastAttempt { status: 200, message, run: Some(run) });
                if self.attempts > policy.retries_max {
                    return Verdict::Over(Condition::RetriesExhausted);
                }
                retry_wait_ms(self.attempts)
            }
            AttemptEnd::Refused { status, message } => {
                self.refuse(status, message);
                refusal_wait_ms(self.refusals)
            }
            AttemptEnd::Recursive { message } => {
                self.refuse(400, message);
                return Verdict::Over(Condition::RecursiveInvocation);
            }
        };
        let too_old_ms = self.accepted_ms.saturating_add(policy.age_max_ms);
        Verdict::Again { due_ms: now_ms.saturating_add(wait_ms).min(too_old_ms.max(now_ms)) }
    }

    fn refuse(&mut self, status: u16, message: String) {
        self.refusals += 1;
        let run = self.last.take().and_then(|last| last.run);
        self.last = Some(LastAttempt { status, message, run });
    }
}

impl FailedRun {
    /// A run with the error object that it ended with.
    #[must_use]
    pub fn new(executed_version: String, payload: &[u8]) -> Self {
        let payload = Some(payload).filter(|payload| payload.len() <= limits::KEPT_ERROR_BYTES_MAX);
        let payload = payload.and_then(|payload| std::str::from_utf8(payload).ok()).map(str::to_owned);
        Self { executed_version, payload }
    }

    /// `errorMessage` of the error object; the object where it has none.
    fn message(&self) -> String {
        #[derive(Deserialize)]
        struct Error {
            #[serde(rename = "errorMessage")]
            message: String,
        }
        let text = self.payload.as_deref().unwrap_or_default();
        serde_json::from_str(text).map_or_else(|_| text.to_owned(), |error: Error| error.message)
    }
}

/// After the first run a minute, after the second two (AWS).
fn retry_wait_ms(attempts: u32) -> u64 {
    u64::from(attempts) * limits::ASYNC_RETRY_WAIT_MS
}

/// How long something waits that was refused so often: from a second on twice as long each time, five minutes at most (AWS).
#[must_use]
pub fn refusal_wait_ms(refusals: u32) -> u64 {
    let doublings = refusals.saturating_sub(1).min(16);
    (limits::ASYNC_REFUSAL_WAIT_MS_MIN << doublings).min(limits::ASYNC_REFUSAL_WAIT_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> AsyncEvent {
        AsyncEvent {
            request_id: "r".to_owned(),
            scope: Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() },
            function_name: "thing".to_owned(),
            qualifier: None,
            trace_id: "Root=1".to_owned(),
            tenant: None,
            accepted_ms: 1_000,
            is_unwanted: false,
            attempts: 0,
            refusals: 0,
            last: None,
        }
    }

    fn failed(message: &str) -> AttemptEnd {
        AttemptEnd::Failed(FailedRun::new("7".to_owned(), format!(r#"{{"errorMessage":"{message}"}}"#).as_bytes()))
    }

    fn throttled() -> AttemptEnd {
        AttemptEnd::Refused { status: 429, message: "Rate Exceeded.".to_owned() }
    }

    #[test]
    fn a_failing_function_is_run_three_times() {
        let (mut event, policy) = (event(), RetryPolicy::default());
        assert_eq!(event.settle(failed("a"), policy, 5_000), Verdict::Again { due_ms: 65_000 });
        assert_eq!(event.settle(failed("b"), policy, 65_000), Verdict::Again { due_ms: 185_000 });
        assert_eq!(event.settle(failed("c"), policy, 185_000), Verdict::Over(Condition::RetriesExhausted));
        let last = event.last.unwrap();
        assert_eq!((event.attempts, last.status, last.message.as_str()), (3, 200, "c"));
    }

    #[test]
    fn the_configuration_says_how_often_and_how_long() {
        let once = RetryPolicy { retries_max: 0, age_max_ms: 60_000 };
        assert_eq!(event().settle(failed("a"), once, 5_000), Verdict::Over(Condition::RetriesExhausted));
        let short = RetryPolicy { retries_max: 2, age_max_ms: 60_000 };
        let mut event = event();
        assert_eq!(event.settle(failed("a"), short, 5_000), Verdict::Again { due_ms: 61_000 });
        assert_eq!(event.over_before_an_attempt(short, 60_999), None);
        assert_eq!(event.over_before_an_attempt(short, 61_000), Some(Condition::EventAgeExceeded));
    }

    #[test]
    fn refusals_wait_longer_each_time_and_are_no_attempts() {
        let (mut event, policy, mut now_ms, mut waits) = (event(), RetryPolicy::default(), 1_000, Vec::new());
        for _ in 0..11 {
            let Verdict::Again { due_ms } = event.settle(throttled(), policy, now_ms) else { panic!("it goes on") };
            waits.push((due_ms - now_ms) / 1_000);
            now_ms = due_ms;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(event.attempts, 0);
        assert_eq!(event.settle(failed("a"), policy, now_ms), Verdict::Again { due_ms: now_ms + 60_000 });
        assert_eq!(event.settle(throttled(), policy, now_ms), Verdict::Again { due_ms: now_ms + 1_000 });
        let last = event.last.unwrap();
        assert_eq!((last.status, last.run.map(|run| run.executed_version)), (429, Some("7".to_owned())));
    }

    #[test]
    fn a_refusal_at_the_last_moment_is_due_at_once() {
        let policy = RetryPolicy { retries_max: 2, age_max_ms: 60_000 };
        assert_eq!(event().settle(throttled(), policy, 99_000), Verdict::Again { due_ms: 99_000 });
        assert_eq!(event().over_before_an_attempt(policy, 99_000), Some(Condition::EventAgeExceeded));
        assert_eq!(event().age_ms(0), 0, "the clock went back");
    }

    #[test]
    fn loops_and_unwanted_events_end_at_once() {
        let end = AttemptEnd::Recursive { message: "loop".to_owned() };
        assert_eq!(event().settle(end, RetryPolicy::default(), 0), Verdict::Over(Condition::RecursiveInvocation));
        let unwanted = AsyncEvent { is_unwanted: true, ..event() };
        let over = unwanted.over_before_an_attempt(RetryPolicy::default(), 0);
        assert_eq!(over, Some(Condition::ZeroReservedConcurrency));
    }

    #[test]
    fn large_errors_are_not_kept() {
        assert_eq!(FailedRun::new(String::new(), &vec![b'1'; limits::KEPT_ERROR_BYTES_MAX + 1]).payload, None);
        assert_eq!(FailedRun::new(String::new(), b"\xff").payload, None);
        assert_eq!(FailedRun::new(String::new(), b"[1]").message(), "[1]");
    }

    #[test]
    fn records_of_before_are_read() {
        let text = serde_json::to_string(&event()).unwrap();
        assert_eq!(serde_json::from_str::<AsyncEvent>(&text).unwrap(), event());
    }
}
