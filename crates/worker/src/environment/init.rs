//! Starting a process and waiting until it asks for its first event.

use std::ffi::CString;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::limits::{
    INIT_TIMEOUT_MS, MANAGED_INSTANCES_INIT_TIMEOUT_MS, PROVISIONED_INIT_TIMEOUT_MS, SNAPSHOT_INIT_TIMEOUT_MS,
};
use tindra_core::report::{Initialization, Line, Phase, Status};
use tindra_invoke::environments::AcquireError;
use tindra_sandbox::{Exit, SandboxError, Step};

use super::{Environment, Failure, FirstInit, INIT_CPU_MILLIS, Process, blocking, start_error};
use crate::packs::WRAPPER_VARIABLE;
use crate::runtime_api::InitAnswer;
use crate::spares::{BindError, Binding, Origin};

/// How long the end of a killed tree is waited for; one that takes longer is not built upon.
const END_PATIENCE: Duration = Duration::from_millis(300);

impl Environment {
    /// The init phase of a new environment. A function that fails in it still has an environment.
    pub(crate) async fn initialise(&mut self) -> Result<(), AcquireError> {
        if let Some(copy) = self.copy.take() {
            self.count_cold_start(Origin::Copy, self.first_cause());
            let began = self.began;
            self.first_init = FirstInit::Restored(self.restore_copy(copy, began).await?);
            return Ok(());
        }
        self.book.platform(&Line::InitStart(self.subject()));
        let started = self.machine.clock.monotonic();
        let outcome = self.launch(self.init_limit()).await?;
        let duration = self.machine.clock.monotonic().saturating_sub(started);
        self.count_cold_start(self.card.origin().unwrap_or(Origin::Plain), self.first_cause());
        self.count_init(duration);
        self.first_init = match outcome {
            Ok(()) if self.exchange().is_restorable() => {
                self.report_good_init(duration);
                FirstInit::Restored(self.restore_in_place().await?)
            }
            // No invoke has waited for it, or several have, so none reports it.
            Ok(()) if self.allotted.is_some() || self.invokes_at_once() > 1 => {
                self.report_good_init(duration);
                self.book.flush();
                FirstInit::Told
            }
            Ok(()) => FirstInit::Done(duration),
            Err(failure) => {
                self.report_init(duration, Phase::Init, &failure);
                FirstInit::Failed
            }
        };
        Ok(())
    }

    /// Ahead of need there is more time for it (AWS: 130 s or the function's timeout, whichever is longer).
    pub(super) fn init_limit(&self) -> Duration {
        let timeout_ms = u64::from(self.target.deployment.configuration.timeout_s) * 1_000;
        Duration::from_millis(match self.initialization() {
            Initialization::ProvisionedConcurrency => timeout_ms.max(PROVISIONED_INIT_TIMEOUT_MS),
            Initialization::SnapStart => timeout_ms.max(SNAPSHOT_INIT_TIMEOUT_MS),
            Initialization::ManagedInstances => timeout_ms.max(MANAGED_INSTANCES_INIT_TIMEOUT_MS),
            Initialization::OnDemand => INIT_TIMEOUT_MS,
        })
    }

    /// Of an init phase that the first `REPORT` does not tell of.
    pub(super) fn report_good_init(&self, duration: Duration) {
        let initialization = self.initialization();
        let line = Line::InitReport { initialization, duration, phase: Phase::Init, status: &Status::Success };
        self.book.platform(&line);
    }

    /// Of an init phase that no invoke has waited for: the first `REPORT` does not tell of it.
    pub(crate) fn tell_init_ahead(&mut self) {
        if let FirstInit::Done(duration) = self.first_init {
            self.report_good_init(duration);
        }
        if !matches!(self.first_init, FirstInit::Failed) {
            self.first_init = FirstInit::Told;
            self.book.flush();
        }
    }

    pub(super) fn report_init(&self, duration: Duration, phase: Phase, failure: &Failure) {
        let initialization = self.initialization();
        self.book.platform(&Line::InitReport { initialization, duration, phase, status: &failure.status() });
    }

    /// Starts a process and waits for its first `/next`, or until it waits for its restore, no longer than `limit`. When
    /// the inner result is an error there is no process left.
    pub(super) async fn launch(&mut self, limit: Duration) -> Result<Result<(), Failure>, AcquireError> {
        let memory_mb = self.target.deployment.configuration.memory_mb;
        let share = self.target.deployment.configuration.cpu_millis();
        let wrapper = self.target.deployment.configuration.environment.get(WRAPPER_VARIABLE);
        let wrapper = wrapper.map(String::as_str);
        let command = match self.pack.command_for(&self.code, self.layers.as_deref(), memory_mb, wrapper) {
            Ok(command) => command,
            Err(error) => return Ok(Err(Failure::InvalidEntrypoint(error.to_string()))),
        };
        let deadline = tokio::time::Instant::now() + limit;
        let ready = match self.initialization() {
            Initialization::SnapStart => self.exchange().begin_for_snapshot(),
            Initialization::OnDemand | Initialization::ProvisionedConcurrency | Initialization::ManagedInstances => {
                self.exchange().begin(self.invokes_at_once())
            }
        };
        let command: Vec<CString> = command.into_iter().filter_map(|text| CString::new(text).ok()).collect();
        let started = match self.bind_spare(&command, share.max(INIT_CPU_MILLIS)).await? {
            Some(started) => started,
            None => self.spawn(command, share.max(INIT_CPU_MILLIS)).await?,
        };
        let process = match started {
            Ok(process) => process,
            Err(failure) => return Ok(Err(failure)),
        };
        let outcome = tokio::select! {
            biased;
            answer = ready => match answer {
                Ok(InitAnswer::Ready | InitAnswer::Restorable) => Ok(()),
                Ok(InitAnswer::Failed { error_type, body }) => Err(Failure::Reported { error_type, body }),
                Err(_) => Err(exited(&process, Exit::Lost)),
            },
            exit = process.exited() => Err(exited(&process, exit)),
            () = tokio::time::sleep_until(deadline) => Err(Failure::TimedOut),
        };
        process.drain_log();
        self.process = Some(process);
        match &outcome {
            Ok(()) => self.set_share(share),
            Err(_) => self.end_process().await,
        }
        Ok(outcome)
    }

