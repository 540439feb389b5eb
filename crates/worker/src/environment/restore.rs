//! The restore of a process that has come to its snapshot: after-restore hooks, until it asks for its first event.

use std::sync::Arc;
use std::time::Duration;

use tindra_core::limits::RESTORE_TIMEOUT_MS;
use tindra_core::report::{Line, Restore, Status};
use tindra_invoke::environments::{AcquireError, RestoreError};
use tindra_sandbox::{Copy, Exit};
use tokio::sync::oneshot;

use super::init::exited;
use super::{Environment, Failure, Process, start_error};
use crate::runtime_api::RestoreAnswer;
use crate::snapshot::Snapshot;

/// How long after the end of a copy the end of its snapshot is looked for.
const LOSS_PATIENCE: Duration = Duration::from_millis(100);
/// How often a start is tried anew.
const PLACES_LOST_MAX: u32 = 3;

impl Environment {
    /// Sees a process through its restore, which began at `began` of the machine's clock. What is billed begins now,
    /// when the process runs on; `answer` tells how that ends. After an error there is no process left.
    pub(super) async fn see_restored(
        &mut self,
        began: Duration,
        answer: oneshot::Receiver<RestoreAnswer>,
    ) -> Result<Restore, RestoreError> {
        self.book.platform(&Line::RestoreStart(self.subject()));
        let runs_on = self.machine.clock.monotonic();
        let outcome = match self.process.clone() {
            Some(process) => wait(&process, answer).await,
            None => Err(Failure::Exited { exit: Exit::Lost, out_of_memory: false }),
        };
        let now = self.machine.clock.monotonic();
        let restore = Restore { duration: now.saturating_sub(began), billed: now.saturating_sub(runs_on) };
        if let Some(process) = &self.process {
            process.drain_log();
        }
        let status = outcome.as_ref().err().map_or(Status::Success, Failure::status);
        self.book.platform(&Line::RestoreDone { status: &status });
        self.book.platform(&Line::RestoreReport { duration: restore.duration, status: &status });
        match outcome {
            Ok(()) => Ok(restore),
            Err(failure) => {
                self.end_process().await;
                self.book.flush();
                Err(if failure == Failure::TimedOut { RestoreError::TimedOut } else { RestoreError::HookFailed })
            }
        }
    }

    /// Lets a copy of a snapshot run on as the environment's process. `began` is when an invoke began to wait for it.
    pub(super) async fn restore_copy(&mut self, mut copy: Copy, began: Duration) -> Result<Restore, AcquireError> {
        let answer = self.exchange().begin_restored();
        let gone = copy.go();
        let process =
            Arc::new(Process::new(copy.sandbox, &self.book, self.habitat.own().cloned()).map_err(start_error)?);
        self.introduce(&process);
        self.process = Some(process);
        gone.map_err(start_error)?;
        let restore = self.see_restored(began, answer).await?;
        self.set_share(self.target.deployment.configuration.cpu_millis());
        Ok(restore)
    }

    /// Another copy, in place of a process that has ended.
    pub(super) async fn restore_again(&mut self, snapshot: &Arc<Snapshot>) -> Result<Option<Restore>, AcquireError> {
        let began = self.machine.clock.monotonic();
        let Some(copy) = snapshot.take(began).await else { return Ok(None) };
        self.habitat = snapshot.habitat_of(&copy).map_err(start_error)?;
        self.restore_copy(copy, began).await.map(Some)
    }

    /// Whether nothing can be started in its place any more, which is no fault of the function's.
    pub(crate) async fn has_lost_place(&self) -> bool {
        self.is_outlived() || self.has_lost_snapshot().await
    }

    /// Whether the snapshot that it is a copy of has ended, and the place of all copies with it, or the launcher of all.
    async fn has_lost_snapshot(&self) -> bool {
        let Some(snapshot) = &self.snapshot else { return false };
        let deadline = tokio::time::Instant::now() + LOSS_PATIENCE;
        // The end of a copy may be seen before that of what it was copied from.
        let has_gone = || snapshot.has_ended() || self.is_outlived();
        while !has_gone() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        has_gone()
    }

    /// Becomes another environment, because the place is lost under this one.
    pub(crate) async fn begin_anew(&mut self) -> Result<(), AcquireError> {
        let (machine, target) = (Arc::clone(&self.machine), Arc::clone(&self.target));
        let Some(place) = self.place.take() else { return Err(start_error(std::io::Error::other("no place"))) };
        *self = Environment::start(&machine, &target, place, self.allotted.take()).await?;
        self.initialise().await
    }

    /// Goes through the init phase; in another place as often as the one under it is lost.
    pub(crate) async fn initialise_somewhere(&mut self) -> Result<(), AcquireError> {
        let mut outcome = self.initialise().await;
        for _ in 0..PLACES_LOST_MAX {
            if outcome.is_ok() || !self.has_lost_place().await {
                break;
            }
            outcome = self.begin_anew().await;
        }
        outcome
    }

    /// Lets a process that is its own snapshot, because no copy of one was to be had, go on.
    pub(super) async fn restore_in_place(&mut self) -> Result<Restore, RestoreError> {
        let began = self.machine.clock.monotonic();
        let answer = self.exchange().restore();
        self.see_restored(began, answer).await
    }
}

async fn wait(process: &Arc<Process>, answer: oneshot::Receiver<RestoreAnswer>) -> Result<(), Failure> {
    tokio::select! {
        biased;
        answer = answer => match answer {
            Ok(RestoreAnswer::Ready) => Ok(()),
            Ok(RestoreAnswer::Failed { error_type, body }) => Err(Failure::Reported { error_type, body }),
            Err(_) => Err(exited(process, Exit::Lost)),
        },
        exit = process.exited() => Err(exited(process, exit)),
        () = tokio::time::sleep(Duration::from_millis(RESTORE_TIMEOUT_MS)) => Err(Failure::TimedOut),
    }
}
