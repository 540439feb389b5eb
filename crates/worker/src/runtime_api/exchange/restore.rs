//! Snapshots and restores: what comes between the init phase and the first `/next` of a function with SnapStart.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Exchange, InitAnswer, Inner, Refusal, State};

/// How the runtime ended its restore.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RestoreAnswer {
    /// It asked for the first event.
    Ready,
    /// It posted an error: an after-restore hook has failed.
    Failed { error_type: String, body: Bytes },
}

impl Exchange {
    /// The same for a process whose init phase ends with [`InitAnswer::Restorable`], if its runtime knows of snapshots.
    pub(crate) fn begin_for_snapshot(&self) -> oneshot::Receiver<InitAnswer> {
        let receiver = self.begin(1);
        self.inner().is_for_snapshot = true;
        receiver
    }

    /// Forgets the process before; the coming one is a copy of a snapshot and has been told so. Tells how its restore
    /// ends.
    pub(crate) fn begin_restored(&self) -> oneshot::Receiver<RestoreAnswer> {
        let (sender, receiver) = oneshot::channel();
        *self.inner() = Inner { state: State::Restoring, restore: Some(sender), ..Inner::default() };
        receiver
    }

    /// Whether the runtime waits to be told of its restore.
    pub(crate) fn is_restorable(&self) -> bool {
        matches!(self.inner().state, State::Restorable)
    }

    /// Tells the runtime that asked for it that it has been restored; tells how that ends. Before the end no event may
    /// be dispatched. The receiver fails at once when the runtime has not asked.
    pub(crate) fn restore(&self) -> oneshot::Receiver<RestoreAnswer> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner();
        if matches!(inner.state, State::Restorable) {
            inner.state = State::Restoring;
            inner.restore = Some(sender);
            if let Some(told) = inner.told_of_restore.take() {
                // One whose connection has gone asks again.
                let _ = told.send(());
            }
        }
        receiver
    }

    /// The runtime asks to be told of its restore.
    pub(in crate::runtime_api) fn restore_next(&self) -> Result<oneshot::Receiver<()>, Refusal> {
        let mut inner = self.inner();
        let (sender, receiver) = oneshot::channel();
        match inner.state {
            State::Initialising if inner.is_for_snapshot => {
                inner.state = State::Restorable;
                if let Some(init) = inner.init.take() {
                    let _ = init.send(InitAnswer::Restorable);
                }
                inner.told_of_restore = Some(sender);
            }
            State::Restorable => inner.told_of_restore = Some(sender),
            // Its first request was lost on the way.
            State::Restoring => {
                let _ = sender.send(());
            }
            _ => return Err(Refusal::Transition { from: "Started", to: "RestoreReady" }),
        }
        Ok(receiver)
    }

    /// The runtime begins to report that its restore has failed.
    pub(in crate::runtime_api) fn claim_restore_error(&self) -> Result<(), Refusal> {
        let mut inner = self.inner();
        if !matches!(inner.state, State::Restoring) {
            return Err(Refusal::Transition { from: "Ready", to: "RestoreError" });
        }
        inner.state = State::RestoreFailing;
        Ok(())
    }

    /// The report has been read whole.
    pub(in crate::runtime_api) fn restore_failed(&self, error_type: String, body: Bytes) -> Result<(), Refusal> {
        let mut inner = self.inner();
        if !matches!(inner.state, State::RestoreFailing) {
            return Err(Refusal::Transition { from: "Ready", to: "RestoreError" });
        }
        inner.state = State::RestoreFailed;
        if let Some(restore) = inner.restore.take() {
            let _ = restore.send(RestoreAnswer::Failed { error_type, body });
        }
        Ok(())
    }
}
