//! What fits one part to the port that another declares.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use tindra_control::{Control, Networks, RuntimeVersions};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::name::{self, FunctionReference};
use tindra_core::policy::{Context, Decision, Request, Requester, evaluate};
use tindra_core::runtime::Runtime;
use tindra_doors::front_door::Functions;
use tindra_events::{Again, Handle, Handled};
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Invoker};
use tindra_model::ApiError;
use tindra_services::autoscaling::{Provisioning, ProvisioningError, Scaled};
use tindra_services::iam::{FoundKey, IamService, Policies, Principal};
use tindra_services::logs::LogIngest;
use tindra_services::outbox::{Alarms, Outbox, Rung};
use tindra_store::{Batch, BoxFuture, Message, StoreError};
use tindra_worker::packs::Packs;
use tindra_worker::{EnvironmentIdentity, FunctionEndpoint, LogSink, LogStreamName, Worker};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::auth::Identities;
use crate::config::Config;
use crate::edge::{Backends, Edge, Peer, Protocol};

/// Connections from all environments together; one more is closed. Apart from the operator's own limit, so that
/// functions cannot shut the operator out.
const CONNECTIONS_MAX: usize = 4_096;

/// Functions' log lines go to the logs service.
#[derive(Debug)]
pub(crate) struct LogsToService(pub(crate) LogIngest);

impl LogSink for LogsToService {
    fn append(&self, stream: &Arc<LogStreamName>, events: Vec<(UnixMs, String)>) {
        self.0.append(&stream.scope, &stream.group, &stream.stream, events);
    }
}

/// The front door finds keys and policies in IAM.
#[derive(Debug)]
pub(crate) struct IdentitiesOfIam(pub(crate) IamService);

impl Identities for IdentitiesOfIam {
    fn find_key<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Arc<FoundKey>>, ApiError>> {
        Box::pin(async move { Ok(self.0.find_key(id).await?) })
    }

    fn policies_of<'a>(&'a self, principal: &'a Principal) -> BoxFuture<'a, Result<Arc<Policies>, ApiError>> {
        Box::pin(async move { Ok(self.0.policies_of(principal).await?) })
    }

    fn note_use(&self, id: &str, region: &str, service: &str) {
        self.0.note_use(id, region, service);
    }
}

/// The control plane shows which version of a runtime the worker's packs hold.
#[derive(Debug)]
pub(crate) struct VersionsOfPacks(pub(crate) Arc<Packs>);

impl RuntimeVersions for VersionsOfPacks {
    fn version_arn(&self, runtime: &str, region: &str) -> Option<String> {
        let pack = self.0.get(&Runtime::parse(runtime))?;
        // A pack does not know where it is used.
        Some(pack.version_arn.replace("REGION", region))
    }
}

/// The control plane checks `VpcConfig` against the configuration.
#[derive(Debug)]
pub(crate) struct NetworksOfConfig {
    subnets: HashMap<String, String>,
    security_groups: HashMap<String, String>,
}

impl NetworksOfConfig {
    pub(crate) fn new(config: &Config) -> Self {
        let subnets = config.subnets.iter().map(|subnet| (subnet.id.clone(), subnet.vpc.clone()));
        let groups = config.security_groups.iter().map(|group| (group.id.clone(), group.vpc.clone()));
        Self { subnets: subnets.collect(), security_groups: groups.collect() }
    }
}

impl Networks for NetworksOfConfig {
    fn vpc_of_subnet(&self, id: &str) -> Option<String> {
        self.subnets.get(id).cloned()
    }

    fn vpc_of_security_group(&self, id: &str) -> Option<String> {
        self.security_groups.get(id).cloned()
    }
}

/// Application Auto Scaling asks the control plane for other capacities, and the invoke path for what is used of them.
#[derive(Debug)]
pub(crate) struct ProvisioningOfLambda {
    pub(crate) control: Arc<Control>,
    pub(crate) invoker: Invoker<Worker>,
}

impl Provisioning for ProvisioningOfLambda {
    fn set<'a>(&'a self, scaled: &'a Scaled, capacity: u32) -> BoxFuture<'a, Result<(), ProvisioningError>> {
        let Scaled { scope, function, qualifier } = scaled;
        Box::pin(async move {
            let set = self.control.scale_provisioned_concurrency(scope, function, qualifier, capacity).await;
            set.map_err(|error| match error.code() {
                "ServiceException" => ProvisioningError::Unavailable(error.message().to_owned()),
                _ => ProvisioningError::Refused(error.message().to_owned()),
            })
        })
    }

