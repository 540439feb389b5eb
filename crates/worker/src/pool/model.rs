//! Whatever the schedule: every invoke is told something, no environment serves more at once than it may, no more than may exist at
//! once, and nothing stays counted. Run with `--features model`.
//!
//! The queue, the line, the bell and how they are used are the real ones; only what they queue is light, and time passes
//! by being asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::future::{self, JoinHandle};
use shuttle::rand::{Rng as _, thread_rng};
use tindra_core::keep_warm::GreedyDual;
use tindra_core::managed_instances::ManagedInstances;
use tindra_invoke::environments::{AcquireError, Target};
use tindra_testkit::{FakeClock, active_function, scope};
use tokio::sync::Notify;

use super::acquire::{self, Refusal, Starter, acquire, release};
use super::generation::{Generation, Held, Lease, Occupant};
use super::line::Line;
use super::warmth::{Policy, Warmth};
use crate::place::{Bell, Place, Places};
use crate::worker::KeepWarm;
use tindra_core::clock::Clock as _;

/// Of each test; together more than a hundred thousand.
const SCHEDULES: usize = 15_000;
/// What passes between two looks at the clock: a line's patience is over after a few.
const TICK: Duration = Duration::from_millis(400);

/// What a test lets happen.
#[derive(Clone, Copy)]
struct Chances {
    places: usize,
    functions: usize,
    invokes: usize,
    /// Invokes that an environment runs at once.
    seats: u32,
    /// Of an environment that was to have more.
    has_one_seat: f64,
    /// Of a start.
    fails: f64,
    /// Of a look at the machine.
    is_short: f64,
    /// Of an environment after an invoke.
    is_unfit: f64,
    /// Of an environment in an invoke.
    is_lost: f64,
    /// Of a caller.
    goes_away: f64,
    /// Whether invokes wait no longer than their functions' timeout.
    has_timeouts: bool,
}

const ALL_GOES_WELL: Chances = Chances {
    places: 2,
    functions: 1,
    invokes: 4,
    seats: 1,
    has_one_seat: 0.0,
    fails: 0.0,
    is_short: 0.0,
    is_unfit: 0.0,
    is_lost: 0.0,
    goes_away: 0.0,
    has_timeouts: false,
};

/// Stands for an environment.
#[derive(Debug)]
struct Fake {
    running: AtomicUsize,
    seats: usize,
    is_good: AtomicBool,
    /// Provisioned concurrency keeps it for as long as this is true.
    is_wanted: Option<Arc<AtomicBool>>,
    // Goes before the place does.
    _alive: Counted,
    _place: Place,
}

impl Occupant for Fake {
    fn is_good(&self) -> bool {
        self.is_good.load(Ordering::SeqCst)
    }
    fn is_provisioned(&self) -> bool {
        self.is_wanted.as_ref().is_some_and(|wanted| wanted.load(Ordering::SeqCst))
    }
    fn is_released(&self) -> bool {
        self.is_wanted.as_ref().is_some_and(|wanted| !wanted.load(Ordering::SeqCst))
    }
    fn is_outlived(&self) -> bool {
        false
    }
    fn takes_several(&self) -> bool {
        self.seats > 1 && self.is_good()
    }
    fn rest(&self) {
        assert_eq!(self.running.load(Ordering::SeqCst), 0, "it rests while something runs");
    }
    fn began(&self) -> Duration {
        Duration::ZERO
    }
}

/// Counts one of something, until it is dropped.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>, at_most: usize) -> Self {
        let now = count.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now <= at_most, "{now} are there where {at_most} may be");
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Stands for the pool.
struct Model {
    chances: Chances,
    clock: Arc<FakeClock>,
    places: Places,
    line: Line<Fake>,
    generations: Vec<Arc<Generation<Fake>>>,
    alive: Arc<AtomicUsize>,
    /// Tasks that nobody waits for.
    tasks: Arc<AtomicUsize>,
}

fn happens(chance: f64) -> bool {
    chance > 0.0 && thread_rng().gen_bool(chance)
}

async fn some_steps() {
    for _ in 0..thread_rng().gen_range(1..3) {
        future::yield_now().await;
    }
}

