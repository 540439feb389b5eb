//! Where an environment and the runtime inside it meet.

mod events;
mod restore;

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tindra_core::tenant::TenantId;
use tindra_invoke::AnswerSink;
use tokio::sync::{Notify, oneshot};

use events::Events;
pub(crate) use restore::RestoreAnswer;

/// An event on its way to the runtime: the answer to `GET …/next`.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) request_id: String,
    pub(crate) deadline_unix_ms: u64,
    pub(crate) invoked_arn: String,
    pub(crate) trace_id: String,
    pub(crate) client_context: Option<String>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) payload: Bytes,
    /// Where an answer goes that is made piece by piece.
    pub(crate) sink: Option<AnswerSink>,
}

/// An event whose answer has begun: how it ends is owed to the sender.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) answer: oneshot::Sender<Answer>,
    /// Where an answer goes that is made piece by piece.
    pub(crate) sink: Option<AnswerSink>,
}

/// How the runtime ended its init phase.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InitAnswer {
    /// It asked for the first event.
    Ready,
    /// It asked to be told of its restore: all is done that belongs into a snapshot.
    Restorable,
    /// It posted an error.
    Failed { error_type: String, body: Bytes },
}

/// How the runtime ended an invoke.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The handler's result.
    Response(Bytes),
    /// The handler's error object.
    Error { error_type: String, body: Bytes },
    /// The result has this many bytes, more than it may.
    TooLarge { bytes: u64, bytes_max: u64 },
    /// The response-mode header has a value that means nothing.
    InvalidMode,
}

/// Why a request of the runtime is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not the request that runs, or answered already.
    RequestId,
    /// Not now.
    Transition { from: &'static str, to: &'static str },
}

#[derive(Debug, Default)]
enum State {
    /// The process has not asked for an event yet.
    #[default]
    Initialising,
    /// The error of the init phase is being read.
    InitFailing,
    /// The init phase has failed; nothing but the end is expected.
    InitFailed,
    /// A request waits to be told of the restore.
    Restorable,
    /// The restore has been told, and its end has not.
    Restoring,
    /// The error of the restore is being read.
    RestoreFailing,
    /// The restore has failed; nothing but the end is expected.
    RestoreFailed,
    /// It takes events and answers them.
    Serving,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    init: Option<oneshot::Sender<InitAnswer>>,
    /// Whether the process may ask to be told of a restore.
    is_for_snapshot: bool,
    /// A `/restore/next` that waits.
    told_of_restore: Option<oneshot::Sender<()>>,
    restore: Option<oneshot::Sender<RestoreAnswer>>,
    events: Events,
}

/// See the module. One for each environment; [`Exchange::begin`] starts anew for each of its processes.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    inner: Mutex<Inner>,
    /// Told at each `/next` that finds no event.
    asked: Notify,
}

impl Exchange {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the process before; tells how the init phase of the coming one ends. It is to work on so many events at once.
    pub(crate) fn begin(&self, events_at_once: usize) -> oneshot::Receiver<InitAnswer> {
        let (sender, receiver) = oneshot::channel();
        *self.inner() = Inner { init: Some(sender), events: Events::new(events_at_once), ..Inner::default() };
        receiver
    }

    /// How many events the process works on at once.
    pub(super) fn events_at_once(&self) -> usize {
        self.inner().events.at_once()
    }

    /// Gives an event to the runtime, now or when it asks. The receiver fails when the answer breaks off.
    pub(crate) fn dispatch(&self, delivery: Delivery) -> oneshot::Receiver<Answer> {
        let mut inner = self.inner();
        inner.state = State::Serving;
        inner.events.dispatch(delivery)
    }

    /// Whether the runtime waits for an event.
    pub(crate) fn is_asked(&self) -> bool {
        self.inner().events.is_asked()
    }

    /// Waits until the runtime waits for an event. For one waiter.
    pub(crate) async fn asked(&self) {
        while !self.is_asked() {
            self.asked.notified().await;
        }
    }

    /// Takes an event back that the runtime has not asked for.
    pub(crate) fn take_back(&self, request_id: &str) -> Option<Delivery> {
        self.inner().events.take_back(request_id)
    }

    /// The runtime asks for the next event.
    pub(super) fn next(&self) -> Result<oneshot::Receiver<Delivery>, Refusal> {
        let mut inner = self.inner();
        match inner.state {
            State::Initialising => {
                inner.state = State::Serving;
                if let Some(init) = inner.init.take() {
                    let _ = init.send(InitAnswer::Ready);
                }
            }
            State::Restoring => {
                inner.state = State::Serving;
                if let Some(restore) = inner.restore.take() {
                    let _ = restore.send(RestoreAnswer::Ready);
                }
            }
            State::Serving => {}
            State::Restorable => return Err(Refusal::Transition { from: "RestoreReady", to: "Ready" }),
            State::RestoreFailing | State::RestoreFailed => {
                return Err(Refusal::Transition { from: "RestoreError", to: "Ready" });
            }
            State::InitFailing | State::InitFailed => {
                return Err(Refusal::Transition { from: "RuntimeInitError", to: "Ready" });
            }
        }
        let delivery = inner.events.ask()?;
        if inner.events.is_asked() {
            self.asked.notify_one();
        }
        Ok(delivery)
    }

    /// The runtime begins to answer; whoever claims it owes the answer.
    pub(super) fn claim(&self, request_id: &str) -> Result<Claimed, Refusal> {
        let mut inner = self.inner();
        if matches!(inner.state, State::Initialising) {
            return Err(Refusal::Transition { from: "Started", to: "InvocationResponse" });
        }
        inner.events.claim(request_id).ok_or(Refusal::RequestId)
    }

    /// The answer has been read whole, or broke off; the runtime may ask for more.
    pub(super) fn answered(&self, request_id: &str) {
        self.inner().events.forget(request_id);
    }

    /// The runtime begins to report that its init phase has failed.
    pub(super) fn claim_init_error(&self) -> Result<(), Refusal> {
        let mut inner = self.inner();
        if !matches!(inner.state, State::Initialising) {
            return Err(Refusal::Transition { from: "Ready", to: "InitError" });
        }
        inner.state = State::InitFailing;
        Ok(())
    }

    /// The report has been read whole.
    pub(super) fn init_failed(&self, error_type: String, body: Bytes) -> Result<(), Refusal> {
        let mut inner = self.inner();
        if !matches!(inner.state, State::InitFailing) {
            return Err(Refusal::Transition { from: "Ready", to: "InitError" });
        }
        inner.state = State::InitFailed;
        if let Some(init) = inner.init.take() {
            let _ = init.send(InitAnswer::Failed { error_type, body });
        }
        Ok(())
    }
}
