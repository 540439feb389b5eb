//! Makes the snapshots of versions: an environment of each that is copied and never invoked.

use std::sync::Arc;

use tindra_core::function::{Function, Reason};
use tindra_invoke::environments::{AcquireError, Target};
use tindra_store::BoxFuture;

use super::Pool;
use super::acquire::Refusal;
use crate::environment::{Environment, Snapshotted};
use crate::snapshot::Snapshot;
use crate::snapshots::{Snapshots, failed};

/// A pool as the maker of snapshots.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotMaker(pub(crate) Arc<Pool>);

impl Snapshots for SnapshotMaker {
    fn make<'a>(&'a self, function: &'a Function) -> BoxFuture<'a, Result<(), Reason>> {
        Box::pin(async move {
            let target = Arc::new(Target::of(function, &function.desired));
            self.0.make_snapshot(&target).await.unwrap_or_else(|error| Err(internal(&error)))
        })
    }
}

fn internal(error: &AcquireError) -> Reason {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Reason { code: "InternalError".to_owned(), message: format!("The snapshot could not be made: {error}{cause}.") }
}

impl Pool {
    /// Makes a snapshot unless there is one. The inner error is the function's.
    async fn make_snapshot(&self, target: &Arc<Target>) -> Result<Result<(), Reason>, AcquireError> {
        let (generation, machine) = (target.deployment.generation, &self.machine);
        if machine.snapshots.get(generation).is_some() {
            return Ok(Ok(()));
        }
        let Some(place) = self.place() else { return Err(Refusal::Full.into()) };
        let mut original = Box::new(Environment::start(machine, target, place, None).await?);
        original.become_original();
        match original.take_snapshot().await? {
            Snapshotted::Ready => {
                let key = Function::version_key(&target.scope, &target.name, target.version);
                let snapshot = Arc::new(Snapshot::new(key, original));
                machine.snapshots.put(generation, Arc::clone(&snapshot));
                snapshot.fill_later(machine.clock.monotonic());
                Ok(Ok(()))
            }
            Snapshotted::Unsuitable(reason) => {
                let function = format!("{}:{}", target.name, target.version);
                tracing::warn!(
                    function,
                    reason,
                    "a snapshot cannot be copied; environments go through their own init phase"
                );
                Ok(Ok(()))
            }
            Snapshotted::Failed(status) => Ok(Err(failed(&status))),
        }
    }

    /// After a restart of the server there are none: the first start of a version makes its snapshot anew, beside itself.
    pub(super) fn remake_snapshot(self: &Arc<Self>, target: &Arc<Target>) {
        let generation = target.deployment.generation;
        if !target.has_snapshot()
            || self.machine.snapshots.get(generation).is_some()
            || !self.machine.snapshots.remake(generation)
        {
            return;
        }
        let (pool, target) = (Arc::clone(self), Arc::clone(target));
        tokio::spawn(async move {
            if let Err(error) = pool.make_snapshot(&target).await {
                tracing::warn!(function = target.name, %error, "a snapshot could not be made anew");
            }
        });
    }
}
