//! Starting and stopping: each one function that reads as a list.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tindra_control::{Control, ControlOptions};
use tindra_core::clock::{Clock, SystemClock};
use tindra_core::function::Scope;
use tindra_core::keep_warm::Bounds;
use tindra_core::tenant;
use tindra_doors::apigateway::{self, HttpApis};
use tindra_doors::front_door::Functions;
use tindra_doors::function_urls::FunctionUrls;
use tindra_doors::load_balancer::LoadBalancer;
use tindra_doors::restapi::{RestApiService, RestApis};
use tindra_events::mappings::{Mappings, MappingsOptions};
use tindra_events::{Handle, Workers};
use tindra_invoke::{Invoker, InvokerOptions};
use tindra_outside::anywhere::Reach;
use tindra_outside::{Outside, OutsideService};
use tindra_s3::S3Service;
use tindra_sandbox::{Launcher, Layer};
use tindra_services::Surroundings;
use tindra_services::autoscaling::AutoscalingService;
use tindra_services::eventbridge::{self, EventBridgeService};
use tindra_services::iam::IamService;
use tindra_services::kinesis::KinesisService;
use tindra_services::logs::LogsService;
use tindra_services::scheduler::{self, SchedulerService};
use tindra_services::sns::{self, SnsService};
use tindra_services::sqs::{MOVES_PREFIX, SqsService};
use tindra_services::sts::StsService;
use tindra_store::{Store, StoreOptions};
use tindra_worker::network::cidr::CidrError;
use tindra_worker::network::vpc::{EgressRule, SecurityGroup, Subnet, VirtualNetworks};
use tindra_worker::network::{Cidr, EgressMode, EgressPolicy, ResolverOptions};
use tindra_worker::{KeepWarm, Worker, WorkerOptions};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::adapters::{
    AlarmsOfService, EndpointToEdge, FunctionsOfLambda, IdentitiesOfIam, LogsToService, NetworksOfConfig,
    OutboxOfEvents, ProvisioningOfLambda, VersionsOfPacks,
};
use crate::apis::{ReachOfFunctions, RolesOfIam};
use crate::auth::{Authenticator, Identities};
use crate::authorise::RoleAuthority;
use crate::brokers::{Brokers, Secrets};
use crate::bucket_destinations::DestinationsOfBuckets;
use crate::code_source::{OwnS3, S3Endpoint};
use crate::config::{Auth, Config, Egress, Mode, StoreKind};
use crate::data_directory::DataDirectory;
use crate::deliveries::Deliveries;
use crate::edge::{Backends as _, Edge, EdgeOptions, Entrances, HealthLayer, Patience};
use crate::error::ServerError;
use crate::ground::Ground;
use crate::log_destinations::FunctionsOfLogs;
use crate::parts::{Neighbours, Parts, Queue};
use crate::signals::Signals;
use crate::sources::SourcesOfServer;
use crate::targets::{Receivers, Targets};
use crate::tls::{self, Certificates};
use crate::waiting::WaitingClock;
use crate::{credentials, listener, telemetry};

/// How often the histograms are compacted, so that they do not grow when nobody reads `/metrics`.
const METRICS_UPKEEP: Duration = Duration::from_secs(10);

/// How often a server that stops looks whether invokes still run.
const DRAIN_POLL: Duration = Duration::from_millis(10);

