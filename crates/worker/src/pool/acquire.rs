//! How an invoke comes to an environment, and what becomes of one that comes back.
//!
//! An invoke takes an idle environment, or waits for whichever is ready first: one that is started for it, or one that
//! another invoke gives back. On a full machine it waits in the [`Line`] for its function's timeout at most. Every waiter
//! is told something in the end, because it is counted against an environment that starts or comes back, or its
//! function is in the line. What starts an environment is a [`Starter`], so that the model tests can be one.

use std::sync::Arc;
use std::time::Duration;

use tindra_invoke::environments::AcquireError;

use super::generation::{Generation, Lease, Occupant, Taken, Waiting};
use super::line::Line;

/// An invoke waits for an environment that has just answered another one for as long as a start would take, then one more is
/// started: waiting costs at most twice the better choice. Runtimes ask for the next event well within a millisecond, unless
/// the machine is busy; then starts take longer, too.
const RETURN_PATIENCE: std::ops::RangeInclusive<Duration> = Duration::from_millis(5)..=Duration::from_millis(100);

/// Starts environments, and knows the time.
pub(super) trait Starter<E: Occupant>: Send + Sync + 'static {
    /// Begins a start, which ends with an environment that is taken back, or with [`Generation::failed`].
    fn begin(self: &Arc<Self>, generation: &Arc<Generation<E>>) -> Result<(), Refusal>;

    /// Who waits for room.
    fn line(&self) -> &Line<E>;

    /// On the machine's clock.
    fn now(&self) -> Duration;

    /// Waits for so long.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// Whether nothing is kept any more.
    fn is_stopping(&self) -> bool;
}

/// Why nothing is started.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// All places are taken by what is in use. One will be free.
    Full,
    /// Waiting helps nobody.
    Because(AcquireError),
}

impl From<Refusal> for AcquireError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => no_capacity("all are in use"),
            Refusal::Because(error) => error,
        }
    }
}

/// What became of a start that somebody asked for.
enum Asked {
    /// It is under way.
    Begun,
    /// The function is in the line.
    InLine,
    /// Somebody who waited has been told.
    Refused,
}

/// Takes whichever environment is ready first.
pub(super) async fn acquire<E: Occupant, S: Starter<E>>(
    starter: &Arc<S>,
    generation: &Arc<Generation<E>>,
) -> Result<Lease<E>, AcquireError> {
    let (waiter, asked) = match generation.take_or_wait(starter.now()) {
        Taken::Idle(lease) => return Ok(lease),
        Taken::Wait(waiter) => (waiter, Asked::Begun),
        Taken::WaitABit(mut waiter) => {
            let patience = generation.warmth().start().clamp(*RETURN_PATIENCE.start(), *RETURN_PATIENCE.end());
            tokio::select! {
                biased;
                told = &mut waiter => return told.unwrap_or_else(|_| Err(stopping())),
                () = starter.sleep(patience) => {}
            }
            let asked = if generation.needs_start() { start(starter, generation) } else { Asked::Begun };
            (waiter, asked)
        }
        Taken::WaitAndStart(waiter) => (waiter, start(starter, generation)),
    };
    let Asked::InLine = asked else { return wait(starter, generation, waiter).await };
    match starter.line().enter(generation.shortage()) {
        Some(_counted_while_it_waits) => wait(starter, generation, waiter).await,
        None => leave(waiter, "all are in use, and too many invokes wait for one already"),
    }
}

/// Waits to be told, for longer than the function's timeout only while enough environments start.
async fn wait<E: Occupant, S: Starter<E>>(
    starter: &Arc<S>,
    generation: &Arc<Generation<E>>,
    mut waiter: Waiting<E>,
) -> Result<Lease<E>, AcquireError> {
    loop {
        tokio::select! {
            biased;
            told = &mut waiter => return told.unwrap_or_else(|_| Err(stopping())),
            () = starter.sleep(generation.timeout()) => {}
        }
        if generation.shortage() > 0 {
            return leave(waiter, "all are in use, and none became free within the function's timeout");
        }
    }
}

/// Waits no longer. It may have been told in this moment.
fn leave<E: Occupant>(mut waiter: Waiting<E>, reason: &str) -> Result<Lease<E>, AcquireError> {
    waiter.close();
    waiter.try_recv().unwrap_or_else(|_| Err(no_capacity(reason)))
}

/// Begins the start that has been counted in. Who came earlier and waits for room goes first.
fn start<E: Occupant, S: Starter<E>>(starter: &Arc<S>, generation: &Arc<Generation<E>>) -> Asked {
    let line = starter.line();
    let begun = if line.bell().is_wanted() { Err(Refusal::Full) } else { starter.begin(generation) };
    match begun {
        Ok(()) => Asked::Begun,
        Err(Refusal::Full) => {
            generation.not_started();
            line.join(generation, starter.now());
            Asked::InLine
        }
        Err(Refusal::Because(error)) => {
            generation.failed(error);
            Asked::Refused
        }
    }
}

/// Gives an environment to whoever waits for one, or keeps it.
pub(super) fn release<E: Occupant, S: Starter<E>>(starter: &Arc<S>, lease: Lease<E>) {
    let (now, line) = (starter.now(), starter.line());
    if line.bell().is_wanted() && !lease.is_provisioned() && line.makes_room(lease.generation(), now) {
        let generation = Arc::clone(lease.generation());
        drop(lease);
        if generation.shortage() > 0 {
            line.join(&generation, now);
        }
        return;
    }
    let several = lease.generation().runs_several().then(|| Arc::clone(lease.generation()));
    if let Some((unfit, generation)) = lease.offer(now, starter.is_stopping()) {
        drop(unfit);
        start_for_waiters(starter, &generation);
    }
    // One that has only one seat after all has gone to one of those who wait.
    if let Some(generation) = several {
        start_for_waiters(starter, &generation);
    }
    // What has become idle can make room.
    line.bell().ring();
}

/// After an environment that somebody may have waited for turned out to be of no use.
fn start_for_waiters<E: Occupant, S: Starter<E>>(starter: &Arc<S>, generation: &Arc<Generation<E>>) {
    while generation.shortage() > 0 && generation.needs_start() {
        if matches!(start(starter, generation), Asked::InLine) {
            return;
        }
    }
}

/// Lets those in the line take their turns until the machine is full again.
pub(super) fn serve_line<E: Occupant, S: Starter<E>>(starter: &Arc<S>) {
    while let Some(generation) = starter.line().next() {
        if generation.needs_start() {
            match starter.begin(&generation) {
                Ok(()) => {}
                Err(Refusal::Full) => return generation.not_started(),
                Err(Refusal::Because(error)) => generation.failed(error),
            }
        }
        starter.line().turn_is_over(starter.now());
    }
}

pub(super) fn no_capacity(reason: &str) -> AcquireError {
    AcquireError::NoCapacity { reason: reason.to_owned() }
}

pub(super) fn stopping() -> AcquireError {
    no_capacity("the server is stopping")
}
