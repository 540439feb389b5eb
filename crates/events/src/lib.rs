//! All that invokes without a waiting caller: asynchronous invokes with their retries, dead letters and destinations, pushes of
//! sources to targets, and whatever else waits in durable queues for its time.
//!
//! [`open`] gives the two ends of the queues: where messages come in ([`Outbox`]; it is the `EventQueue` that the invoke path
//! declares), and
//! [`Unstarted`], which becomes [`AsyncInvokes`] once it has somebody who runs functions and somebody who reaches
//! destinations. The way of an event: `accept` makes it durable, `dispatcher` hands it out by the turns of `lanes`, `attempt`
//! runs the function and writes down what follows (rules: [`tindra_core::async_invoke`]), `deliveries` tells destinations.
//! `pushes` pushes (rules: [`tindra_core::push`]); further kinds of messages have a [`Handle`] each, found by the prefix of
//! their queues.
//! All that waits, waits by a [`Timer`], which in a test may be a clock that is moved by hand ([`ManualClock`]).

mod accept;
mod arrivals;
mod attempt;
mod clock;
mod configs;
mod deliveries;
mod dispatcher;
mod figures;
mod lanes;
mod listing;
pub mod mappings;
mod outbox;
mod ports;
mod pushes;
mod record;
mod steps;

use std::sync::Arc;