/// The server; see [`Server::start`].
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Opens the store, starts every part, joins them, and listens.
    ///
    /// # Errors
    /// Names the step that failed; nothing is left running.
    pub async fn start(config: Config, ground: Ground) -> Result<Running, ServerError> {
        let Ground { launcher, data } = ground;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let figures = telemetry::metrics();
        let signals = Signals::listen()?;
        raise_open_files();
        let listener = bind(&config)?;
        let address = listener.local_addr().map_err(|source| ServerError::bind(config.listen, source))?;
        let tls = tls(&config)?;
        let authenticator = authenticator(&config)?;
        let (stop, stopping) = watch::channel(false);
        // Functions that still run during the grace period may still call back.
        let (close, closing) = watch::channel(false);

        let store = open_store(&config, &clock).await?;
        let waiting = WaitingClock::start(config.clock, &store)
            .await
            .map_err(|source| ServerError::Part { part: "clock", source: source.into() })?;
        let logs = LogsService::new(store.clone(), Arc::clone(&clock));
        let iam = IamService::new(store.clone(), Arc::clone(&clock));
        let sts = StsService::new(store.clone(), Arc::clone(&clock), iam.clone());
        let identities: Arc<dyn Identities> = Arc::new(IdentitiesOfIam(iam.clone()));
        let authenticator = authenticator.with_identities(Arc::clone(&identities));
        let endpoint = Arc::new(EndpointToEdge::new(closing.clone()));
        let sink = Arc::new(LogsToService(logs.ingest()));
        let layers = layers(&launcher);
        let worker = Worker::start(
            worker_options(&config)?,
            launcher,
            store.clone(),
            Arc::clone(&clock),
            sink,
            Arc::clone(&endpoint) as _,
        )
        .await
        .map_err(|source| ServerError::Part { part: "execution environments", source: source.into() })?;
        let (outbox, unstarted) = tindra_events::open(store.clone(), waiting.timer(), Arc::clone(&clock));
        let queue = Arc::new(outbox.clone());
        let options = invoker_options(&config);
        let invoker = Invoker::start(store.clone(), worker.clone(), queue, Arc::clone(&clock), options)
            .await
            .map_err(|source| ServerError::Part { part: "invoke path", source: source.into() })?;
        let reach: Arc<dyn Reach> = Arc::new(ReachOfFunctions(egress_policy(&config)?));
        let ground = Surroundings {
            store: store.clone(),
            timer: waiting.timer(),
            outbox: Arc::new(OutboxOfEvents(outbox.clone())),
            reach: Arc::clone(&reach),
            is_checked: config.auth == Auth::SigV4,
        };
        let s3 = S3Service::start(ground.clone(), config.objects_directory())
            .await
            .map_err(|source| ServerError::Part { part: "S3", source: source.into() })?;
        let outside = Outside::new(config.outside.options(Arc::clone(&clock)));
        let serves = |service: &str| !config.disabled_services.contains(service);
        let sqs = SqsService::start(ground.clone(), iam.clone());
        let kinesis = KinesisService::start(ground.clone())
            .await
            .map_err(|source| ServerError::Part { part: "Kinesis", source: source.into() })?;
        let authority = |identities| (config.auth == Auth::SigV4).then(|| RoleAuthority::new(identities));
        let sources = Arc::new(SourcesOfServer {
            store: store.clone(),
            sqs: serves("sqs").then(|| sqs.clone()),
            kinesis: serves("kinesis").then(|| kinesis.clone()),
            outside: outside.clone(),
            authority: authority(Arc::clone(&identities)),
            brokers: Brokers { brokers: config.brokers.clone(), secrets: Secrets(config.secrets.clone()) },
        });
        let known = Some(Arc::clone(&sources) as _);
        let options = ControlOptions { sources: known, ..control_options(&config, &worker, &clock, &s3) };
        let control = Control::new(store.clone(), Arc::clone(&clock), options);
        let control = Arc::new(control);
        let provisioning = ProvisioningOfLambda { control: Arc::clone(&control), invoker: invoker.clone() };
        let autoscaling =
            AutoscalingService::start(store.clone(), waiting.timer(), iam.clone(), Arc::new(provisioning));
        let functions = Arc::new(FunctionsOfLambda {
            invoker: invoker.clone(),
            control: Arc::clone(&control),
            is_checked: config.auth == Auth::SigV4,
        });
        let destinations = FunctionsOfLogs { functions: Arc::clone(&functions), store: store.clone() };
        logs.deliver(Arc::clone(&ground.outbox), waiting.timer(), Arc::new(destinations))
            .await
            .map_err(|source| ServerError::Part { part: "log subscriptions", source: source.into() })?;
        let services_outbox = Arc::clone(&ground.outbox);
        let sns = SnsService::start(ground.clone())
            .await
            .map_err(|source| ServerError::Part { part: "topics", source: source.into() })?;
        let eventbridge = EventBridgeService::start(ground.clone())
            .await
            .map_err(|source| ServerError::Part { part: "EventBridge", source: source.into() })?;
        let scheduler = SchedulerService::new(ground);
        let receivers = Receivers {
            sqs: serves("sqs").then(|| Arc::new(sqs.clone()) as _),
            eventbridge: serves("events").then(|| Arc::new(eventbridge.clone()) as _),
            sns: serves("sns").then(|| Arc::new(sns.clone()) as _),
            kinesis: serves("kinesis").then(|| Arc::new(kinesis.clone()) as _),
        };
        if let Some(queues) = receivers.sqs.clone().filter(|_| !outside.is_known(OutsideService::Sqs)) {
            sns.deliver_to(queues);
        }
        s3.ask(Arc::new(DestinationsOfBuckets {
            functions: Arc::downgrade(&functions),
            receivers: receivers.here(&outside),
            store: store.clone(),
        }));
        let handlers = handlers(&sqs, &sns, &eventbridge, &scheduler);
        let deliveries = Deliveries {
            invoker: invoker.clone(),
            outside: outside.clone(),
            own_s3: own_s3(&config, &s3).cloned(),
            receivers: receivers.clone(),
            outbox: services_outbox,
            authority: authority(Arc::clone(&identities)),
        };
        let mappings = Mappings::start(MappingsOptions {
            store: store.clone(),
            timer: waiting.timer(),
            real: Arc::clone(&clock),
            invoke: Arc::new(invoker.clone()),
            sources,
            outbox,
            is_shared: store.metadata.is_shared(),
        });
        let targets = Targets {
            invoker: invoker.clone(),
            functions: Arc::clone(&functions) as _,
            receivers,
            outside,
            timer: waiting.timer(),
            authority: authority(Arc::clone(&identities)),
        };
        let workers = Workers {
            invoke: Arc::new(invoker.clone()),
            deliver: Arc::new(deliveries),
            push_to: Arc::new(targets),
            handlers,
        };
        let invokes = unstarted.start(workers, config.account_concurrency as usize);
        let queue = Queue { invokes, clock: waiting, mappings: mappings.listing() };
        let roles = authority(identities);
        let around = apigateway::Surroundings {
            functions: Arc::clone(&functions) as _,
            roles: Arc::new(RolesOfIam { authority: roles, control: Arc::clone(&control) }),
            reach,
        };
        let entrances = entrances(&config, Arc::clone(&functions) as _, &clock);
        let rest_api_stages = RestApis::start(store.clone(), Arc::clone(&functions) as _, Arc::clone(&clock))
            .await
            .map_err(|source| ServerError::Part { part: "REST APIs", source: source.into() })?;
        let rest_apis = RestApiService::new(store.clone(), Arc::clone(&clock));
        let function_urls = FunctionUrls::start(store.clone(), functions, Arc::clone(&clock))
            .await
            .map_err(|source| ServerError::Part { part: "function URLs", source: source.into() })?;
        let http_apis = HttpApis::start(store.clone(), Arc::clone(&clock), around)
            .await
            .map_err(|source| ServerError::Part { part: "HTTP APIs", source: source.into() })?;
        let neighbours = Neighbours {
            logs: logs.clone(),
            iam,
            sts,
            autoscaling,
            sqs,
            sns,
            eventbridge,
            scheduler,
            kinesis: kinesis.clone(),
            s3,
            http_apis,
            function_urls,
            rest_apis,
            rest_api_stages,
        };
        let parts = Arc::new(Parts::new(control, invoker, queue, neighbours, store, worker.clone(), layers));
        let edge = Edge::new(Arc::clone(&parts), edge_options(&config, address, authenticator, clock));
        let edge = Arc::new(edge.with_entrances(entrances).with_streams_max(config.connections_max));
        endpoint.connect(Arc::clone(&edge));
        let accepting =
            tokio::spawn(listener::accept_all(listener, tls, Arc::clone(&edge), config.connections_max, stopping));
        let upkeep = tokio::spawn(metrics_upkeep(figures, closing));
        tracing::info!(%address, data = %config.data.display(), "serving");
        Ok(Running {
            config,
            address,
            stop,
            close,
            signals,
            accepting,
            upkeep,
            parts,
            mappings,
            worker,
            logs,
            kinesis,
            _data: data,
        })
    }
}

