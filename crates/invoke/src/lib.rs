//! What happens when an invoke arrives: resolve, authorise, check limits, admit, acquire, deliver, settle. One whose caller
//! does not wait ends after "check limits" in the queue that [`event_queue`] declares, and comes back from there.
//!
//! [`Invoker::invoke`] is the walk; `docs/life-of-an-invoke.md` has the same steps as headings, and the
//! tracing spans have their names. [`environments`] declares the port through which environments are had;
//! `worker` implements it. Nothing here touches a disk or waits for the store, except for a function that
//! memory does not know yet or knows to be changing.

mod admission;
pub mod environments;
mod error;
mod event;
pub mod event_queue;
mod figures;
mod finishing;
mod index;
mod known;
mod pace;
mod promptly;
mod request;
mod sampling;
mod stream;
mod sync;
mod trace;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::clock::Clock;
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_core::lineage::Lineage;
use tindra_core::name::{self, FunctionReference, NameError};
use tindra_core::tenant::TenantId;
use tindra_store::Store;
use tracing::Instrument as _;
use uuid::Uuid;

pub use admission::Concurrency;
pub use error::{Culprit, InvokeError, Throttle};
pub use promptly::promptly;
pub use request::{InvokeRequest, InvokeResponse, Mode};
pub use stream::{AnswerPart, AnswerSink, AnswerStream};
pub use trace::fresh_trace_id;

use admission::{Admission, Limits, Permit};
use environments::{AcquireError, Environments, Finished, Invocation, Outcome, Target};
use event::Event;
use event_queue::{EventQueue, NewEvent};
use finishing::Finishing;
use index::Index;
use known::{Entry, Known};
use pace::Pace;
use stream::{Beginning, Begun};

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub struct InvokerOptions {
    /// Invokes that may run at once in each account and region.
    pub concurrent_executions_max: u32,
    /// Invokes that may arrive in each second, for each that may run at once; 0 for no limit. Counted for the account and
    /// region, and for a function by its reserve; provisioned concurrency that is asked more often spills over.
    pub requests_per_s_per_concurrency: u32,
}

impl Default for InvokerOptions {
    fn default() -> Self {
        Self {
            concurrent_executions_max: limits::CONCURRENT_EXECUTIONS_DEFAULT,
            requests_per_s_per_concurrency: limits::REQUESTS_PER_S_PER_CONCURRENCY,
        }
    }
}

/// How much of a version's provisioned concurrency was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisionedUse {
    /// The most invokes that ran on it at once.
    pub peak: u32,
    /// Those that can run on it.
    pub allocated: u32,
}

/// The invoke path is not ready, because the functions could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the functions from the store")]
pub struct StartError {
    #[source]
    source: tindra_store::StoreError,
}

/// The invoke path; a cheap handle.
pub struct Invoker<E> {
    shared: Arc<Shared<E>>,
}

struct Shared<E> {
    index: Index,
    admission: Arc<Admission>,
    pace: Pace,
    environments: E,
    queue: Arc<dyn EventQueue>,
    clock: Arc<dyn Clock>,
}

/// A function that a request names, before it is known whether the caller may invoke it.
struct Resolved<'a> {
    reference: FunctionReference<'a>,
    found: Option<Found>,
}

/// The version of a function that an invoke is for.
struct Found {
    known: Arc<Known>,
    entry: Arc<Entry>,
}

/// An invoke that was let in.
struct Admitted {
    known: Arc<Known>,
    target: Arc<Target>,
    permit: Permit,
    invocation: Invocation,
    /// The caller's end of an answer that may come as it is made.
    beginning: Option<Beginning>,
}

impl<E: Environments> Invoker<E> {
    /// Reads all functions into memory and follows the store from there. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the functions cannot be read.
    pub async fn start(
        store: Store,
        environments: E,
        queue: Arc<dyn EventQueue>,
        clock: Arc<dyn Clock>,
        options: InvokerOptions,
    ) -> Result<Self, StartError> {
        let limits = Limits {
            concurrency: options.concurrent_executions_max,
            requests_per_s: options.requests_per_s_per_concurrency,
        };
        let admission = Arc::new(Admission::new(limits));
        let index = Index::start(store, Arc::clone(&admission)).await.map_err(|source| StartError { source })?;
        Ok(Self { shared: Arc::new(Shared { index, admission, pace: Pace::default(), environments, queue, clock }) })
    }

