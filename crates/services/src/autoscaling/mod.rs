//! Application Auto Scaling for Lambda's provisioned concurrency: scalable targets, target tracking, scheduled actions.
//!
//! [`AutoscalingService`] answers the API. Each scalable target is one record with its policy and its scheduled actions,
//! which goes in one batch with the version or alias that it scales; another record beside it has what was done. The
//! engine, a task of its own, follows the records and the clock, and changes what is provisioned through
//! [`Provisioning`]; what it decides is in `core` ([`tindra_core::scaling`], [`tindra_core::schedule`]).

mod actions;
mod activities;
mod advance;
mod changes;
mod engine;
mod error;
mod meter;
mod names;
mod page;
mod policies;
mod records;
mod tags;
mod targets;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tindra_core::clock::Clock;
use tindra_core::function::Scope;
use tindra_model::{ApiError, Call, Reply};
use tindra_store::{BoxFuture, Store};

use crate::iam::IamService;

pub use error::AutoscalingError;
pub use names::Scaled;

use engine::Engine;

/// The provisioned concurrency of versions and aliases, as the engine measures and changes it.
pub trait Provisioning: Send + Sync + Debug {
    /// Asks for a capacity as PutProvisionedConcurrencyConfig does; 0 takes it away.
    fn set<'a>(&'a self, scaled: &'a Scaled, capacity: u32) -> BoxFuture<'a, Result<(), ProvisioningError>>;

    /// The highest share of the capacity that was used at once since the last call; none while there is none.
    fn take_utilisation(&self, scaled: &Scaled) -> Option<f64>;
}

/// Why a capacity was not asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisioningError {
    /// It cannot be had; the text is for the user.
    #[error("{0}")]
    Refused(String),
    /// Nobody knows; to be tried again.
    #[error("{0}")]
    Unavailable(String),
}

/// Application Auto Scaling of every account and region. Cheap to clone; the engine ends with the last handle.
#[derive(Clone, Debug)]
pub struct AutoscalingService {
    store: Store,
    clock: Arc<dyn Clock>,
    iam: IamService,
    _engine: Arc<Running>,
}

/// The engine's task.
#[derive(Debug)]
struct Running(tokio::task::JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl AutoscalingService {
    /// Starts the engine, so it must be called inside a tokio runtime.
    #[must_use]
    pub fn start(store: Store, clock: Arc<dyn Clock>, iam: IamService, provisioning: Arc<dyn Provisioning>) -> Self {
        let watch = store.metadata.watch(records::TARGET_PREFIX);
        let engine = Engine::new(store.clone(), Arc::clone(&clock), provisioning);
        let running = Arc::new(Running(tokio::spawn(engine.run(watch))));
        Self { store, clock, iam, _engine: running }
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(scope, call.operation.name(), call.input).await?))
    }

    /// Answers one operation, told by its name in the service model, with the members of its output.
    ///
    /// # Errors
    /// As the API has them; see [`AutoscalingError`].
    pub async fn answer(&self, scope: &Scope, operation: &str, input: Value) -> Result<Value, AutoscalingError> {
        match operation {
            "RegisterScalableTarget" => self.register_target(scope, parse(input)?).await,
            "DescribeScalableTargets" => self.describe_targets(scope, parse(input)?).await,
            "DeregisterScalableTarget" => self.deregister_target(scope, parse(input)?).await,
            "PutScalingPolicy" => self.put_policy(scope, parse(input)?).await,
            "DescribeScalingPolicies" => self.describe_policies(scope, parse(input)?).await,
            "DeleteScalingPolicy" => self.delete_policy(scope, parse(input)?).await,
            "PutScheduledAction" => self.put_action(scope, parse(input)?).await,
            "DescribeScheduledActions" => self.describe_actions(scope, parse(input)?).await,
            "DeleteScheduledAction" => self.delete_action(scope, parse(input)?).await,
            "DescribeScalingActivities" => self.describe_activities(scope, parse(input)?).await,
            "ListTagsForResource" => self.list_tags(scope, parse(input)?).await,
            "TagResource" => self.tag(scope, parse(input)?).await,
            "UntagResource" => self.untag(scope, parse(input)?).await,
            _ => Err(AutoscalingError::unserved(operation)),
        }
    }
}

fn parse<T: DeserializeOwned>(input: Value) -> Result<T, AutoscalingError> {
    serde_json::from_value(input).map_err(|error| AutoscalingError::new("SerializationException", error.to_string()))
}
