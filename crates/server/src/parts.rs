//! The real parts behind the edge.

use std::sync::Arc;

use bytes::Bytes;
use tindra_control::{Caller, Control};
use tindra_core::function::Scope;
use tindra_core::name::FunctionName;
use tindra_core::policy::Policy;
use tindra_doors::apigateway::HttpApis;
use tindra_doors::function_urls::FunctionUrls;
use tindra_doors::restapi::{RestApiService, RestApis};
use tindra_events::mappings::{MappingsListing, SourceListed};
use tindra_events::{AsyncInvokes, MessageListed, QueueListed};
use tindra_invoke::{Concurrency, InvokeError, InvokeRequest, InvokeResponse, Invoker};
use tindra_model::{ApiError, Call, Reply};
use tindra_s3::S3Service;
use tindra_services::Asker;
use tindra_services::autoscaling::AutoscalingService;
use tindra_services::eventbridge::EventBridgeService;
use tindra_services::iam::{IamService, Identity};
use tindra_services::kinesis::{KinesisService, Subscription};
use tindra_services::logs::{LiveTail, LogsError, LogsService};
use tindra_services::scheduler::SchedulerService;
use tindra_services::sns::SnsService;
use tindra_services::sqs::SqsService;
use tindra_services::sts::StsService;
use tindra_store::Store;
use tindra_worker::{Headroom, Listed, Worker};
use uuid::Uuid;

use crate::edge::{Backends, ClockShown, Health, HealthLayer, Neighbour};
use crate::telemetry;
use crate::waiting::WaitingClock;

/// A key that need not exist: health asks only whether the store answers.
const PROBE_KEY: &str = "health/probe";

/// The neighbours of Lambda, and the front doors of functions.
#[derive(Debug)]
pub(crate) struct Neighbours {
    pub(crate) logs: LogsService,
    pub(crate) iam: IamService,
    pub(crate) sts: StsService,
    pub(crate) autoscaling: AutoscalingService,
    pub(crate) sqs: SqsService,
    pub(crate) sns: SnsService,
    pub(crate) eventbridge: EventBridgeService,
    pub(crate) scheduler: SchedulerService,
    pub(crate) kinesis: KinesisService,
    pub(crate) s3: S3Service,
    pub(crate) http_apis: HttpApis,
    pub(crate) function_urls: FunctionUrls,
    pub(crate) rest_apis: RestApiService,
    pub(crate) rest_api_stages: RestApis,
}

/// Asynchronous invokes, the clock that they wait by, and what event source mappings are doing.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) invokes: AsyncInvokes,
    pub(crate) clock: WaitingClock,
    pub(crate) mappings: MappingsListing,
}

/// Control plane, invoke path and neighbours over one store and one worker.
#[derive(Debug)]
pub(crate) struct Parts {
    control: Arc<Control>,
    invoker: Invoker<Worker>,
    queue: Queue,
    neighbours: Neighbours,
    store: Store,
    worker: Worker,
    layers: Vec<HealthLayer>,
}

impl Parts {
    pub(crate) fn new(
        control: Arc<Control>,
        invoker: Invoker<Worker>,
        queue: Queue,
        neighbours: Neighbours,
        store: Store,
        worker: Worker,
        layers: Vec<HealthLayer>,
    ) -> Self {
        Self { control, invoker, queue, neighbours, store, worker, layers }
    }

    /// The queue of asynchronous invokes.
    pub(crate) fn async_invokes(&self) -> &AsyncInvokes {
        &self.queue.invokes
    }