    /// Runs a function for one event.
    ///
    /// From "acquire" on the invoke is a task of its own: a caller that goes away does not stop the function.
    ///
    /// # Errors
    /// Tells whose fault it is, whether to try again, and its name in the API; see [`InvokeError`]. An error
    /// that the function answers with is not one of them.
    pub async fn invoke(&self, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        let resolved = self.shared.resolve(&request).await?;
        let found = authorise(&request, resolved)?;
        if request.mode == Mode::Event {
            return self.shared.enqueue(self.shared.event(request, found)?).await;
        }
        let (target, event) = check_limits(&request, &found.entry)?;
        if request.mode == Mode::DryRun {
            return Ok(InvokeResponse::DryRun);
        }
        match self.shared.admit(request, found.known, target, event) {
            Ok(admitted) => self.run(admitted).await,
            Err(refused) => Err(self.shared.paced(refused).await),
        }
    }

    /// The event of an asynchronous invoke, for whoever makes it durable in a commit of its own.
    ///
    /// # Errors
    /// As an asynchronous invoke is refused.
    pub async fn event(&self, request: InvokeRequest) -> Result<NewEvent, InvokeError> {
        let resolved = self.shared.resolve(&request).await?;
        let found = authorise(&request, resolved)?;
        self.shared.event(request, found)
    }

    /// How much of an account's and region's concurrency is used.
    #[must_use]
    pub fn concurrency(&self, scope: &Scope) -> Concurrency {
        self.shared.admission.concurrency(scope)
    }

    /// Invokes that run now in an account and region.
    #[must_use]
    pub fn running(&self, scope: &Scope) -> u32 {
        self.shared.admission.running(scope)
    }

    /// Invokes that run now, of all accounts and regions, those whose callers have gone among them.
    #[must_use]
    pub fn running_everywhere(&self) -> u32 {
        self.shared.admission.running_everywhere()
    }

    /// How much of the provisioned concurrency of what a qualifier leads to was used at once since the last call; none while
    /// there is none. For one that asks: whoever else does takes it away.
    #[must_use]
    pub fn take_provisioned_use(&self, scope: &Scope, name: &str, qualifier: &str) -> Option<ProvisionedUse> {
        let known = self.shared.index.get(&scope.account, &scope.region, name)?;
        known.take_provisioned_use(known.version(qualifier)?)
    }

    /// The steps that no caller can cut short. A panic in them is this invoke's error and nobody else's.
    async fn run(&self, admitted: Admitted) -> Result<InvokeResponse, InvokeError> {
        let shared = Arc::clone(&self.shared);
        let span = tracing::debug_span!(
            "invoke",
            request_id = admitted.invocation.request_id,
            function = admitted.invocation.invoked_arn
        );
        let Admitted { known, target, permit, invocation, beginning } = admitted;
        let executed_version = beginning.as_ref().map(|_| target.version.to_string());
        let task = async move {
            let started = shared.clock.monotonic();
            let trace_id = invocation.trace_id.clone();
            let finished = match shared.acquire(&target).await {
                Ok(lease) => shared.deliver(lease, invocation).await,
                Err(error) => Err(error),
            };
            let took = shared.clock.monotonic().saturating_sub(started);
            settle(&known, &target, permit, finished, took, trace_id)
        };
        let finishing = Finishing::new(task.instrument(span));
        let Some(beginning) = beginning else {
            return match finishing.await {
                Ok(result) => result,
                Err(error) => Err(InvokeError::internal("finish the invoke", error)),
            };
        };
        match beginning.of(finishing).await {
            Begun::Whole(result) => result,
            Begun::Stream(stream) => {
                Ok(InvokeResponse::Streaming { stream, executed_version: executed_version.unwrap_or_default() })
            }
        }
    }
}

