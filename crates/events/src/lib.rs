//! All that invokes without a waiting caller: today asynchronous invokes, with their retries, dead letters and destinations.
//!
//! [`open`] gives the two ends of the queue: where events come in ([`EventQueue`], which the invoke path declares), and
//! [`Unstarted`], which becomes [`AsyncInvokes`] once it has somebody who runs functions and somebody who reaches
//! destinations. The way of an event: `accept` makes it durable, `dispatcher` hands it out by the turns of `lanes`, `attempt`
//! runs the function and writes down what follows (rules: [`tindra_core::async_invoke`]), `deliveries` tells destinations.
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
mod ports;
mod record;
mod steps;

use std::sync::Arc;

use tindra_core::clock::{Clock, UnixMs};
use tindra_invoke::event_queue::EventQueue;
use tindra_store::{BoxFuture, Leased, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use clock::{ManualClock, Timer};
pub use listing::{MessageListed, QueueListed};
pub use ports::{Deliver, DeliverError, Delivery, Invoke, Purpose};

use accept::{Accepting, EVENT_PREFIX};
use arrivals::Arrivals;
use attempt::Attempts;
use configs::Configs;
use deliveries::{DELIVERY_PREFIX, Deliveries};
use dispatcher::{Command, Dispatcher, Work, Worked};
use lanes::QueueName;

/// The queue without anybody who works on it yet.
#[derive(Debug)]
pub struct Unstarted {
    store: Store,
    timer: Arc<dyn Timer>,
    real: Arc<dyn Clock>,
    arrivals: Arc<Arrivals>,
    commands: mpsc::UnboundedSender<Command>,
    orders: mpsc::UnboundedReceiver<Command>,
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
pub fn open(store: Store, timer: Arc<dyn Timer>, real: Arc<dyn Clock>) -> (Arc<dyn EventQueue>, Unstarted) {
    let (commands, orders) = mpsc::unbounded_channel();
    let arrivals = Arc::new(Arrivals::default());
    let accepting =
        Accepting::new(store.clone(), Arc::clone(&timer), Arc::clone(&real), Arc::clone(&arrivals), commands.clone());
    (Arc::new(accepting), Unstarted { store, timer, real, arrivals, commands, orders })
}

impl Unstarted {
    /// Begins with what waits in the store. At most `running_max` events and deliveries are worked on at once. To be called
    /// inside a tokio runtime.
    #[must_use]
    pub fn start(self, invoker: Arc<dyn Invoke>, deliver: Arc<dyn Deliver>, running_max: usize) -> AsyncInvokes {
        let Self { store, timer, real, arrivals, commands, orders } = self;
        let attempts =
            Attempts { store: store.clone(), timer: Arc::clone(&timer), configs: Configs::new(store.clone()), invoker };
        let deliveries = Deliveries { store: store.clone(), timer: Arc::clone(&timer), deliver };
        let work = Arc::new(Works { attempts, deliveries });
        let dispatcher =
            Dispatcher::new(store.clone(), Arc::clone(&timer), Arc::clone(&real), work, arrivals, running_max);
        let dispatching = tokio::spawn(dispatcher.run(orders));
        AsyncInvokes { store, timer, real, commands, dispatching }
    }
}

/// Both kinds of messages.
#[derive(Debug)]
struct Works {
    attempts: Attempts,
    deliveries: Deliveries,
}

impl Work for Works {
    fn work(&self, leased: Leased) -> BoxFuture<'_, Worked> {
        match leased.message.queue.starts_with(DELIVERY_PREFIX) {
            true => Box::pin(self.deliveries.attempt(leased)),
            false => Box::pin(self.attempts.attempt(leased)),
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
        for prefix in [EVENT_PREFIX, DELIVERY_PREFIX] {
            self.store.queues.purge(prefix).await?;
        }
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
