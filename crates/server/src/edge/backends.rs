//! What the edge needs from the parts behind it. The server joins the real ones; tests bring their own.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tindra_control::Caller;
use tindra_core::function::Scope;
use tindra_core::name::FunctionName;
use tindra_core::policy::Policy;
use tindra_doors::apigateway::HttpApis;
use tindra_doors::function_urls::FunctionUrls;
use tindra_doors::restapi::RestApis;
use tindra_events::mappings::SourceListed;
use tindra_events::{MessageListed, QueueListed};
use tindra_invoke::{Concurrency, InvokeError, InvokeRequest, InvokeResponse};
use tindra_model::{ApiError, Call, Reply};
use tindra_s3::S3Service;
use tindra_services::Asker;
use tindra_services::iam::Identity;
use tindra_services::kinesis::Subscription;
use tindra_services::logs::LiveTail;
use tindra_services::sns::SnsService;
use tindra_worker::{Headroom, Listed};
use uuid::Uuid;

/// What `/_tindra/health` shows.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `ok`, or `failing` when requests cannot be served.
    pub status: &'static str,
    /// Of this server.
    pub version: &'static str,
    /// Whether the store answers.
    pub store: bool,
    /// The layers of the sandbox.
    pub layers: Vec<HealthLayer>,
}

/// One layer of the sandbox.
#[derive(Clone, Debug, Serialize)]
pub struct HealthLayer {
    /// Its name.
    pub name: String,
    /// Whether it holds on this machine.
    pub holds: bool,
    /// How, or why not.
    pub detail: String,
}

/// What `/_tindra/clock` shows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClockShown {
    /// `system`, or `manual` when it moves only when it is told to.
    pub clock: &'static str,
    /// What time it is by it, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// A service that the edge knows only by its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// SQS.
    Sqs,
    /// SNS.
    Sns,
    /// EventBridge.
    EventBridge,
    /// EventBridge Scheduler.
    Scheduler,
    /// Kinesis.
    Kinesis,
}

/// The parts behind the edge.
pub trait Backends: Send + Sync + 'static {
    /// An operation of Lambda other than an invoke.
    fn control(&self, caller: &Caller, call: Call) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// The policy of a function, or of a version or alias of it; `None` when it has none.
    fn resource_policy(
        &self,
        owner: &Scope,
        function: &FunctionName,
    ) -> impl Future<Output = Result<Option<Arc<Policy>>, ApiError>> + Send;

    /// The policy of a queue; `None` when it has none or is not there.
    fn queue_policy(
        &self,
        owner: &Scope,
        queue: &str,
    ) -> impl Future<Output = Result<Option<Arc<Policy>>, ApiError>> + Send;

    /// An operation of CloudWatch Logs.
    fn logs(&self, scope: &Scope, call: Call) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// The events of log groups from now on.
    fn live_tail(&self, scope: &Scope, call: Call) -> impl Future<Output = Result<LiveTail, ApiError>> + Send;

    /// The records of a shard of a stream from now on.
    fn subscribe(&self, scope: &Scope, call: Call) -> impl Future<Output = Result<Subscription, ApiError>> + Send;

    /// An operation of Application Auto Scaling.
    fn autoscaling(&self, scope: &Scope, call: Call) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// The HTTP APIs of API Gateway: their operations, and their doors.
    fn http_apis(&self) -> &HttpApis;

    /// An operation of API Gateway's REST APIs.
    fn rest_apis(&self, scope: &Scope, call: Call) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// An operation of IAM.
    fn iam(&self, caller: &Identity, call: Call) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// An operation of STS.
    fn sts(&self, caller: &Identity, call: Call) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// An operation of another service.
    fn neighbour(
        &self,
        neighbour: Neighbour,
        asker: Asker<'_>,
        call: Call,
    ) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// The topics; none where there is no SNS.
    fn topics(&self) -> Option<&SnsService>;
    /// S3.
    fn objects(&self) -> &S3Service;

    /// An invoke. The function runs to its end also when the caller goes away and this future is dropped.
    fn invoke(&self, request: InvokeRequest) -> impl Future<Output = Result<InvokeResponse, InvokeError>> + Send;

    /// The function URLs.
    fn function_urls(&self) -> &FunctionUrls;

    /// The deployed stages of REST APIs.
    fn rest_api_stages(&self) -> &RestApis;

    /// The zip behind the link that GetFunction gave; `None` for a link that is wrong or too old.
    fn code(&self, token: &str) -> impl Future<Output = Option<Bytes>> + Send;

    /// Removes everything that was ever made.
    fn reset(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// How things are.
    fn health(&self) -> impl Future<Output = Health> + Send;

    /// How much of an account's and region's concurrency is used.
    fn concurrency(&self, scope: &Scope) -> Concurrency;

    /// What is taken of this machine and what is left; `None` when that cannot be told.
    fn headroom(&self) -> impl Future<Output = Option<Headroom>> + Send;

    /// The execution environments of this machine.
    fn environments(&self) -> impl Future<Output = Vec<Listed>> + Send;

    /// What event source mappings are doing, those of an account or all.
    fn sources(&self, account: Option<&str>) -> impl Future<Output = Result<Vec<SourceListed>, String>> + Send;

    /// What waits of asynchronous invokes. An error is for people.
    fn queues(&self) -> impl Future<Output = Result<Vec<QueueListed>, String>> + Send;

    /// The first messages that wait of a function, of one account or of any.
    fn queued(
        &self,
        account: Option<&str>,
        function: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<MessageListed>, String>> + Send;

    /// Makes what waits of a function due, or one message of it.
    fn redrive(
        &self,
        account: Option<&str>,
        function: &str,
        id: Option<Uuid>,
    ) -> impl Future<Output = Result<u64, String>> + Send;

    /// The clock by which all waits that may take long.
    fn clock(&self) -> ClockShown;

    /// Moves that clock and waits until everything that became due is done; `false` when it is the machine's.
    fn advance(&self, by_ms: u64) -> impl Future<Output = bool> + Send;

    /// The figures in Prometheus's text format.
    fn metrics(&self) -> String;
}