impl<E: Environments> Shared<E> {
    /// Finds the function that the request names. Memory answers, unless it has no such function or one that
    /// is being changed, or has not yet taken in every change that somebody was told of: then the store is
    /// asked once, so that nobody who has seen a change meets what was before it.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn resolve<'a>(&self, request: &'a InvokeRequest) -> Result<Resolved<'a>, InvokeError> {
        let reference = FunctionReference::parse(&request.function)?.with_qualifier(request.qualifier.as_deref())?;
        reference.check_region(&request.scope)?;
        let account = reference.account.unwrap_or(&request.scope.account);
        let known = self.index.get(account, &request.scope.region, reference.name);
        let found = known.and_then(|known| {
            let entry = known.find(reference.qualifier, random)?;
            Some(Found { entry: Arc::clone(entry), known })
        });
        if found.as_ref().is_some_and(|found| !found.entry.is_unsettled()) && !self.index.is_behind() {
            return Ok(Resolved { reference, found });
        }
        let owner = Scope { account: account.to_owned(), region: request.scope.region.clone() };
        let read = self.index.read_through(&owner, reference.name, reference.qualifier, random()).await;
        let found = match (read, found) {
            (Ok(read), _) => read.map(|(known, entry)| Found { known, entry }),
            // The old deployment serves during an update, and also while the store is away.
            (Err(_), Some(found)) if found.entry.target().is_ok() => Some(found),
            (Err(error), _) => return Err(InvokeError::internal("look the function up", error)),
        };
        Ok(Resolved { reference, found })
    }

    /// What will wait for its turn. A function that cannot be run now may be able to then. The client context is for
    /// synchronous invokes only (AWS).
    fn event(&self, request: InvokeRequest, found: Found) -> Result<NewEvent, InvokeError> {
        let target = found.entry.target().ok();
        if let Some(target) = target {
            for_whom(target, request.tenant.as_ref())?;
        }
        let event = Event::read(&request)?;
        let reference = FunctionReference::parse(&request.function)?.with_qualifier(request.qualifier.as_deref())?;
        let now_ms = self.clock.unix_ms();
        let traces = target.is_some_and(|target| target.deployment.configuration.traces_actively);
        let is_sampled = || traces && found.known.sampling.is_sampled(now_ms, random);
        Ok(NewEvent {
            request_id: request.request_id,
            scope: found.known.scope.clone(),
            function_name: reference.name.to_owned(),
            qualifier: reference.qualifier.map(str::to_owned),
            trace_id: trace::trace_id(request.trace_id, now_ms, is_sampled, Uuid::new_v4),
            tenant: request.tenant,
            is_unwanted: found.known.wants_nothing(),
            payload: event.payload,
        })
    }

    /// Puts the event where it waits.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn enqueue(&self, event: NewEvent) -> Result<InvokeResponse, InvokeError> {
        // A caller that goes away now may have its event run; it is not left half handed over.
        let queue = Arc::clone(&self.queue);
        let queued = Finishing::new(async move { queue.accept(event).await }).await;
        match queued {
            Ok(Ok(())) => Ok(InvokeResponse::Accepted),
            Ok(Err(error)) => Err(InvokeError::internal("queue the event", error)),
            Err(error) => Err(InvokeError::internal("queue the event", error)),
        }
    }

    /// Counts the invoke in, and makes what the function will see.
    #[tracing::instrument(level = "debug", skip_all)]
    fn admit(
        &self,
        request: InvokeRequest,
        known: Arc<Known>,
        target: Arc<Target>,
        event: Event,
    ) -> Result<Admitted, InvokeError> {
        let before = request.trace_id.as_deref().and_then(Lineage::find);
        let lineage = Lineage::pass(before, trace::resource(target.function_id));
        if lineage.is_loop() && known.ends_loops() {
            known.figures.recursive();
            return Err(InvokeError::Recursive);
        }
        let permit = known.admit(target.version, self.clock.monotonic()).inspect_err(|_| known.figures.throttled())?;
        let reference = FunctionReference::parse(&request.function)?.with_qualifier(request.qualifier.as_deref())?;
        let now_ms = self.clock.unix_ms();
        let is_sampled =
            || target.deployment.configuration.traces_actively && known.sampling.is_sampled(now_ms, random);
        let trace_id = trace::trace_id(request.trace_id, now_ms, is_sampled, Uuid::new_v4);
        let (sink, beginning) = match request.mode {
            Mode::ResponseStream => Some(stream::channel()).unzip(),
            _ => (None, None),
        };
        let invocation = Invocation {
            invoked_arn: name::arn(&target.scope, &target.name, reference.qualifier),
            request_id: request.request_id,
            payload: event.payload,
            trace_id: lineage.put_into(&trace_id),
            client_context: event.client_context,
            wants_log_tail: request.log_tail,
            sink,
        };
        Ok(Admitted { known, target, permit, invocation, beginning })
    }

    /// Lets a caller wait for a refusal when there are very many of them.
    async fn paced(&self, refused: InvokeError) -> InvokeError {
        let wait = self.pace.wait(self.clock.monotonic());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        refused
    }

    /// Takes an environment of the target, a ready one or a new one.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn acquire(&self, target: &Arc<Target>) -> Result<E::Lease, AcquireError> {
        self.environments.acquire(target).await
    }

    /// Runs the function.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn deliver(&self, lease: E::Lease, invocation: Invocation) -> Result<Finished, AcquireError> {
        self.environments.deliver(lease, invocation).await
    }
}