/// A server that runs, until [`Running::wait`] or [`Running::shutdown`] has returned.
#[derive(Debug)]
pub struct Running {
    config: Config,
    /// Where it listens, with the real port.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    close: watch::Sender<bool>,
    signals: Signals,
    accepting: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    parts: Arc<Parts>,
    mappings: Mappings,
    worker: Worker,
    logs: LogsService,
    kinesis: KinesisService,
    _data: DataDirectory,
}

impl Running {
    /// For `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn base_url(&self) -> String {
        let scheme = if self.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The configuration that it runs with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Serves until SIGTERM or SIGINT, then stops as [`Running::shutdown`] does; and so it does when the storage has failed
    /// for good, because then nothing can be promised any more.
    ///
    /// # Errors
    /// When the storage has failed.
    pub async fn wait(mut self) -> Result<(), ServerError> {
        let parts = Arc::clone(&self.parts);
        tokio::select! {
            signal = self.signals.next() => {
                tracing::info!(signal, grace_period_s = self.config.grace_period.as_secs(), "stopping");
                self.shutdown().await;
                Ok(())
            }
            cause = parts.store_failed() => {
                tracing::error!(cause, "stopping, because nothing can be made durable");
                parts.async_invokes().stop();
                self.shutdown().await;
                Err(ServerError::StoreFailed { cause })
            }
        }
    }

