//! The one task that hands messages out: it learns of new ones, fetches what the store has, keeps leases alive, and stops.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tindra_core::clock::{Clock, Timer, UnixMs};
use tindra_store::{
    Batch, BoxFuture, Lapse, Lease, LeaseRequest, Leased, LeasedMessages, MessageChange, QueueFigures, Store,
    StoreError,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::arrivals::{Arrivals, Place};
use crate::lanes::{Lanes, Next, QueueName, Settled, WINDOW_MAX};

/// How long a lease holds that is not renewed, in real time.
const HOLD: Duration = Duration::from_secs(60);
/// How often leases are renewed, in real time.
const RENEW_EVERY: Duration = Duration::from_secs(20);
/// How often the store is asked what waits in it, in case that a word of it was lost.
const RESCAN_EVERY: Duration = Duration::from_secs(30);
/// Wait after the store failed, in real time.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes of the messages of one fetch.
const FETCH_BYTES_MAX: usize = 4 << 20;
/// While so many bytes wait for a turn, a fetch brings one message.
const WAITING_BYTES_MAX: usize = 128 << 20;
/// Queues listed at once.
const PAGE: usize = 512;

/// Does what a message is for.
pub(crate) trait Work: Send + Sync + 'static {
    /// The beginnings of the names of the queues whose messages it works on.
    fn prefixes(&self) -> Vec<&'static str>;

    /// Works on a message until it is completed or given back, durably.
    fn work(&self, leased: Leased) -> BoxFuture<'_, Worked>;
}

/// How work ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Worked {
    pub(crate) settled: Settled,
    /// Queues that have got messages by it.
    pub(crate) filled: Vec<QueueName>,
}

/// A message in memory.
#[derive(Debug)]
pub(crate) struct Waiting {
    leased: Leased,
    /// Of one that came straight from its sender; others were fetched.
    place: Option<Place>,
}

/// What the dispatcher is told and asked.
#[derive(Debug)]
pub(crate) enum Command {
    /// A message that is leased to us.
    Arrived(QueueName, Box<Leased>, Place),
    /// A message of this queue is in the store and due then.
    Stored(QueueName, UnixMs),
    /// What the store has of this queue was made due by somebody who does not want to wait.
    Redriven(QueueName),
    /// What is in memory belongs to a store that has been emptied.
    Forget,
    /// Says when nothing is being done any more and nothing is due.
    Quiet(oneshot::Sender<()>),
    /// Says when the next message is due.
    NextDue(oneshot::Sender<Option<UnixMs>>),
    /// Begins nothing more, and says when nothing runs.
    Drain(oneshot::Sender<()>),
}

/// What the dispatcher's own tasks bring back.
#[derive(Debug)]
enum Back {
    Worked(Lease, Worked),
    Fetched(QueueName, Result<LeasedMessages, StoreError>),
    Renewed(Result<Vec<Lease>, StoreError>),
    Scanned(Result<Vec<QueueFigures>, StoreError>),
}

/// The task's state.
#[derive(Debug)]
pub(crate) struct Dispatcher<W> {
    store: Store,
    timer: Arc<dyn Timer>,
    /// For leases, which hold in real time.
    real: Arc<dyn Clock>,
    work: Arc<W>,
    arrivals: Arc<Arrivals>,
    lanes: Lanes<Waiting>,
    /// By lease, not by message: when the end of an attempt was written down and the answer was lost, the message may be
    /// leased and begun again while the first attempt's task still asks.
    running: HashMap<Lease, Running>,
    tasks: JoinSet<Back>,
    renewed: Duration,
    /// Of what was fetched and waits for a turn.
    waiting_bytes: usize,
    is_draining: bool,
    quiet: Vec<oneshot::Sender<()>>,
    drained: Vec<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Running {
    queue: QueueName,
    _place: Option<Place>,
}

impl<W: Work + std::fmt::Debug> Dispatcher<W> {
    /// A dispatcher that has not looked at the store yet; at most `running_max` messages are worked on at once.
    pub(crate) fn new(
        store: Store,
        timer: Arc<dyn Timer>,
        real: Arc<dyn Clock>,
        work: Arc<W>,
        arrivals: Arc<Arrivals>,
        running_max: usize,
    ) -> Self {
        Self {
            store,
            timer,
            real,
            work,
            arrivals,
            lanes: Lanes::new(running_max),
            running: HashMap::new(),
            tasks: JoinSet::new(),
            renewed: Duration::ZERO,
            waiting_bytes: 0,
            is_draining: false,
            quiet: Vec::new(),
            drained: Vec::new(),
        }
    }