    fn take_utilisation(&self, scaled: &Scaled) -> Option<f64> {
        let used = self.invoker.take_provisioned_use(&scaled.scope, &scaled.function, &scaled.qualifier)?;
        (used.allocated > 0).then(|| (f64::from(used.peak) / f64::from(used.allocated)).min(1.0))
    }
}

/// Front doors run functions by the invoke path, and ask the functions' policies.
#[derive(Debug)]
pub(crate) struct FunctionsOfLambda {
    pub(crate) invoker: Invoker<Worker>,
    pub(crate) control: Arc<Control>,
    /// Whether policies are asked at all.
    pub(crate) is_checked: bool,
}

impl Functions for FunctionsOfLambda {
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>> {
        Box::pin(self.invoker.invoke(request))
    }

    fn lets_in<'a>(
        &'a self,
        scope: &'a Scope,
        function: &'a str,
        principal: &'a str,
        source_arn: &'a str,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            if !self.is_checked {
                return true;
            }
            let Ok(reference) = FunctionReference::parse(function) else { return false };
            let owner = reference.owner(scope);
            let resource = name::arn(&owner, reference.name, reference.qualifier);
            let requester = Requester::Service { name: principal.to_owned() };
            let context = Context::default()
                .with("aws:SourceArn", source_arn)
                .with("aws:SourceAccount", scope.account.as_str())
                .with("aws:PrincipalIsAWSService", "true");
            let request = Request {
                requester: &requester,
                action: "lambda:InvokeFunction",
                resource: &resource,
                context: &context,
            };
            match self.control.resource_policy(&owner, reference.name, reference.qualifier).await {
                Ok(policy) => evaluate(request, policy.as_deref()) == Decision::Allowed,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, function, "a policy could not be read");
                    false
                }
            }
        })
    }
}

/// Connections from inside environments go to the edge. The edge needs the worker and the worker needs this,
/// hence the edge comes later.
#[derive(Debug)]
pub(crate) struct EndpointToEdge<B> {
    edge: OnceLock<Arc<Edge<B>>>,
    room: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl<B: Backends> EndpointToEdge<B> {
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { edge: OnceLock::new(), room: Arc::new(Semaphore::new(CONNECTIONS_MAX)), stop }
    }

    /// Says where connections go; until then they are closed.
    pub(crate) fn connect(&self, edge: Arc<Edge<B>>) {
        let _ = self.edge.set(edge);
    }
}

impl<B: Backends + std::fmt::Debug> FunctionEndpoint for EndpointToEdge<B> {
    fn serve(&self, connection: TcpStream, identity: Arc<EnvironmentIdentity>) {
        let (Some(edge), Ok(place)) = (self.edge.get(), Arc::clone(&self.room).try_acquire_owned()) else { return };
        let serving =
            Arc::clone(edge).serve(connection, Peer::Environment(identity), Protocol::ByPreface, self.stop.clone());
        // Ends with the connection, which ends with the environment's namespace.
        tokio::spawn(async move {
            serving.await;
            drop(place);
        });
    }
}

/// What the services make durable goes to the queues of `events`.
#[derive(Clone, Debug)]
pub(crate) struct OutboxOfEvents(pub(crate) tindra_events::Outbox);

impl Outbox for OutboxOfEvents {
    fn commit(&self, batch: Batch, messages: Vec<Message>) -> BoxFuture<'_, Result<u64, StoreError>> {
        let outbox = self.0.clone();
        Box::pin(async move {
            // A caller who goes away leaves nothing half handed on.
            let committed = tokio::spawn(async move { outbox.commit(batch, messages).await }).await;
            committed.unwrap_or_else(|error| {
                Err(StoreError::Storage { attempt: "write a change".to_owned(), source: error.into() })
            })
        })
    }
}

/// Alarms of the services are messages of `events`.
#[derive(Debug)]
pub(crate) struct AlarmsOfService(pub(crate) Arc<dyn Alarms>);

impl Handle for AlarmsOfService {
    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Handled> {
        Box::pin(async move {
            let Rung { batch, messages, again } = self.0.ring(message).await;
            let again = again.map(|(due_ms, head)| Again { due_ms, head, is_throttled: false });
            Handled { batch, messages, again }
        })
    }
}
