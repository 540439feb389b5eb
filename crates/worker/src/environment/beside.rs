//! One of several invokes that an environment runs at once (AWS: "Lambda Managed Instances").
//!
//! Where an environment runs one invoke at a time, an invoke that fails ends the process, and the next one starts another in the same
//! place. Here other invokes run in it: the process goes on for as long as it lives, also beyond the deadline of an invoke, whose
//! caller is answered meanwhile; and when it ends, so does the environment.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tindra_core::report::{Line, Status};
use tindra_invoke::environments::{Finished, Invocation, Outcome};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::invoke::wait;
use super::{Environment, Failure, Process};
use crate::runtime_api::Answer;

/// How an invoke beside others ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The caller can be answered.
    Finished {
        finished: Finished,
        /// The function works on; its seat is taken for so long.
        straggler: Option<Straggler>,
    },
    /// The process ended without having seen the event, which is nobody's failure: another environment is to take it.
    Unseen(Invocation),
}

/// An invoke whose time was up and whose function has not noticed.
#[derive(Debug)]
pub(crate) struct Straggler {
    answer: oneshot::Receiver<Answer>,
    process: Arc<Process>,
}

impl Straggler {
    /// Waits until the runtime has answered, which nobody hears, or has ended.
    pub(crate) async fn gave_up(self) {
        tokio::select! {
            _ = self.answer => {}
            _ = self.process.exited() => {}
        }
    }
}

impl Environment {
    /// Whether its process runs, and its version lets it run several invokes at once.
    pub(crate) fn takes_several(&self) -> bool {
        self.invokes_at_once() > 1 && self.process().is_some_and(|process| process.is_running())
    }

    /// Runs one invoke beside those that run in it already.
    pub(crate) async fn invoke_beside(&self, invocation: Invocation) -> Ended {
        let Some(process) = self.process().cloned() else { return Ended::Unseen(invocation) };
        self.card.busy();
        process.wake();
        if process.has_exited().is_some() {
            return Ended::Unseen(invocation);
        }
        let timeout = Duration::from_secs(u64::from(self.target.deployment.configuration.timeout_s));
        let (started, deadline) = (self.machine.clock.monotonic(), Instant::now() + timeout);
        let request_id = invocation.request_id.clone();
        self.book.platform(&Line::Start { request_id: &request_id, version: self.target.version });
        let mut answer = self.exchange().dispatch(self.delivery(timeout, invocation.clone()));
        let result = wait(&process, &mut answer, deadline).await;
        let unseen = match result {
            Err(Failure::Exited { .. } | Failure::TimedOut) => self.exchange().take_back(&request_id).is_some(),
            _ => false,
        };
        if unseen && matches!(result, Err(Failure::Exited { .. })) {
            return Ended::Unseen(invocation);
        }
        let result = self.unless_out_of_memory(&process, process.memory_peak_bytes(), result);
        if matches!(result, Err(Failure::Exited { out_of_memory: true, .. })) {
            process.kill();
        }
        let straggler = (matches!(result, Err(Failure::TimedOut)) && !unseen)
            .then(|| Straggler { answer, process: Arc::clone(&process) });
        process.drain_log();
        let elapsed = self.machine.clock.monotonic().saturating_sub(started).min(timeout);
        self.book.platform(&Line::SharedReport {
            request_id: &request_id,
            duration: elapsed,
            status: &status(&result),
        });
        let log_tail = invocation.wants_log_tail.then(|| self.book.tail());
        self.book.flush_soon();
        let outcome = match result {
            Ok(body) => Outcome::Success(body),
            Err(failure) => Outcome::FunctionError(failure.body(&request_id, timeout)),
        };
        Ended::Finished { finished: Finished { outcome, log_tail }, straggler }
    }
}

/// An error that the handler reported is its own affair; the process goes on.
fn status(result: &Result<Bytes, Failure>) -> Status {
    match result {
        Ok(_) => Status::Success,
        Err(Failure::Reported { error_type, .. }) => Status::Failure(error_type.clone()),
        Err(failure) => failure.status(),
    }
}
