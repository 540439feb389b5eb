//! One invoke in an environment, from the event to the report.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tindra_core::report::{Line, Phase, Report, Request, Restore, Status};
use tindra_invoke::environments::{AcquireError, Finished, Invocation, Outcome};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::init::exited;
use super::tally::Cause;
use super::{Environment, Failure, FirstInit, Process};
use crate::runtime_api::{Answer, Delivery};
use crate::spares::Origin;

/// After the process ended: how long an answer that it sent right before may take to be read. After an answer
/// broke off: how long the end of the process that broke it may take to be seen.
const LAST_WORDS_PATIENCE: Duration = Duration::from_millis(50);

/// The course of one invoke.
struct Course {
    request_id: String,
    /// Of the machine's clock.
    started: Duration,
    deadline: Instant,
    timeout: Duration,
    /// Of the init phase, when this invoke is the one to tell.
    init: Option<Duration>,
    /// The same of the restore.
    restore: Option<Restore>,
    repeats_init: bool,
}

impl Environment {
    /// Runs one invoke. Afterwards [`Environment::is_good`] tells whether the environment may be used again.
    pub(crate) async fn invoke(&mut self, invocation: Invocation) -> Result<Finished, AcquireError> {
        let wants_log_tail = invocation.wants_log_tail;
        let course = self.begin(&invocation);
        let mut memory_bytes = 0;
        let result = self.run(&course, invocation, &mut memory_bytes).await?;
        self.busy_until = course.deadline;
        Ok(self.finish(&course, result, memory_bytes, wants_log_tail))
    }

    /// Whether it may be given an event, or be frozen, now: the runtime asks for one, or there is no process.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_at_rest = self.process.is_none() || self.exchange().is_asked();
        if is_at_rest {
            self.rest();
        }
        is_at_rest
    }

    /// Waits until it is at rest. A runtime that works on after its answer has the time of the invoke for that.
    pub(crate) async fn come_to_rest(&mut self) {
        let Some(process) = self.process.clone() else { return };
        tokio::select! {
            () = self.exchange().asked() => {}
            _ = process.exited() => self.end_process().await,
            () = tokio::time::sleep_until(self.busy_until) => self.end_process().await,
        }
        self.rest();
    }

    /// Nothing runs in it; from now on it may be frozen.
    pub(crate) fn rest(&self) {
        self.card.idle(self.machine.clock.monotonic());
        if let Some(process) = &self.process {
            process.rest();
        }
    }

    fn begin(&mut self, invocation: &Invocation) -> Course {
        let timeout = Duration::from_secs(u64::from(self.target.deployment.configuration.timeout_s));
        self.card.busy();
        if let Some(process) = &self.process {
            process.wake();
        }
        let first_init = std::mem::replace(&mut self.first_init, FirstInit::Told);
        // The tail of a first invoke begins with the init phase.
        if matches!(first_init, FirstInit::Told) {
            self.book.begin_invoke();
        }
        let (init, restore, repeats_init) = match first_init {
            FirstInit::Done(duration) => (Some(duration), None, false),
            FirstInit::Restored(restore) => (None, Some(restore), false),
            FirstInit::Failed => (None, None, true),
            FirstInit::Told => (None, None, false),
        };
        Course {
            request_id: invocation.request_id.clone(),
            started: self.machine.clock.monotonic(),
            deadline: Instant::now() + timeout,
            timeout,
            init,
            restore,
            repeats_init,
        }
    }

    async fn run(
        &mut self,
        course: &Course,
        invocation: Invocation,
        memory_bytes: &mut u64,
    ) -> Result<Result<Bytes, Failure>, AcquireError> {
        let mut delivery = self.delivery(course.timeout, invocation);
        let mut is_started = false;
        loop {
            if self.process.as_ref().is_some_and(|process| process.has_exited().is_some()) {
                // It ended between two invokes, which is nobody's failure.
                self.end_process().await;
            }
            if self.process.is_none()
                && let Err(failure) = self.relaunch(course).await?
            {
                self.start_line(course, &mut is_started);
                return Ok(Err(failure));
            }
            let Some(process) = self.process.clone() else { continue };
            self.start_line(course, &mut is_started);
            let mut answer = self.exchange().dispatch(delivery);
            let result = wait(&process, &mut answer, course.deadline).await;
            if matches!(result, Err(Failure::Exited { .. }))
                && let Some(unseen) = self.exchange().take_back(&course.request_id)
            {
                delivery = unseen;
                continue;
            }
            process.drain_log();
            *memory_bytes = process.memory_peak_bytes();
            let result = self.unless_out_of_memory(&process, *memory_bytes, result);
            if result.as_ref().is_err_and(|failure| !failure.leaves_process()) {
                self.end_process().await;
            }
            return Ok(result);
        }
    }

    pub(super) fn delivery(&self, timeout: Duration, invocation: Invocation) -> Delivery {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        Delivery {
            request_id: invocation.request_id,
            deadline_unix_ms: self.machine.clock.unix_ms().saturating_add(timeout_ms),
            invoked_arn: invocation.invoked_arn,
            trace_id: invocation.trace_id,
            client_context: invocation.client_context,
            tenant: self.target.tenant.clone(),
            payload: invocation.payload,
            sink: invocation.sink,
        }
    }

    fn start_line(&self, course: &Course, is_started: &mut bool) {
        if !std::mem::replace(is_started, true) {
            self.book
                .platform(&Line::Start { request: self.request(&course.request_id), version: self.target.version });
        }
    }

    /// An invoke as log lines tell of it.
    pub(super) fn request<'a>(&'a self, id: &'a str) -> Request<'a> {
        Request { id, tenant: self.target.tenant.as_ref() }
    }

    /// An init phase inside the invoke: after one that failed, or after a reset.
    async fn relaunch(&mut self, course: &Course) -> Result<Result<(), Failure>, AcquireError> {
        let started = self.machine.clock.monotonic();
        let left = course.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Err(Failure::TimedOut));
        }
        if self.is_outlived() {
            return self.move_on().await;
        }
        if let Some(snapshot) = self.snapshot.clone() {
            match self.restore_again(&snapshot).await {
                Ok(Some(_)) => {
                    self.count_cold_start(Origin::Copy, Cause::Reset);
                    return Ok(Ok(()));
                }
                Ok(None) => return self.move_on().await,
                Err(_) if self.has_lost_place().await => return self.move_on().await,
                Err(error) => return Err(error),
            }
        }
        let outcome = match self.launch(left).await {
            Err(_) if self.is_outlived() => return self.move_on().await,
            outcome => outcome?,
        };
        let duration = self.machine.clock.monotonic().saturating_sub(started);
        self.count_cold_start(Origin::Plain, Cause::Reset);
        self.count_init(duration);
        if let Err(failure) = outcome.as_ref()
            && course.repeats_init
        {
            self.report_init(duration, Phase::Invoke, failure);
        }
        if outcome.is_ok() && self.exchange().is_restorable() {
            self.restore_in_place().await?;
        }
        Ok(outcome)
    }

    /// Another environment, which has counted its own start, goes on with this invoke.
    async fn move_on(&mut self) -> Result<Result<(), Failure>, AcquireError> {
        self.begin_anew().await?;
        self.first_init = FirstInit::Told;
        self.card.busy();
        Ok(Ok(()))
    }

    /// A child that was killed for memory ends the environment, whatever its parent made of that. The kernel is
    /// asked only when the memory was nearly full.
    pub(super) fn unless_out_of_memory(
        &self,
        process: &Arc<Process>,
        memory_bytes: u64,
        result: Result<Bytes, Failure>,
    ) -> Result<Bytes, Failure> {
        let full_bytes = u64::from(self.target.deployment.configuration.memory_mb) << 20;
        if matches!(result, Err(Failure::Exited { .. }))
            || memory_bytes < full_bytes / 32 * 31
            || !process.out_of_memory()
        {
            return result;
        }
        Err(Failure::Exited { exit: tindra_sandbox::Exit::Lost, out_of_memory: true })
    }

    fn finish(
        &self,
        course: &Course,
        result: Result<Bytes, Failure>,
        memory_bytes: u64,
        wants_log_tail: bool,
    ) -> Finished {
        let elapsed = self.machine.clock.monotonic().saturating_sub(course.started);
        let memory_mb = self.target.deployment.configuration.memory_mb;
        let is_out_of_memory = matches!(result, Err(Failure::Exited { out_of_memory: true, .. }));
        let status = status(&result, self.process.is_some());
        let duration = if status == Status::Timeout { course.timeout } else { elapsed.min(course.timeout) };
        let request = self.request(&course.request_id);
        self.book.platform(&Line::End { request, duration, status: &status });
        self.book.platform(&Line::Report(Report {
            request,
            duration,
            init: course.init,
            restore: course.restore,
            memory_mb,
            memory_used_bytes: if is_out_of_memory { u64::from(memory_mb) << 20 } else { memory_bytes },
            status: &status,
        }));
        let log_tail = wants_log_tail.then(|| self.book.tail());
        self.book.flush_soon();
        let outcome = match result {
            Ok(body) => Outcome::Success(body),
            Err(failure) => Outcome::FunctionError(failure.body(request.id, course.timeout)),
        };
        Finished { outcome, log_tail }
    }
}