    /// Runs until those who tell it things have gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut renewals = tokio::time::interval(RENEW_EVERY);
        let mut scans = tokio::time::interval(RESCAN_EVERY);
        loop {
            self.hand_out();
            // What has ended may have told of something new before, which is then still to be taken in.
            if commands.is_empty() {
                self.tell();
            }
            let timer = Arc::clone(&self.timer);
            let wake_ms = self.lanes.next_wake_ms().filter(|_| !self.is_draining);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.take(command).await,
                    None => return,
                },
                Some(back) = self.tasks.join_next(), if !self.tasks.is_empty() => match back {
                    Ok(back) => self.take_back(back),
                    // Only this file's own code can fail here, and only by a panic.
                    Err(error) => tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a step of handing events out has failed"
                    ),
                },
                () = wait(&*timer, wake_ms) => {}
                _ = renewals.tick() => self.renew(),
                _ = scans.tick() => self.scan(),
            }
        }
    }

    fn now_ms(&self) -> UnixMs {
        self.timer.unix_ms()
    }

    /// Begins everything that may begin now.
    fn hand_out(&mut self) {
        let now_ms = self.now_ms();
        while !self.is_draining
            && let Some(next) = self.lanes.next(now_ms)
        {
            match next {
                Next::Start(queue, waiting) => self.start(queue, waiting),
                Next::Fetch(queue) => self.fetch(queue, now_ms),
            }
        }
    }

    fn start(&mut self, queue: QueueName, waiting: Waiting) {
        let Waiting { leased, place } = waiting;
        let lease = leased.lease;
        if place.is_none() {
            self.waiting_bytes -= bytes(&leased);
        }
        self.running.insert(lease, Running { queue, _place: place });
        let work = Arc::clone(&self.work);
        self.tasks.spawn(async move {
            // A panic in it is that message's alone.
            let worked = AssertUnwindSafe(work.work(leased)).catch_unwind().await;
            Back::Worked(lease, worked.unwrap_or_else(|_| failed_work(lease.id)))
        });
    }

    fn fetch(&mut self, queue: QueueName, due_ms: UnixMs) {
        self.arrivals.set_backlog(&queue, true);
        let store = self.store.clone();
        let lapse = self.lapse();
        // A machine that slept has let its leases lapse; nobody else has taken them, so they are made to hold again first.
        let overdue = self.real.monotonic().saturating_sub(self.renewed) > RENEW_EVERY * 2;
        let held = if overdue { self.leases() } else { Vec::new() };
        let bytes_max = if self.waiting_bytes < WAITING_BYTES_MAX { FETCH_BYTES_MAX } else { 1 };
        let name = Arc::clone(&queue);
        self.tasks.spawn(async move {
            let request = LeaseRequest { queue: queue.to_string(), due_ms, lapse, messages_max: WINDOW_MAX, bytes_max };
            let renewed = match held.is_empty() {
                true => Ok(Vec::new()),
                false => store.queues.renew(held, lapse).await,
            };
            let fetched = match renewed {
                Ok(_) => store.queues.lease(request).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &fetched {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    queue = &*name,
                    "queued events could not be fetched; trying again"
                );
                tokio::time::sleep(RETRY_AFTER).await;
            }
            Back::Fetched(name, fetched)
        });
    }

    fn lapse(&self) -> Lapse {
        Lapse { now_ms: self.real.unix_ms(), held_until_ms: held_until_ms(&*self.real) }
    }

    fn leases(&self) -> Vec<Lease> {
        let waiting = self.lanes.waiting().map(|waiting| waiting.leased.lease);
        waiting.chain(self.running.keys().copied()).collect()
    }

    fn renew(&mut self) {
        let (store, leases, lapse) = (self.store.clone(), self.leases(), self.lapse());
        if !leases.is_empty() {
            self.tasks.spawn(async move { Back::Renewed(store.queues.renew(leases, lapse).await) });
        }
    }

    fn scan(&mut self) {
        let (store, prefixes) = (self.store.clone(), self.work.prefixes());
        self.tasks.spawn(async move { Back::Scanned(all_queues(&store, &prefixes).await) });
    }

    async fn take(&mut self, command: Command) {
        let now_ms = self.now_ms();
        match command {
            Command::Arrived(queue, leased, place) => {
                self.lanes.arrived(&queue, Waiting { leased: *leased, place: Some(place) }, now_ms);
            }
            Command::Stored(queue, due_ms) => self.lanes.stored(&queue, due_ms, now_ms),
            Command::Redriven(queue) => self.lanes.redriven(&queue, now_ms),
            Command::Forget => drop(self.take_waiting()),
            Command::Quiet(reply) => self.quiet.push(reply),
            Command::NextDue(reply) => drop(reply.send(self.lanes.next_wake_ms())),
            Command::Drain(reply) => {
                self.is_draining = true;
                self.give_back().await;
                self.drained.push(reply);
            }
        }
    }

    fn take_back(&mut self, back: Back) {
        let now_ms = self.now_ms();
        match back {
            Back::Worked(lease, worked) => {
                let Some(running) = self.running.remove(&lease) else { return };
                self.lanes.settled(&running.queue, worked.settled, now_ms);
                for queue in worked.filled {
                    self.lanes.stored(&queue, now_ms, now_ms);
                }
            }
            Back::Fetched(queue, fetched) => {
                let (leased, next_due_ms) = match fetched {
                    Ok(LeasedMessages { leased, next_due_ms }) => (leased, next_due_ms),
                    Err(_) => (Vec::new(), Some(now_ms)),
                };
                self.waiting_bytes += leased.iter().map(bytes).sum::<usize>();
                let waiting = leased.into_iter().map(|leased| Waiting { leased, place: None });
                self.lanes.fetched(&queue, waiting, next_due_ms, now_ms);
                self.arrivals.set_backlog(&queue, self.lanes.has_backlog(&queue, now_ms));
            }
            Back::Renewed(Ok(lost)) => {
                self.renewed = self.real.monotonic();
                if !lost.is_empty() {
                    tracing::warn!(messages = lost.len(), "leases of queued events were lost; others have them now");
                }
            }
            Back::Renewed(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "leases of queued events were not renewed");
            }
            Back::Scanned(Ok(queues)) => {
                for figures in queues {
                    self.lanes.stored(&QueueName::from(figures.queue), figures.next_due_ms, now_ms);
                }
            }
            Back::Scanned(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "queued events could not be listed");
            }
        }
    }

    /// Answers those who wait until there is nothing to do.
    fn tell(&mut self) {
        if self.lanes.is_quiet() && self.tasks.is_empty() {
            answer_all(&mut self.quiet);
        }
        if self.is_draining && self.lanes.running() == 0 {
            answer_all(&mut self.drained);
        }
    }

    fn take_waiting(&mut self) -> Vec<Waiting> {
        self.waiting_bytes = 0;
        self.lanes.take_waiting()
    }

    /// Gives back what has not begun, for the next process or another one.
    async fn give_back(&mut self) {
        let changes = self.take_waiting().into_iter().map(|waiting| {
            let Leased { message, lease } = waiting.leased;
            MessageChange::Delay { lease, due_ms: message.due_ms, head: message.head }
        });
        let batch = changes.fold(Batch::default(), Batch::message);
        if batch.messages.is_empty() {
            return;
        }
        if let Err(error) = self.store.metadata.commit(batch).await {
            // They lapse by themselves.
            tracing::debug!(error = &error as &dyn std::error::Error, "events were not given back");
        }
    }
}