    /// Waits until the storage has failed for good, and returns why.
    pub(crate) async fn store_failed(&self) -> String {
        self.store.metadata.failed().await
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

    async fn queue_policy(&self, owner: &Scope, queue: &str) -> Result<Option<Arc<Policy>>, ApiError> {
        self.neighbours.sqs.policy_of(owner, queue).await
    }

    async fn logs(&self, scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        self.neighbours.logs.call(scope, call).await
    }

    async fn live_tail(&self, scope: &Scope, call: Call) -> Result<LiveTail, ApiError> {
        let tail = self.neighbours.logs.live_tail(scope, call.input).await;
        tail.map_err(|LogsError { code, message }| ApiError::new(code, message))
    }

    async fn subscribe(&self, scope: &Scope, call: Call) -> Result<Subscription, ApiError> {
        self.neighbours.kinesis.subscribe(scope, call.input).await
    }

    async fn autoscaling(&self, scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        self.neighbours.autoscaling.call(scope, call).await
    }

    fn http_apis(&self) -> &HttpApis {
        &self.neighbours.http_apis
    }

    async fn rest_apis(&self, scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        self.neighbours.rest_apis.call(scope, call).await
    }

    async fn iam(&self, caller: &Identity, call: Call) -> Result<Reply, ApiError> {
        self.neighbours.iam.call(caller, call).await
    }

    async fn sts(&self, caller: &Identity, call: Call) -> Result<Reply, ApiError> {
        self.neighbours.sts.call(caller, call).await
    }

    async fn neighbour(&self, neighbour: Neighbour, asker: Asker<'_>, call: Call) -> Result<Reply, ApiError> {
        let Neighbours { sqs, sns, eventbridge, scheduler, kinesis, .. } = &self.neighbours;
        match neighbour {
            Neighbour::Sqs => sqs.call(asker, call).await,
            Neighbour::Sns => sns.call(asker, call).await,
            Neighbour::EventBridge => eventbridge.call(asker, call).await,
            Neighbour::Scheduler => scheduler.call(asker, call).await,
            Neighbour::Kinesis => kinesis.call(asker.scope, call).await,
        }
    }

    fn topics(&self) -> Option<&SnsService> {
        Some(&self.neighbours.sns)
    }

    fn objects(&self) -> &S3Service {
        &self.neighbours.s3
    }

    async fn invoke(&self, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        self.invoker.invoke(request).await
    }

    fn function_urls(&self) -> &FunctionUrls {
        &self.neighbours.function_urls
    }

    fn rest_api_stages(&self) -> &RestApis {
        &self.neighbours.rest_api_stages
    }

    async fn code(&self, token: &str) -> Option<Bytes> {
        self.control.code(token).await
    }

    async fn reset(&self) -> Result<(), String> {
        self.neighbours.kinesis.reset().await.map_err(|error| error.to_string())?;
        self.control.reset().await.map_err(|error| error.to_string())?;
        self.neighbours.s3.reset().await.map_err(|error| format!("failed to remove the files of S3: {error}"))?;
        let letters = tindra_store::MailWork::Purge { prefix: String::new() };
        self.store.mailboxes.work(letters).await.map_err(|error| error.to_string())?;
        self.queue.invokes.reset().await.map_err(|error| error.to_string())
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

    async fn queues(&self) -> Result<Vec<QueueListed>, String> {
        self.queue.invokes.queues().await.map_err(|error| error.to_string())
    }

    async fn queued(&self, account: Option<&str>, function: &str, limit: usize) -> Result<Vec<MessageListed>, String> {
        self.queue.invokes.messages(account, function, limit).await.map_err(|error| error.to_string())
    }

    async fn redrive(&self, account: Option<&str>, function: &str, id: Option<Uuid>) -> Result<u64, String> {
        self.queue.invokes.redrive(account, function, id).await.map_err(|error| error.to_string())
    }

    async fn sources(&self, account: Option<&str>) -> Result<Vec<SourceListed>, String> {
        self.queue.mappings.sources(account).await.map_err(|error| error.to_string())
    }

    fn clock(&self) -> ClockShown {
        self.queue.clock.shown()
    }

    async fn advance(&self, by_ms: u64) -> bool {
        self.queue.clock.advance(&self.queue.invokes, &self.store, by_ms).await
    }

    fn metrics(&self) -> String {
        self.worker.show_figures();
        telemetry::metrics().render()
    }
}