    /// Stops accepting, lets running invokes end within the grace period (a signal cuts it short), then ends
    /// the environments and writes the logs out.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        self.logs.end_live_tails();
        self.kinesis.end_subscriptions();
        self.drain().await;
        self.accepting.abort();
        self.parts.async_invokes().stop();
        let _ = self.close.send(true);
        self.upkeep.abort();
        self.worker.shutdown().await;
        self.parts.rest_api_stages().flush().await;
        self.logs.flush().await;
        tracing::info!("stopped");
    }

    async fn drain(&mut self) {
        let drained = async {
            let _ = tokio::join!(&mut self.accepting, self.parts.async_invokes().drain(), self.mappings.drain());
            while self.parts.running_invokes() > 0 {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        tokio::select! {
            () = drained => {}
            () = tokio::time::sleep(self.config.grace_period) => {
                tracing::warn!(running = self.parts.running_invokes(), "the grace period is over; invokes are cut off");
            }
            signal = self.signals.next() => {
                tracing::warn!(signal, running = self.parts.running_invokes(), "a second signal; invokes are cut off");
            }
        }
    }
}

/// Whose alarms are in which queues.
fn handlers(
    sqs: &SqsService,
    sns: &SnsService,
    eventbridge: &EventBridgeService,
    scheduler: &SchedulerService,
) -> Vec<(&'static str, Arc<dyn Handle>)> {
    vec![
        (MOVES_PREFIX, Arc::new(AlarmsOfService(Arc::new(sqs.clone())))),
        (sns::ALARMS, Arc::new(AlarmsOfService(Arc::new(sns.clone())))),
        (eventbridge::ALARM_PREFIX, Arc::new(AlarmsOfService(Arc::new(eventbridge.clone())))),
        (scheduler::ALARM_PREFIX, Arc::new(AlarmsOfService(Arc::new(scheduler.clone())))),
    ]
}

fn bind(config: &Config) -> Result<TcpListener, ServerError> {
    listener::bind(config.listen).map_err(|source| ServerError::bind(config.listen, source))
}

/// What TLS takes, when TLS is wanted: the certificates are read, and from now on read again when they change.
fn tls(config: &Config) -> Result<Option<TlsAcceptor>, ServerError> {
    let Some(files) = &config.tls else { return Ok(None) };
    let certificates = Arc::new(Certificates::load(files, &config.domains)?);
    let (renewed, certificates) = watch::channel(certificates);
    let acceptor =
        tls::acceptor(certificates).map_err(|source| ServerError::Part { part: "TLS", source: source.into() })?;
    // The signal of a terminal that is closed still ends `dev`.
    let hangup = if config.mode == Mode::Serve { Some(Signals::hangup()?) } else { None };
    tokio::spawn(tls::keep_fresh(files.clone(), config.domains.clone(), renewed, hangup));
    Ok(Some(acceptor))
}

fn default_scope(config: &Config) -> Scope {
    Scope { account: config.account.clone(), region: config.region.clone() }
}

fn authenticator(config: &Config) -> Result<Authenticator, ServerError> {
    match config.auth {
        Auth::Off => Ok(Authenticator::off(default_scope(config))),
        Auth::SigV4 => {
            let path = config.credentials_file();
            let root = credentials::load_or_create(&path)?;
            tracing::info!(path = %path.display(), "the operator's access key is kept there");
            Ok(Authenticator::sigv4(default_scope(config), root, config.access_keys.clone()))
        }
    }
}

async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> Result<Store, ServerError> {
    let (kind, directory, clock) = (config.store.clone(), config.store_directory(), Arc::clone(clock));
    let opened = tokio::task::spawn_blocking(move || match kind {
        StoreKind::Sqlite => Store::open_sqlite(&directory, StoreOptions::default(), clock),
        StoreKind::Postgres(url) => Store::open_postgres(&url, &directory, StoreOptions::default(), clock),
    });
    match opened.await {
        Ok(Ok(store)) => Ok(store),
        Ok(Err(source)) => Err(ServerError::Part { part: "store", source: source.into() }),
        Err(source) => Err(ServerError::Part { part: "store", source: source.into() }),
    }
}

fn edge_options(
    config: &Config,
    address: SocketAddr,
    authenticator: Authenticator,
    clock: Arc<dyn Clock>,
) -> EdgeOptions {
    EdgeOptions {
        authenticator,
        mode: config.mode,
        is_tls: config.tls.is_some(),
        address: address.to_string(),
        patience: Patience::default(),
        clock,
        disabled_services: config.disabled_services.clone(),
    }
}

fn entrances(config: &Config, functions: Arc<dyn Functions>, clock: &Arc<dyn Clock>) -> Entrances {
    let domains = config.domains.iter().map(|domain| (domain.name.clone(), domain.target.clone()));
    let rules = config.listener_rules.clone();
    let balancer = || LoadBalancer::new(rules.clone(), default_scope(config), functions, Arc::clone(clock));
    Entrances {
        domains: domains.collect(),
        load_balancer: (!rules.is_empty()).then(balancer),
        ingresses: config.sns_ingress.clone(),
    }
}

fn layers(launcher: &Launcher) -> Vec<HealthLayer> {
    let layer =
        |layer: &Layer| HealthLayer { name: layer.name.clone(), holds: layer.holds, detail: layer.detail.clone() };
    launcher.layers().iter().map(layer).collect()
}

/// Every connection and every environment costs descriptors; the soft limit of most systems is for programs
/// that still use `select`.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(error = &error as &dyn std::error::Error, "failed to raise the limit of open files");
    }
}

