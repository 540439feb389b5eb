//! Environments that do what the test planned.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tindra_invoke::environments::{AcquireError, Environments, Finished, Invocation, Outcome, RestoreError, Target};
use tokio::sync::{Semaphore, watch};

/// What becomes of one invoke.
#[derive(Clone, Debug)]
pub enum Plan {
    /// The event comes back.
    Echo,
    /// The function answers with an error object.
    FunctionError(Bytes),
    /// The event comes back once a permit is added to the semaphore.
    EchoAfter(Arc<Semaphore>),
    /// The event comes back piece by piece, each byte once a permit is added to the semaphore; then the outcome.
    Stream(Arc<Semaphore>, Outcome),
    /// The machine is full.
    NoCapacity,
    /// The tenants of the account have as many environments as they may.
    TooManyOfTenants,
    /// The environment cannot be built.
    StartFails,
    /// The environment does not come back from its snapshot.
    RestoreFails(RestoreError),
    /// The environment is lost while the function runs.
    DeliverFails,
    /// Acquiring panics.
    AcquirePanics,
    /// Delivering panics.
    DeliverPanics,
}

/// A cheap handle to environments that follow plans, one plan for each invoke, and echo without one.
#[derive(Clone, Debug, Default)]
pub struct FakeEnvironments {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    plans: Mutex<VecDeque<Plan>>,
    delivered: Mutex<Vec<(Arc<Target>, Invocation)>>,
    leases: AtomicU32,
    ended: watch::Sender<u32>,
    begun: watch::Sender<u32>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            plans: Mutex::default(),
            delivered: Mutex::default(),
            leases: AtomicU32::new(0),
            ended: watch::Sender::new(0),
            begun: watch::Sender::new(0),
        }
    }
}

/// One environment taken for one invoke.
#[derive(Debug)]
pub struct FakeLease {
    target: Arc<Target>,
    plan: Plan,
    shared: Arc<Shared>,
}

impl Drop for FakeLease {
    fn drop(&mut self) {
        self.shared.leases.fetch_sub(1, Ordering::SeqCst);
    }
}

impl FakeEnvironments {
    /// Adds the plan of one more invoke.
    pub fn plan(&self, plan: Plan) {
        lock(&self.shared.plans).push_back(plan);
    }

    /// Everything that was delivered, in order.
    #[must_use]
    pub fn delivered(&self) -> Vec<(Arc<Target>, Invocation)> {
        lock(&self.shared.delivered).clone()
    }

    /// Environments that are taken now.
    #[must_use]
    pub fn leases(&self) -> u32 {
        self.shared.leases.load(Ordering::SeqCst)
    }

    /// Waits until so many invokes have reached a function.
    pub async fn wait_begun(&self, invokes: u32) {
        self.shared.begun.subscribe().wait_for(|begun| *begun >= invokes).await.expect("the sender lives as long");
    }

    /// Waits until so many functions have answered.
    pub async fn wait_ended(&self, invokes: u32) {
        self.shared.ended.subscribe().wait_for(|ended| *ended >= invokes).await.expect("the sender lives as long");
    }
}

impl Environments for FakeEnvironments {
    type Lease = FakeLease;

    async fn acquire(&self, target: &Arc<Target>) -> Result<FakeLease, AcquireError> {
        let plan = lock(&self.shared.plans).pop_front().unwrap_or(Plan::Echo);
        match plan {
            Plan::NoCapacity => Err(AcquireError::NoCapacity { reason: "as planned".to_owned() }),
            Plan::TooManyOfTenants => Err(AcquireError::TooManyOfTenants { max: 25 }),
            Plan::StartFails => Err(AcquireError::Start {
                source: Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("as planned")),
            }),
            Plan::RestoreFails(error) => Err(error.into()),
            Plan::AcquirePanics => panic!("as planned"),
            plan => {
                self.shared.leases.fetch_add(1, Ordering::SeqCst);
                Ok(FakeLease { target: Arc::clone(target), plan, shared: Arc::clone(&self.shared) })
            }
        }
    }

    async fn deliver(&self, lease: FakeLease, invocation: Invocation) -> Result<Finished, AcquireError> {
        let shared = &self.shared;
        lock(&shared.delivered).push((Arc::clone(&lease.target), invocation.clone()));
        shared.begun.send_modify(|begun| *begun += 1);
        let outcome = match &lease.plan {
            Plan::FunctionError(error) => Outcome::FunctionError(error.clone()),
            Plan::DeliverFails => {
                return Err(AcquireError::Start {
                    source: Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("as planned")),
                });
            }
            Plan::DeliverPanics => panic!("as planned"),
            Plan::EchoAfter(gate) => {
                gate.acquire().await.expect("no test closes its gate").forget();
                Outcome::Success(invocation.payload)
            }
            Plan::Stream(gate, outcome) => {
                let sink = invocation.sink.as_ref().expect("the caller takes a stream");
                sink.begin(Some("text/plain".to_owned())).await;
                for byte in invocation.payload.chunks(1) {
                    gate.acquire().await.expect("no test closes its gate").forget();
                    sink.write(Bytes::copy_from_slice(byte)).await;
                }
                outcome.clone()
            }
            _ => Outcome::Success(invocation.payload),
        };
        shared.ended.send_modify(|ended| *ended += 1);
        let log_tail = invocation.wants_log_tail.then(|| Bytes::from_static(b"END\n"));
        Ok(Finished { outcome, log_tail })
    }
}

/// Locks a mutex; a plan that panics may have poisoned it, which does not matter.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