    pub(super) fn set_share(&self, share: u64) {
        if let Some(process) = self.process.as_ref().filter(|_| share != share.max(INIT_CPU_MILLIS)) {
            process.set_cpu_millis(share);
        }
    }

    /// Makes the waiting spare, if there is one, the function's process. One that fails is replaced by a plain start.
    async fn bind_spare(&mut self, command: &[CString], cpu_millis: u64) -> Result<Option<Started>, AcquireError> {
        let Some(mut spare) = self.spare.take() else { return Ok(None) };
        let binding = Binding {
            mounts: self.mounts(),
            memory_bytes: u64::from(self.target.deployment.configuration.memory_mb) << 20,
            command: command.to_vec(),
            variables: self.variables.clone(),
        };
        let bound = tokio::task::spawn_blocking(move || {
            // A spare has the share of an init phase of a small function.
            if cpu_millis > INIT_CPU_MILLIS {
                spare.sandbox.set_cpu_millis(Some(cpu_millis))?;
            }
            spare.bind(&binding)?;
            Ok::<_, BindError>(spare)
        });
        match bound.await {
            Ok(Ok(spare)) => {
                let (sandbox, control) = spare.into_parts();
                self.control = self.is_original.then_some(control);
                let process =
                    Arc::new(Process::new(sandbox, &self.book, self.habitat.own().cloned()).map_err(start_error)?);
                self.introduce(&process);
                Ok(Some(Ok(process)))
            }
            Ok(Err(BindError::Execute(error))) => Ok(Some(Err(not_executed(command, &error)))),
            Ok(Err(error)) => {
                tracing::warn!(function = self.target.name, %error, "a spare could not be bound; starting plainly");
                self.card.set_origin(Origin::Plain);
                Ok(None)
            }
            Err(panic) => Err(start_error(panic)),
        }
    }

    async fn spawn(&mut self, command: Vec<CString>, cpu_millis: u64) -> Result<Started, AcquireError> {
        let program = command.first().cloned();
        let spec = self.spec(command, cpu_millis);
        let launcher = self.machine.launcher.clone();
        let (network, storage) = (Arc::clone(&self.habitat.network), Arc::clone(&self.habitat.storage));
        let sandbox = blocking(move || launcher.spawn(&spec, &network, &storage)).await;
        let mut sandbox = match sandbox {
            Ok(sandbox) => sandbox,
            Err(source) => {
                return match source.downcast_ref() {
                    Some(SandboxError::Step { step: Step::Execute, source, .. }) => {
                        Ok(Err(not_executed(program.as_slice(), source)))
                    }
                    _ => Err(AcquireError::Start { source: source.into() }),
                };
            }
        };
        self.control = sandbox.take_control().map(UnixStream::from);
        let process = Arc::new(Process::new(sandbox, &self.book, self.habitat.own().cloned()).map_err(start_error)?);
        self.introduce(&process);
        Ok(Ok(process))
    }

    /// Makes a new process known to who ends them and to who counts them.
    pub(super) fn introduce(&self, process: &Arc<Process>) {
        self.machine.living.add(process);
        self.card.set_process(process);
    }

    /// Kills the process and waits until its whole tree has gone, so that the next one has the place to itself.
    pub(super) async fn end_process(&mut self) {
        let Some(process) = self.process.take() else { return };
        process.kill();
        if tokio::time::timeout(END_PATIENCE, process.exited()).await.is_err() {
            tracing::warn!(function = self.target.name, "a sandbox takes long to end; its environment is given up");
            self.is_good = false;
        }
        self.is_good &= !self.is_outlived();
        process.drain_log();
    }
}

/// A process, or the failure of the function that has no command that can be executed.
type Started = Result<Arc<Process>, Failure>;

/// In the words of AWS's own launcher.
fn not_executed(command: &[CString], error: &std::io::Error) -> Failure {
    let program = command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    let reason = error.to_string();
    let reason = reason.split(" (os error").next().unwrap_or_default();
    Failure::InvalidEntrypoint(format!("fork/exec {program}: {}", reason.to_lowercase()))
}

/// The end of a process, with the reason when it was memory.
pub(super) fn exited(process: &Process, exit: Exit) -> Failure {
    Failure::Exited { exit, out_of_memory: process.out_of_memory() }
}