/// For an alias with two versions.
fn random() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

/// Refuses what the caller may not invoke, a function of another account among it, whether it exists or not.
#[tracing::instrument(level = "debug", skip_all)]
fn authorise(request: &InvokeRequest, resolved: Resolved<'_>) -> Result<Found, InvokeError> {
    let Resolved { reference, found } = resolved;
    reference.check_account(&request.scope)?;
    found.ok_or_else(|| {
        NameError::NotFound { arn: name::arn(&request.scope, reference.name, reference.qualifier) }.into()
    })
}

/// Refuses a function that cannot be run now, or not for whom it is asked, and an event that is too large or not JSON.
#[tracing::instrument(level = "debug", skip_all)]
fn check_limits(request: &InvokeRequest, entry: &Entry) -> Result<(Arc<Target>, Event), InvokeError> {
    let target = for_whom(entry.target()?, request.tenant.as_ref())?;
    Ok((target, Event::read(request)?))
}

/// The target of the tenant that the request names: of a function that isolates tenants it has to, of another it must not.
fn for_whom(target: &Arc<Target>, tenant: Option<&TenantId>) -> Result<Arc<Target>, InvokeError> {
    match (target.deployment.configuration.isolates_tenants, tenant) {
        (false, None) => Ok(Arc::clone(target)),
        (true, Some(tenant)) => Ok(Arc::new(target.for_tenant(tenant.clone()))),
        (true, None) => Err(InvokeError::TenantMissing),
        (false, Some(_)) => Err(InvokeError::TenantUnexpected),
    }
}

/// Records how the invoke ended and gives its place back.
#[tracing::instrument(level = "debug", skip_all)]
fn settle(
    known: &Known,
    target: &Target,
    permit: Permit,
    finished: Result<Finished, AcquireError>,
    took: Duration,
    trace_id: String,
) -> Result<InvokeResponse, InvokeError> {
    drop(permit);
    match finished {
        Ok(finished) => {
            known.figures.ended(matches!(finished.outcome, Outcome::FunctionError(_)), took);
            Ok(InvokeResponse::Completed { finished, executed_version: target.version.to_string(), trace_id })
        }
        Err(AcquireError::NoCapacity { reason }) => {
            known.figures.throttled();
            Err(InvokeError::NoCapacity { reason })
        }
        Err(AcquireError::TooManyOfTenants { max }) => {
            known.figures.throttled();
            Err(InvokeError::TooManyOfTenants { max })
        }
        Err(AcquireError::TooFast) => {
            known.figures.throttled();
            Err(InvokeError::Throttled(Throttle::Concurrency))
        }
        Err(AcquireError::Restore(error)) => {
            known.figures.ended(true, took);
            Err(error.into())
        }
        Err(AcquireError::Start { source }) => {
            known.figures.ended(true, took);
            Err(InvokeError::internal("start the execution environment", source))
        }
    }
}

impl<E> Clone for Invoker<E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<E> fmt::Debug for Invoker<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Invoker").field("admission", &self.shared.admission).finish_non_exhaustive()
    }
}