/// What is left of work that panicked: its lease, which lapses; meanwhile nobody works on the message.
fn failed_work(id: Uuid) -> Worked {
    tracing::error!(%id, "the work on a queued event has panicked; it is begun again in a minute");
    Worked::default()
}

/// What a message takes of memory.
fn bytes(leased: &Leased) -> usize {
    leased.message.head.len() + leased.message.body.len()
}

fn answer_all(waiting: &mut Vec<oneshot::Sender<()>>) {
    for reply in waiting.drain(..) {
        // Whoever gave up waiting needs no answer.
        let _ = reply.send(());
    }
}

/// The end of a lease that begins now.
pub(crate) fn held_until_ms(real: &dyn Clock) -> UnixMs {
    real.unix_ms().saturating_add(u64::try_from(HOLD.as_millis()).unwrap_or(u64::MAX))
}

async fn wait(timer: &dyn Timer, wake_ms: Option<UnixMs>) {
    match wake_ms {
        Some(wake_ms) => timer.wait_until(wake_ms).await,
        None => std::future::pending().await,
    }
}

async fn all_queues(store: &Store, prefixes: &[&str]) -> Result<Vec<QueueFigures>, StoreError> {
    let mut all: Vec<QueueFigures> = Vec::new();
    for prefix in prefixes {
        let mut after: Option<String> = None;
        loop {
            let page = store.queues.queues(prefix, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|figures| figures.queue.clone());
            all.extend(page);
            if is_last {
                break;
            }
        }
    }
    Ok(all)
}