async fn metrics_upkeep(figures: &'static PrometheusHandle, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(METRICS_UPKEEP);
    loop {
        tokio::select! {
            _ = ticks.tick() => figures.run_upkeep(),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Where functions may connect to.
pub(crate) fn egress_policy(config: &Config) -> Result<EgressPolicy, ServerError> {
    let mode = match config.egress {
        Egress::Public => EgressMode::Public,
        Egress::Deny => EgressMode::DenyAll,
    };
    let policy = EgressPolicy::new(mode, networks(&config.egress_allow)?, networks(&config.egress_deny)?);
    Ok(policy.with_networks(virtual_networks(config)?))
}

/// The private networks that functions can be members of.
fn virtual_networks(config: &Config) -> Result<VirtualNetworks, ServerError> {
    let mut all = VirtualNetworks::default();
    for subnet in &config.subnets {
        let known = Subnet { vpc_id: subnet.vpc.clone(), networks: networks(&subnet.networks)? };
        all.subnets.insert(subnet.id.clone(), known);
    }
    for group in &config.security_groups {
        let mut egress = Vec::with_capacity(group.egress.len());
        for rule in &group.egress {
            let Some((first, last)) = rule.port_range() else { continue };
            for network in networks(std::slice::from_ref(&rule.network))? {
                egress.push(EgressRule { network, ports: first..=last });
            }
        }
        all.security_groups.insert(group.id.clone(), SecurityGroup { vpc_id: group.vpc.clone(), egress });
    }
    Ok(all)
}

fn worker_options(config: &Config) -> Result<WorkerOptions, ServerError> {
    let resolver = ResolverOptions {
        upstreams: config.dns_upstreams.clone(),
        hosts: config.hosts.clone(),
        ..ResolverOptions::default()
    };
    Ok(WorkerOptions {
        packs: config.runtimes.clone(),
        code_cache: config.code_cache_directory(),
        keep_warm: KeepWarm {
            bounds: Bounds::new(config.keep_warm_min, config.keep_warm_max, config.idle_timeout),
            idle_memory_bytes: config.idle_memory_bytes,
            environment_age_max: config.environment_age_max,
        },
        environments_max: config.environments_max,
        tenant_environments_max: tenant::environments_max(config.account_concurrency),
        scaling_environments: config.scaling_environments,
        spares_max: config.spares_max,
        egress: egress_policy(config)?,
        resolver,
    })
}

fn networks(texts: &[String]) -> Result<Vec<Cidr>, ServerError> {
    let parse = |text: &String| {
        text.parse().map_err(|source: CidrError| ServerError::Part { part: "egress policy", source: source.into() })
    };
    texts.iter().map(parse).collect()
}

fn invoker_options(config: &Config) -> InvokerOptions {
    InvokerOptions {
        concurrent_executions_max: config.account_concurrency,
        requests_per_s_per_concurrency: config.requests_per_s_per_concurrency,
    }
}

/// The S3 of this server where neither another one is configured nor it is switched off.
fn own_s3<'a>(config: &Config, s3: &'a S3Service) -> Option<&'a S3Service> {
    (config.outside.s3.is_none() && !config.disabled_services.contains("s3")).then_some(s3)
}

fn control_options(config: &Config, worker: &Worker, clock: &Arc<dyn Clock>, s3: &S3Service) -> ControlOptions {
    let versions = VersionsOfPacks(Arc::clone(worker.packs()));
    ControlOptions {
        concurrent_executions_max: config.account_concurrency,
        code_source: match config.outside.s3.clone() {
            Some(endpoint) => Some(Arc::new(S3Endpoint::new(endpoint, config.outside.keys.clone(), Arc::clone(clock)))),
            None => own_s3(config, s3)
                .map(|s3| Arc::new(OwnS3 { s3: s3.clone(), is_checked: config.auth == Auth::SigV4 }) as _),
        },
        networks: Some(Arc::new(NetworksOfConfig::new(config))),
        runtime_versions: Some(Arc::new(versions)),
        ..ControlOptions::default()
    }
}
