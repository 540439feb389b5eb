//! An environment that is not invoked but copied: it goes through its init phase, comes to its snapshot, and its process
//! forks itself when it is asked.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use tindra_core::report::{Line, Phase, Status};
use tindra_invoke::environments::AcquireError;
use tindra_sandbox::{Copy, Limits, SandboxError, Suitable, read_suitable};

use super::{Environment, Failure, INIT_CPU_MILLIS, start_error};
use crate::habitat::Habitat;

/// How it went.
#[derive(Debug)]
pub(crate) enum Snapshotted {
    /// It can be copied.
    Ready,
    /// It has come to its snapshot, and cannot be copied, because of this.
    Unsuitable(String),
    /// The function has failed in its init phase; what `INIT_REPORT` says of it.
    Failed(Status),
}

impl Environment {
    /// To be called before its first process.
    pub(crate) fn become_original(&mut self) {
        self.is_original = true;
        self.variables.push(c"TINDRA_SNAPSHOT=1".to_owned());
    }

    /// The init phase and the hooks before the snapshot.
    pub(crate) async fn take_snapshot(&mut self) -> Result<Snapshotted, AcquireError> {
        self.book.platform(&Line::InitStart(self.subject()));
        let started = self.machine.clock.monotonic();
        let outcome = self.launch(self.init_limit()).await?;
        let duration = self.machine.clock.monotonic().saturating_sub(started);
        if let Err(failure) = outcome {
            self.report_init(duration, Phase::Init, &failure);
            self.book.flush();
            return Ok(Snapshotted::Failed(Failure::status(&failure)));
        }
        self.report_good_init(duration);
        self.book.flush();
        let Some(control) = self.control.take() else {
            return Ok(Snapshotted::Unsuitable("its process has no control socket".to_owned()));
        };
        // A runtime client that knows of no snapshots asks for its first event instead.
        if !self.exchange().is_restorable() {
            return Ok(Snapshotted::Unsuitable("its runtime client does not wait for a restore".to_owned()));
        }
        let (control, suitable) = tokio::task::spawn_blocking(move || {
            let mut control: UnixStream = control;
            let suitable = read_suitable(&mut control);
            (control, suitable)
        })
        .await
        .map_err(start_error)?;
        match suitable {
            Ok(Suitable::Yes) => {
                // Forking is not the function's work, and is not done at its pace.
                if let Some(process) = &self.process {
                    process.set_cpu_millis(INIT_CPU_MILLIS);
                }
                self.control = Some(control);
                self.card.snapshot();
                Ok(Snapshotted::Ready)
            }
            Ok(Suitable::No(reason)) => Ok(Snapshotted::Unsuitable(reason)),
            Err(error) => Ok(Snapshotted::Unsuitable(error.to_string())),
        }
    }

    /// Where its copies live, too.
    pub(crate) fn habitat(&self) -> &Habitat {
        &self.habitat
    }

    /// Of each copy, until it is restored.
    pub(crate) fn copy_limits(&self) -> Limits {
        self.limits(INIT_CPU_MILLIS)
    }

    /// Asks for a copy. Blocks for milliseconds.
    pub(crate) fn make_copy(&self) -> Result<Copy, SandboxError> {
        let Some(control) = &self.control else {
            return Err(SandboxError::Copy { source: std::io::ErrorKind::NotConnected.into() });
        };
        self.machine.launcher.copy(control.as_fd(), &self.habitat.storage, &self.copy_limits())
    }

    /// Whether its process has ended, and all copies with it.
    pub(crate) fn has_ended(&self) -> bool {
        self.process.as_ref().is_none_or(|process| process.has_exited().is_some())
    }
}