impl Model {
    fn new(chances: Chances) -> Arc<Self> {
        let clock = Arc::new(FakeClock::at(0));
        let policy = Arc::new(Policy::new(KeepWarm::default(), Arc::<FakeClock>::clone(&clock), 1 << 30));
        let generation = |number: usize| {
            let mut function = active_function(&scope(), &format!("function-{number}"));
            function.desired.configuration.managed_instances = (chances.seats > 1).then(|| ManagedInstances {
                capacity_provider_arn: String::new(),
                invokes_at_once: Some(chances.seats),
                memory_gib_per_vcpu: None,
            });
            let target = Arc::new(Target::of(&function, &function.desired));
            let warmth = Arc::new(Warmth::new(Arc::clone(&policy)));
            Arc::new(Generation::new(target, String::new(), warmth))
        };
        let bell = Arc::new(Bell::new());
        Arc::new(Self {
            chances,
            places: Places::new(chances.places, Arc::clone(&bell)),
            line: Line::new(chances.invokes * 2, bell),
            generations: (0..chances.functions).map(generation).collect(),
            alive: Arc::default(),
            tasks: Arc::default(),
            clock,
        })
    }

    fn fake(&self, place: Place, is_wanted: Option<Arc<AtomicBool>>) -> Fake {
        let alive = Counted::new(&self.alive, self.chances.places);
        Fake {
            running: AtomicUsize::new(0),
            seats: if is_wanted.is_some() || happens(self.chances.has_one_seat) {
                1
            } else {
                self.chances.seats as usize
            },
            is_good: AtomicBool::new(true),
            is_wanted,
            _place: place,
            _alive: alive,
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let counted = Counted::new(&self.tasks, usize::MAX);
        drop(future::spawn(async move {
            task.await;
            drop(counted);
        }));
    }

    fn place(&self) -> Option<Place> {
        self.places.take().or_else(|| {
            let all = &self.generations;
            drop(all.iter().find_map(|generation| generation.take_least(&GreedyDual::default()))?);
            self.places.take()
        })
    }

    /// As the pool does after an invoke.
    fn take_back(self: &Arc<Self>, lease: Lease<Fake>) {
        if happens(0.5) || self.chances.seats > 1 {
            return release(self, lease);
        }
        let (model, returning) = (Arc::clone(self), lease.returning());
        self.spawn(async move {
            some_steps().await;
            drop(returning);
            release(&model, lease);
        });
    }

    async fn invoke(self: Arc<Self>, generation: Arc<Generation<Fake>>) {
        if happens(self.chances.goes_away) {
            let acquired = acquire(&self, &generation);
            let mut acquired = std::pin::pin!(acquired);
            tokio::select! {
                biased;
                lease = &mut acquired => return drop(lease),
                () = some_steps() => return,
            }
        }
        let Ok(mut lease) = acquire(&self, &generation).await else { return };
        match lease.held() {
            Held::Alone(fake) => self.serve(fake).await,
            Held::Beside(fake) => {
                let fake = Arc::clone(fake);
                self.serve(&fake).await;
            }
        }
        if !happens(self.chances.is_lost) {
            self.take_back(lease);
        }
    }

    async fn serve(&self, fake: &Fake) {
        let beside = fake.running.fetch_add(1, Ordering::SeqCst);
        assert!(beside < fake.seats, "it serves more invokes at once than it may");
        some_steps().await;
        fake.running.fetch_sub(1, Ordering::SeqCst);
        if happens(self.chances.is_unfit) {
            fake.is_good.store(false, Ordering::SeqCst);
        }
    }

    fn invokes(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let generation = |number: usize| Arc::clone(&self.generations[number % self.generations.len()]);
        (0..self.chances.invokes).map(|number| future::spawn(Arc::clone(self).invoke(generation(number)))).collect()
    }

    /// Runs what `meanwhile` does beside all invokes, and looks at what is left.
    async fn run(self: Arc<Self>, meanwhile: impl Future<Output = ()>) {
        let stop = Arc::new(Notify::new());
        let usher = future::spawn({
            let (model, stop) = (Arc::clone(&self), Arc::clone(&stop));
            async move {
                loop {
                    tokio::select! {
                        biased;
                        () = stop.notified() => return,
                        () = model.line.bell().rung() => acquire::serve_line(&model),
                    }
                }
            }
        });
        let invokes = self.invokes();
        meanwhile.await;
        for invoke in invokes {
            invoke.await.expect("it ends");
        }
        stop.notify_one();
        usher.await.expect("it ends");
        while self.tasks.load(Ordering::SeqCst) > 0 {
            future::yield_now().await;
        }
        acquire::serve_line(&self);
        assert!(self.line.next().is_none() && self.line.invokes() == 0, "somebody is left in the line");
        for generation in &self.generations {
            drop(generation.take_all_idle());
            assert_eq!(generation.counts(), [0; 4], "waiters, starting, returning, leases");
        }
        assert_eq!((self.places.taken(), self.alive.load(Ordering::SeqCst)), (0, 0));
    }
}

impl Starter<Fake> for Model {
    fn begin(self: &Arc<Self>, generation: &Arc<Generation<Fake>>) -> Result<(), Refusal> {
        if happens(self.chances.is_short) {
            return Err(Refusal::Because(acquire::no_capacity("a test")));
        }
        let place = self.place().ok_or(Refusal::Full)?;
        let (model, generation) = (Arc::clone(self), Arc::clone(generation));
        self.spawn(async move {
            some_steps().await;
            if happens(model.chances.fails) {
                drop(place);
                return generation.failed(AcquireError::Start { source: Arc::new(std::io::Error::other("a test")) });
            }
            let fake = model.fake(place, None);
            model.take_back(generation.started(fake));
        });
        Ok(())
    }