/// An error that the handler reported, from a process that goes on, is the function's own affair.
fn status(result: &Result<Bytes, Failure>, has_process: bool) -> Status {
    match result {
        Ok(_) => Status::Success,
        Err(Failure::Reported { error_type, .. }) if has_process => Status::Failure(error_type.clone()),
        Err(failure) => failure.status(),
    }
}

/// Waits for the answer, the end of the process or the deadline, whichever comes first.
pub(super) async fn wait(
    process: &Process,
    answer: &mut oneshot::Receiver<Answer>,
    deadline: Instant,
) -> Result<Bytes, Failure> {
    tokio::select! {
        biased;
        answer = &mut *answer => match answer {
            Ok(answer) => understood(answer),
            Err(_) => Err(broken_off(process, deadline).await),
        },
        exit = process.exited() => match tokio::time::timeout(LAST_WORDS_PATIENCE, answer).await {
            Ok(Ok(answer)) => understood(answer),
            _ => Err(exited(process, exit)),
        },
        () = tokio::time::sleep_until(deadline) => Err(Failure::TimedOut),
    }
}

async fn broken_off(process: &Process, deadline: Instant) -> Failure {
    let patience = deadline.min(Instant::now() + LAST_WORDS_PATIENCE);
    match tokio::time::timeout_at(patience, process.exited()).await {
        Ok(exit) => exited(process, exit),
        Err(_) => Failure::Truncated,
    }
}

fn understood(answer: Answer) -> Result<Bytes, Failure> {
    match answer {
        Answer::Response(body) => Ok(body),
        Answer::Error { error_type, body } => Err(Failure::Reported { error_type, body }),
        Answer::TooLarge { bytes, bytes_max } => Err(Failure::TooLarge { bytes, bytes_max }),
        Answer::InvalidMode => Err(Failure::InvalidMode),
    }
}
