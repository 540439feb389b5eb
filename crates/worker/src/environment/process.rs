//! One process tree of an environment: a sandbox, its end, its cold, and the reading of its pipes.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, Once, PoisonError};

use tindra_sandbox::{Berth, Exit, Parking, Sandbox};
use tokio::io::unix::AsyncFd;

use crate::gate::Gate;
use crate::habitat::Own;
use crate::log_book::LogBook;
use crate::log_capture::LogCapture;
use crate::readiness;

/// See the module. The last one to drop it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    // Before what is parked in it.
    rest: Mutex<Rest>,
    sandbox: Sandbox,
    /// The status descriptor, so that its readiness can be waited for.
    status: Gate<AsyncFd<Arc<OwnedFd>>>,
    capture: LogCapture,
    /// What of its place is parked with it.
    place: Option<Arc<Own>>,
}

#[derive(Debug, Default)]
struct Rest {
    is_idle: bool,
    is_frozen: bool,
    /// What it does not need while it is frozen.
    parking: Option<Parking>,
}

/// The kernel's refusal is told once.
static REFUSED: Once = Once::new();

impl Process {
    pub(super) fn new(mut sandbox: Sandbox, book: &Arc<LogBook>, place: Option<Arc<Own>>) -> io::Result<Self> {
        let (stdout, stderr, log) = (sandbox.take_stdout(), sandbox.take_stderr(), sandbox.take_log());
        let status = Gate::new(readiness::watch(sandbox.status()?)?);
        let capture = LogCapture::start(Arc::clone(book), stdout, stderr, log)?;
        Ok(Self { sandbox, status, capture, place, rest: Mutex::default() })
    }

    /// Waits for the end.
    pub(super) async fn exited(&self) -> Exit {
        loop {
            if let Some(exit) = self.has_exited() {
                return exit;
            }
            let Some(status) = self.status.get() else { return Exit::Lost };
            let Ok(mut ready) = status.readable().await else { return Exit::Lost };
            if let Some(exit) = self.has_exited() {
                return exit;
            }
            ready.clear_ready();
        }
    }

    /// The end, when it has come. To be asked of one that is awake.
    pub(super) fn has_exited(&self) -> Option<Exit> {
        self.sandbox.try_exit().unwrap_or(Some(Exit::Lost))
    }

    /// Whether it has not ended, as far as is known: of one that is parked or frozen nobody looks.
    pub(super) fn is_running(&self) -> bool {
        self.lock().is_idle || self.has_exited().is_none()
    }

    /// Reads what it has written until now.
    pub(super) fn drain_log(&self) {
        self.capture.drain();
    }

    pub(super) fn memory_peak_bytes(&self) -> u64 {
        self.sandbox.memory_peak_bytes()
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.sandbox.memory_bytes()
    }

    pub(super) fn out_of_memory(&self) -> bool {
        self.sandbox.out_of_memory()
    }

    /// Ends the boost of the init phase.
    pub(super) fn set_cpu_millis(&self, millis: u64) {
        if let Err(error) = self.sandbox.set_cpu_millis(Some(millis)) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the processor share of a sandbox could not be set"
            );
        }
    }

    /// Orders the end of the whole tree, frozen or not.
    pub(crate) fn kill(&self) {
        // Its end can be waited for only when it is not parked.
        self.bring_back(&mut self.lock());
        if let Err(error) = self.sandbox.kill() {
            tracing::warn!(error = &error as &dyn std::error::Error, "a sandbox could not be killed; dropping it");
        }
        // Dying takes processor time, too; a thousand processes with a tenth of a processor would take long.
        let _ = self.sandbox.set_cpu_millis(None);
        self.wake();
    }

    /// From now on it may be frozen.
    pub(crate) fn rest(&self) {
        self.lock().is_idle = true;
    }

    /// Freezes it unless it has been woken meanwhile; true when it has frozen it. A write to the kernel; to be called off
    /// the hot path.
    pub(crate) fn freeze_if_idle(&self) -> bool {
        let mut rest = self.lock();
        if !rest.is_idle || rest.is_frozen {
            return false;
        }
        match self.sandbox.freeze() {
            Ok(()) => rest.is_frozen = true,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a sandbox could not be frozen");
            }
        }
        rest.is_frozen
    }

    /// Parks what it does not need while it is frozen, unless it has been woken meanwhile. To be called off the hot path.
    pub(crate) fn park_if_frozen(&self) {
        let mut rest = self.lock();
        if !rest.is_idle || !rest.is_frozen || rest.parking.is_some() {
            return;
        }
        match Parking::park(&self.berths()) {
            Ok(parking) => {
                rest.parking = Some(parking);
                self.status.close();
                self.capture.close();
                if let Some(place) = &self.place {
                    place.close();
                }
            }
            Err(error) => REFUSED.call_once(|| {
                tracing::warn!(%error, "descriptors of idle environments cannot be parked; each keeps some twenty open");
            }),
        }
    }

    fn berths(&self) -> Vec<&dyn Berth> {
        let place = self.place.iter().flat_map(|place| place.berths());
        self.sandbox.berths().chain(self.capture.berths()).chain(place).collect()
    }

    fn bring_back(&self, rest: &mut Rest) {
        let Some(parking) = rest.parking.take() else { return };
        let brought = parking.unpark(&self.berths()).and_then(|()| self.open());
        if let Err(error) = brought {
            tracing::warn!(%error, "a parked sandbox could not be brought back; killing it");
            if let Some(place) = &self.place {
                place.lose();
            }
            let _ = self.sandbox.kill();
        }
    }

    fn open(&self) -> io::Result<()> {
        self.status.open(readiness::watch(self.sandbox.status()?)?);
        self.capture.open()?;
        self.place.as_ref().map_or(Ok(()), |place| place.open())
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.lock().is_frozen
    }

    /// Lets it run.
    pub(crate) fn wake(&self) {
        let mut rest = self.lock();
        rest.is_idle = false;
        self.bring_back(&mut rest);
        if rest.is_frozen {
            rest.is_frozen = false;
            if let Err(error) = self.sandbox.thaw() {
                tracing::warn!(error = &error as &dyn std::error::Error, "a sandbox could not be thawed; killing it");
                let _ = self.sandbox.kill();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Not brought back: that takes the asynchronous runtime, which may be gone. The launcher does the rest.
        let rest = std::mem::take(&mut *self.lock());
        let _ = self.sandbox.kill();
        let _ = self.sandbox.set_cpu_millis(None);
        // A frozen tree does not die everywhere.
        if rest.is_frozen {
            let _ = self.sandbox.thaw();
        }
    }
}
