//! The real parts behind the edge.

use std::sync::Arc;

use bytes::Bytes;
use tindra_control::{Caller, Control};
use tindra_core::function::Scope;
use tindra_core::name::FunctionName;
use tindra_core::policy::Policy;
use tindra_invoke::{Concurrency, InvokeError, InvokeRequest, InvokeResponse, Invoker};
use tindra_model::{ApiError, Call, Reply};
use tindra_services::autoscaling::AutoscalingService;
use tindra_services::iam::{IamService, Identity};
use tindra_services::logs::LogsService;
use tindra_services::sts::StsService;
use tindra_store::Store;
use tindra_worker::{Headroom, Listed, Worker};

use crate::edge::{Backends, Health, HealthLayer};
use crate::telemetry;

/// A key that need not exist: health asks only whether the store answers.
const PROBE_KEY: &str = "health/probe";

/// The neighbours of Lambda.
#[derive(Debug)]
pub(crate) struct Neighbours {
    pub(crate) logs: LogsService,
    pub(crate) iam: IamService,
    pub(crate) sts: StsService,
    pub(crate) autoscaling: AutoscalingService,
}

/// Control plane, invoke path and neighbours over one store and one worker.
#[derive(Debug)]
pub(crate) struct Parts {
    control: Arc<Control>,
    invoker: Invoker<Worker>,
    neighbours: Neighbours,
    store: Store,
    worker: Worker,
    layers: Vec<HealthLayer>,
}

impl Parts {
    pub(crate) fn new(
        control: Arc<Control>,
        invoker: Invoker<Worker>,
        neighbours: Neighbours,
        store: Store,
        worker: Worker,
        layers: Vec<HealthLayer>,
    ) -> Self {
        Self { control, invoker, neighbours, store, worker, layers }
    }

    /// Invokes that run now, those whose callers have gone among them.
    pub(crate) fn running_invokes(&self) -> u32 {
        self.invoker.running_everywhere()
    }
}

impl Backends for Parts {
    async fn control(&self, caller: &Caller, call: Call) -> Result<Reply, ApiError> {
        self.control.call(caller, call).await
    }

    async fn resource_policy(&self, owner: &Scope, function: &FunctionName) -> Result<Option<Arc<Policy>>, ApiError> {
        Ok(self.control.resource_policy(owner, &function.name, function.qualifier.as_deref()).await?)
    }

    async fn logs(&self, scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        self.neighbours.logs.call(scope, call).await
    }

    async fn autoscaling(&self, scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        self.neighbours.autoscaling.call(scope, call).await
    }

    async fn iam(&self, caller: &Identity, call: Call) -> Result<Reply, ApiError> {
        self.neighbours.iam.call(caller, call).await
    }

    async fn sts(&self, caller: &Identity, call: Call) -> Result<Reply, ApiError> {
        self.neighbours.sts.call(caller, call).await
    }

    async fn invoke(&self, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        self.invoker.invoke(request).await
    }

    async fn code(&self, token: &str) -> Option<Bytes> {
        self.control.code(token).await
    }

    async fn reset(&self) -> Result<(), String> {
        self.control.reset().await.map_err(|error| error.to_string())
    }

    async fn health(&self) -> Health {
        let store = self.store.metadata.get(PROBE_KEY).await.is_ok();
        Health {
            status: if store { "ok" } else { "failing" },
            version: env!("CARGO_PKG_VERSION"),
            store,
            layers: self.layers.clone(),
        }
    }

    fn concurrency(&self, scope: &Scope) -> Concurrency {
        self.invoker.concurrency(scope)
    }

    async fn headroom(&self) -> Option<Headroom> {
        self.worker.headroom().await
    }

    async fn environments(&self) -> Vec<Listed> {
        self.worker.environments().await
    }

    fn metrics(&self) -> String {
        self.worker.show_figures();
        telemetry::metrics().render()
    }
}