use tindra_core::clock::{Clock, Timer, UnixMs};
use tindra_core::push::PUSH_PREFIX;
use tindra_store::{BoxFuture, Leased, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use accept::event_message;
pub use clock::{ManualClock, SystemTimer};
pub use listing::{MessageListed, QueueListed};
pub use outbox::Outbox;
pub use ports::{Again, Deliver, DeliverError, Delivery, Handle, Handled, Invoke, Purpose, PushTo, Pushed};

use accept::EVENT_PREFIX;
use arrivals::Arrivals;
use attempt::Attempts;
use configs::Configs;
use deliveries::{DELIVERY_PREFIX, Deliveries};
use dispatcher::{Command, Dispatcher, Work, Worked};
use lanes::QueueName;
use pushes::Pushes;

/// The queue without anybody who works on it yet.
#[derive(Debug)]
pub struct Unstarted {
    store: Store,
    timer: Arc<dyn Timer>,
    real: Arc<dyn Clock>,
    arrivals: Arc<Arrivals>,
    commands: mpsc::UnboundedSender<Command>,
    orders: mpsc::UnboundedReceiver<Command>,
    outbox: Outbox,
}

/// Who does the work of the queues.
#[derive(Debug)]
pub struct Workers {
    /// Runs functions for events.
    pub invoke: Arc<dyn Invoke>,
    /// Tells destinations what became of events.
    pub deliver: Arc<dyn Deliver>,
    /// Reaches the targets of pushes.
    pub push_to: Arc<dyn PushTo>,
    /// Works on all other messages, by the prefixes of their queues.
    pub handlers: Vec<(&'static str, Arc<dyn Handle>)>,
}

/// The queue of asynchronous invokes, at work until it is dropped.
#[derive(Debug)]
pub struct AsyncInvokes {
    store: Store,
    timer: Arc<dyn Timer>,
    real: Arc<dyn Clock>,
    commands: mpsc::UnboundedSender<Command>,
    dispatching: JoinHandle<()>,
}

/// Opens the queue in a store: where events come in, and what is to be started. Retries and ages go by `timer`; `real` is for
/// leases, whose holders are not to keep silent for longer than that in real time.
#[must_use]
pub fn open(store: Store, timer: Arc<dyn Timer>, real: Arc<dyn Clock>) -> (Outbox, Unstarted) {
    let (commands, orders) = mpsc::unbounded_channel();
    let arrivals = Arc::new(Arrivals::default());
    let outbox =
        Outbox::new(store.clone(), Arc::clone(&timer), Arc::clone(&real), Arc::clone(&arrivals), commands.clone());
    let unstarted = Unstarted { store, timer, real, arrivals, commands, orders, outbox: outbox.clone() };
    (outbox, unstarted)
}

impl Unstarted {
    /// Begins with what waits in the store. At most `running_max` messages are worked on at once. To be called inside a tokio
    /// runtime.
    #[must_use]
    pub fn start(self, workers: Workers, running_max: usize) -> AsyncInvokes {
        let Self { store, timer, real, arrivals, commands, orders, outbox } = self;
        let Workers { invoke: invoker, deliver, push_to, mut handlers } = workers;
        let attempts =
            Attempts { store: store.clone(), timer: Arc::clone(&timer), configs: Configs::new(store.clone()), invoker };
        let deliveries = Deliveries { store: store.clone(), timer: Arc::clone(&timer), deliver };
        handlers.push((PUSH_PREFIX, Arc::new(Pushes { timer: Arc::clone(&timer), targets: push_to })));
        let work = Arc::new(Works { attempts, deliveries, handlers, outbox });
        let dispatcher =
            Dispatcher::new(store.clone(), Arc::clone(&timer), Arc::clone(&real), work, arrivals, running_max);
        let dispatching = tokio::spawn(dispatcher.run(orders));
        AsyncInvokes { store, timer, real, commands, dispatching }
    }
}

/// All kinds of messages.
#[derive(Debug)]
struct Works {
    attempts: Attempts,
    deliveries: Deliveries,
    handlers: Vec<(&'static str, Arc<dyn Handle>)>,
    outbox: Outbox,
}

impl Work for Works {
    fn prefixes(&self) -> Vec<&'static str> {
        let others = self.handlers.iter().map(|(prefix, _)| *prefix);
        [EVENT_PREFIX, DELIVERY_PREFIX].into_iter().chain(others).collect()
    }

    fn work(&self, leased: Leased) -> BoxFuture<'_, Worked> {
        let queue = leased.message.queue.as_str();
        if queue.starts_with(DELIVERY_PREFIX) {
            return Box::pin(self.deliveries.attempt(leased));
        }
        match self.handlers.iter().find(|(prefix, _)| queue.starts_with(prefix)) {
            Some((_, handler)) => Box::pin(steps::handle(handler.as_ref(), &self.outbox, leased)),
            None => Box::pin(self.attempts.attempt(leased)),
        }
    }
}

impl AsyncInvokes {
    /// Begins nothing more, and returns when what runs has ended and is written down. What waits stays in the store.
    pub async fn drain(&self) {
        self.ask(Command::Drain).await;
    }

    /// Ends at once. What runs has not been tried, as far as the store knows, and is run again by the next process.
    pub fn stop(&self) {
        self.dispatching.abort();
    }

    /// Moves a clock on that the queue goes by. Everything that becomes due meanwhile is done in its order and at its time:
    /// the clock goes from one due time to the next, and on only when functions and deliveries have ended.
    pub async fn advance(&self, clock: &ManualClock, by_ms: u64) {
        let end_ms = clock.unix_ms().saturating_add(by_ms);
        loop {
            self.ask(Command::Quiet).await;
            match self.ask(Command::NextDue).await.flatten().filter(|due_ms| *due_ms <= end_ms) {
                Some(due_ms) => clock.move_to(due_ms),
                None => break,
            }
        }
        clock.move_to(end_ms);
        self.ask(Command::Quiet).await;
    }

    /// Removes everything that waits.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reset(&self) -> Result<(), StoreError> {
        self.store.queues.purge("").await?;
        let _ = self.commands.send(Command::Forget);
        Ok(())
    }

    /// What time it is by the clock that the queue goes by.
    #[must_use]
    pub fn now_ms(&self) -> UnixMs {
        self.timer.unix_ms()
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(question(reply)).ok()?;
        answer.await.ok()
    }

    fn redriven(&self, queue: &str) {
        let _ = self.commands.send(Command::Redriven(QueueName::from(queue)));
    }
}

impl Drop for AsyncInvokes {
    fn drop(&mut self) {
        self.dispatching.abort();
    }
}
