//! The port to execution environments, declared here because the invoke path needs it; `worker` implements
//! it for this machine.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tindra_core::function::{Deployment, Function, Scope, Version};
use tindra_core::tenant::TenantId;
use uuid::Uuid;

use crate::stream::AnswerSink;

/// Which code an invoke runs, and for whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// Identity of the function.
    pub function_id: Uuid,
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name.
    pub name: String,
    /// `$LATEST` or a version number.
    pub version: Version,
    /// Code and configuration. Its generation is what environments are keyed by, together with the tenant.
    pub deployment: Arc<Deployment>,
    /// Of a function that isolates tenants: the one whose environments are meant.
    pub tenant: Option<TenantId>,
}

/// One event on its way to a handler.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The request id: the same for the caller (`x-amzn-RequestId`) and the function.
    pub request_id: String,
    /// The event, passed through byte for byte.
    pub payload: Bytes,
    /// The ARN as it was invoked, with the qualifier when one was given.
    pub invoked_arn: String,
    /// `Root=1-…;Parent=…;Sampled=0`.
    pub trace_id: String,
    /// Decoded JSON of the client context, only when the caller sent one.
    pub client_context: Option<String>,
    /// Whether the last 4 KB of the log are wanted with the answer.
    pub wants_log_tail: bool,
    /// Where an answer goes that the function makes piece by piece, when the caller takes it so. An answer that went there
    /// ends as a success without bytes, or as the error that broke it off.
    pub sink: Option<AnswerSink>,
}

/// What the function made of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler's answer, byte for byte.
    Success(Bytes),
    /// An error object, the function's own or the platform's (`Sandbox.Timedout`, `Runtime.ExitError`, …).
    FunctionError(Bytes),
}

/// A finished invoke.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The answer.
    pub outcome: Outcome,
    /// The last 4 KB of this invoke's log lines, when they were wanted.
    pub log_tail: Option<Bytes>,
}

impl Target {
    /// A deployment of a function, for no tenant.
    #[must_use]
    pub fn of(function: &Function, deployment: &Deployment) -> Self {
        Self {
            function_id: function.id,
            scope: function.scope.clone(),
            name: function.name.clone(),
            version: function.version,
            deployment: Arc::new(deployment.clone()),
            tenant: None,
        }
    }

    /// The same for one tenant.
    #[must_use]
    pub fn for_tenant(&self, tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..self.clone() }
    }

    /// Whether its environments begin as copies of a snapshot.
    #[must_use]
    pub fn has_snapshot(&self) -> bool {
        self.version != Version::Latest && self.deployment.configuration.snapshots_versions
    }
}

/// Why an environment did not come back from a snapshot. The texts are AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// There is no snapshot at present; one is being made.
    #[error(
        "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE."
    )]
    NotReady,
    /// Runtime and hooks took longer than [`tindra_core::limits::RESTORE_TIMEOUT_MS`].
    #[error("Lambda couldn't restore the snapshot within the timeout limit.")]
    TimedOut,
    /// An after-restore hook raised an error, or the process ended in it.
    #[error(
        "The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch logs."
    )]
    HookFailed,
}

/// Why no environment could be had: the platform's fault or a full machine, and the function's only in a restore
/// (a function that fails in its init phase still gets an environment, and answers with an error).
///
/// It can be told to each of several invokes that waited for one environment.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcquireError {
    /// The machine cannot take another environment now; the caller may retry.
    #[error("no room for another execution environment: {reason}")]
    NoCapacity {
        /// What is short.
        reason: String,
    },
    /// The tenants of the account have as many environments as they may have together; the caller may retry.
    #[error("the tenants of the account have {max} execution environments, which is as many as they may have")]
    TooManyOfTenants {
        /// How many they may have.
        max: usize,
    },
    /// As many environments of the function have been started lately as may be; the caller may retry.
    #[error("the function's environments have become more as fast as they may")]
    TooFast,
    /// The platform could not build the environment.
    #[error("the execution environment could not be started")]
    Start {
        /// What failed.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The environment did not come back from its snapshot.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// Execution environments, wherever they are.
pub trait Environments: Send + Sync + 'static {
    /// One environment, taken for one invoke. Dropping it undelivered destroys the environment.
    type Lease: Send;

    /// Takes whichever environment of the target is ready first: an idle one, else a new one.
    fn acquire(&self, target: &Arc<Target>) -> impl Future<Output = Result<Self::Lease, AcquireError>> + Send;

    /// Runs one invoke to its end, init phase included when the environment is new. The environment goes
    /// back to the pool, or is destroyed when its state is not known to be good.
    fn deliver(
        &self,
        lease: Self::Lease,
        invocation: Invocation,
    ) -> impl Future<Output = Result<Finished, AcquireError>> + Send;
}