    fn line(&self) -> &Line<Fake> {
        &self.line
    }

    fn now(&self) -> Duration {
        self.clock.advance(TICK);
        self.clock.monotonic()
    }

    /// A patience ends, a timeout only when there are some.
    async fn sleep(&self, duration: Duration) {
        if duration >= Duration::from_secs(1) && !self.chances.has_timeouts {
            std::future::pending::<()>().await;
        }
        some_steps().await;
    }

    fn is_stopping(&self) -> bool {
        false
    }
}

fn check(chances: Chances) {
    shuttle::check_random(move || future::block_on(Model::new(chances).run(std::future::ready(()))), SCHEDULES);
}

#[test]
fn one_function_with_room_for_all() {
    check(Chances { places: 4, ..ALL_GOES_WELL });
}

#[test]
fn functions_share_a_full_machine() {
    check(Chances { functions: 3, invokes: 6, ..ALL_GOES_WELL });
}

#[test]
fn starts_fail_and_environments_are_unfit_or_lost() {
    check(Chances { functions: 2, invokes: 5, fails: 0.3, is_unfit: 0.3, is_lost: 0.2, ..ALL_GOES_WELL });
}

#[test]
fn environments_run_several_invokes() {
    check(Chances {
        seats: 2,
        has_one_seat: 0.2,
        invokes: 6,
        fails: 0.2,
        is_unfit: 0.2,
        is_lost: 0.2,
        ..ALL_GOES_WELL
    });
}

#[test]
fn functions_whose_environments_run_several_invokes_share_a_full_machine() {
    let hostile = Chances { fails: 0.1, is_short: 0.1, is_unfit: 0.1, goes_away: 0.2, ..ALL_GOES_WELL };
    check(Chances { seats: 3, places: 1, functions: 2, invokes: 6, has_timeouts: true, ..hostile });
}

#[test]
fn the_machine_runs_short() {
    check(Chances { invokes: 5, fails: 0.1, is_short: 0.3, is_unfit: 0.2, ..ALL_GOES_WELL });
}

#[test]
fn callers_go_away_and_timeouts_end_the_wait() {
    let hostile = Chances { fails: 0.1, is_short: 0.1, is_unfit: 0.1, is_lost: 0.1, goes_away: 0.3, ..ALL_GOES_WELL };
    check(Chances { places: 1, functions: 2, invokes: 5, has_timeouts: true, ..hostile });
}

#[test]
fn generations_retire_and_provisioned_ones_come_and_go() {
    let chances = Chances { places: 3, functions: 2, invokes: 4, is_unfit: 0.1, ..ALL_GOES_WELL };
    shuttle::check_random(
        move || {
            let model = Model::new(chances);
            let own = Arc::clone(&model);
            let meanwhile = async move {
                let generation = &own.generations[0];
                let is_wanted = Arc::new(AtomicBool::new(true));
                if let Some(place) = own.places.take() {
                    let fake = own.fake(place, Some(Arc::clone(&is_wanted)));
                    release(&own, generation.provisioned(fake));
                }
                some_steps().await;
                is_wanted.store(false, Ordering::SeqCst);
                drop(generation.take_provisioned(usize::MAX));
                some_steps().await;
                drop(own.generations[1].retire(true));
            };
            future::block_on(Arc::clone(&model).run(meanwhile));
        },
        SCHEDULES,
    );
}
