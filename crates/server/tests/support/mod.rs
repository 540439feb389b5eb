//! An edge on a real socket in front of fake parts, and a client that sends exactly the bytes it is told to.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test program uses its own share of this")]

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tindra_control::Caller;
use tindra_core::clock::{Clock, SystemClock};
use tindra_core::function::Scope;
use tindra_core::name::FunctionName;
use tindra_core::policy::Policy;
use tindra_doors::apigateway::{HttpApis, Roles, Surroundings};
use tindra_doors::front_door::Functions;
use tindra_doors::function_urls::FunctionUrls;
use tindra_doors::restapi::RestApis;
use tindra_events::SystemTimer;
use tindra_invoke::environments::{Finished, Outcome};
use tindra_invoke::{Concurrency, InvokeError, InvokeRequest, InvokeResponse};
use tindra_model::{ApiError, Call, Reply};
use tindra_outside::anywhere::Reach;
use tindra_s3::S3Service;
use tindra_server::auth::Authenticator;
use tindra_server::config::Mode;
use tindra_server::edge::{Backends, Edge, EdgeOptions, Health, Neighbour, Patience, Peer, Protocol};
use tindra_services::Asker;
use tindra_services::iam::Identity;
use tindra_services::kinesis::Subscription;
use tindra_services::logs::LiveTail;
use tindra_services::outbox::Outbox;
use tindra_services::sns::SnsService;
use tindra_store::{Batch, BoxFuture, Message, StoreError};
use tindra_worker::{Headroom, Listed, Owner, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// Long enough for a busy machine; a test that waits this long has failed.
pub const BOUND: Duration = Duration::from_secs(20);

/// Parts that answer with what they were asked.
#[derive(Debug, Default)]
pub struct Fakes {
    /// Told when an invoke with the event `"wait"` has begun.
    pub begun: Notify,
    /// With the event `"wait"` an invoke waits for this.
    pub proceed: Notify,
    /// Policies of functions by their ARNs.
    pub policies: Mutex<HashMap<String, String>>,
    /// An empty store.
    pub store: OnceLock<tindra_testkit::TestStore>,
    /// None but those of an empty store.
    pub urls: OnceLock<FunctionUrls>,
    /// None but those of an empty store.
    pub apis: OnceLock<HttpApis>,
    /// The same.
    pub stages: OnceLock<RestApis>,
    /// Without a bucket.
    pub objects: OnceLock<S3Service>,
}

impl Fakes {
    /// To be called once, before the edge serves.
    pub async fn open_urls(self: &Arc<Self>, clock: Arc<dyn Clock>) {
        let around = Surroundings {
            functions: Arc::clone(self) as _,
            roles: Arc::clone(self) as _,
            reach: Arc::clone(self) as _,
        };
        // Its directory lives as long as the parts that read it.
        let test_store = self.store.get_or_init(tindra_testkit::store);
        let store = test_store.store.clone();
        let apis = HttpApis::start(store.clone(), Arc::clone(&clock), around).await.unwrap();
        let _ = self.apis.set(apis);
        let functions = Arc::clone(self) as Arc<dyn Functions>;
        let stages = RestApis::start(store.clone(), Arc::clone(&functions) as _, Arc::clone(&clock)).await.unwrap();
        let _ = self.stages.set(stages);
        let ground = tindra_services::Surroundings {
            store: store.clone(),
            timer: Arc::new(SystemTimer::default()),
            outbox: Arc::clone(self) as _,
            reach: Arc::clone(self) as _,
            is_checked: false,
        };
        let directory = test_store.directory().join("objects");
        let _ = self.objects.set(S3Service::start(ground, directory).await.unwrap());
        let urls = FunctionUrls::start(store, functions, clock).await.unwrap();
        let _ = self.urls.set(urls);
    }
}

impl Outbox for Fakes {
    fn commit(&self, batch: Batch, _messages: Vec<Message>) -> BoxFuture<'_, Result<u64, StoreError>> {
        let store = &self.store.get().expect("set before the edge serves").store;
        store.metadata.commit(batch)
    }
}

impl Functions for Fakes {
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>> {
        Box::pin(Backends::invoke(self, request))
    }

    fn lets_in<'a>(&'a self, _: &'a Scope, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}

impl Roles for Fakes {
    fn may_invoke<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}

impl Reach for Fakes {
    fn check(&self, _: std::net::IpAddr) -> Result<(), String> {
        Err("tests reach nothing".to_owned())
    }
}

/// Somebody on this machine.
pub fn operator() -> Peer {
    Peer::Operator { address: std::net::Ipv4Addr::LOCALHOST.into() }
}

impl Backends for Fakes {
    async fn control(&self, caller: &Caller, call: Call) -> Result<Reply, ApiError> {
        match call.operation.name() {
            "GetAccountSettings" => {
                let region = format!("{}/{}", caller.scope.account, caller.scope.region);
                Err(ApiError::new("ServiceException", region))
            }
            "CreateFunction" => {
                let size = call.input["Code"]["ZipFile"].as_str().map_or(0, str::len);
                Err(ApiError::new("InvalidParameterValueException", format!("got {size}")))
            }
            name => Err(ApiError::new("ServiceException", name.to_owned())),
        }
    }

    async fn resource_policy(&self, owner: &Scope, function: &FunctionName) -> Result<Option<Arc<Policy>>, ApiError> {
        let policies = self.policies.lock().unwrap();
        Ok(policies.get(&function.arn(owner)).map(|policy| Arc::new(Policy::parse(policy).unwrap())))
    }

    async fn queue_policy(&self, _owner: &Scope, _queue: &str) -> Result<Option<Arc<Policy>>, ApiError> {
        Ok(None)
    }

    async fn logs(&self, _scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        Err(ApiError::new("ResourceNotFoundException", call.operation.name()))
    }

    async fn subscribe(&self, _scope: &Scope, call: Call) -> Result<Subscription, ApiError> {
        Err(ApiError::new("ResourceNotFoundException", call.operation.name()))
    }

    async fn live_tail(&self, _scope: &Scope, call: Call) -> Result<LiveTail, ApiError> {
        Err(ApiError::new("ResourceNotFoundException", call.operation.name()))
    }

    fn http_apis(&self) -> &HttpApis {
        self.apis.get().expect("set before the edge serves")
    }

    async fn rest_apis(&self, _scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        Err(ApiError::new("NotFoundException", call.operation.name()))
    }

    async fn autoscaling(&self, _scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        Err(ApiError::new("ObjectNotFoundException", call.operation.name()))
    }

    async fn iam(&self, caller: &Identity, call: Call) -> Result<Reply, ApiError> {
        Err(ApiError::new("NoSuchEntityException", format!("{} {}", call.operation.name(), caller.arn())))
    }

    async fn neighbour(&self, _: Neighbour, _: Asker<'_>, call: Call) -> Result<Reply, ApiError> {
        Err(ApiError::new("ResourceNotFoundException", call.operation.name()))
    }

    fn objects(&self) -> &S3Service {
        self.objects.get().expect("set before the edge serves")
    }

    async fn sts(&self, caller: &Identity, call: Call) -> Result<Reply, ApiError> {
        Err(ApiError::new("ExpiredTokenException", format!("{} {}", call.operation.name(), caller.arn())))
    }

    fn topics(&self) -> Option<&SnsService> {
        None
    }

    async fn invoke(&self, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        if request.payload.as_ref() == b"\"wait\"" {
            self.begun.notify_one();
            self.proceed.notified().await;
        }
        let finished = Finished {
            outcome: Outcome::Success(request.payload),
            log_tail: request.log_tail.then(|| Bytes::from_static(b"END\n")),
        };
        Ok(InvokeResponse::Completed { finished, executed_version: "$LATEST".to_owned(), trace_id: String::new() })
    }

    fn function_urls(&self) -> &FunctionUrls {
        self.urls.get().expect("set before the edge serves")
    }

    fn rest_api_stages(&self) -> &RestApis {
        self.stages.get().expect("set before the edge serves")
    }

    async fn code(&self, token: &str) -> Option<Bytes> {
        (token == "good").then(|| Bytes::from_static(b"PK"))
    }

    async fn reset(&self) -> Result<(), String> {
        Ok(())
    }

    async fn health(&self) -> Health {
        Health { status: "ok", version: "0", store: true, layers: Vec::new() }
    }

    fn concurrency(&self, _scope: &Scope) -> Concurrency {
        Concurrency { limit: 1_000, running: 2, unreserved_limit: 900, unreserved_running: 1 }
    }

    async fn headroom(&self) -> Option<Headroom> {
        None
    }

    async fn environments(&self) -> Vec<Listed> {
        ["000000000000", "111111111111"].map(environment_of).into()
    }

    async fn sources(&self, _account: Option<&str>) -> Result<Vec<tindra_events::mappings::SourceListed>, String> {
        Ok(Vec::new())
    }

    async fn queues(&self) -> Result<Vec<tindra_events::QueueListed>, String> {
        Ok(Vec::new())
    }

    async fn queued(
        &self,
        _account: Option<&str>,
        _function: &str,
        _limit: usize,
    ) -> Result<Vec<tindra_events::MessageListed>, String> {
        Ok(Vec::new())
    }

    async fn redrive(&self, _account: Option<&str>, _function: &str, _id: Option<uuid::Uuid>) -> Result<u64, String> {
        Ok(0)
    }

    fn clock(&self) -> tindra_server::edge::ClockShown {
        tindra_server::edge::ClockShown { clock: "system", unix_ms: 0 }
    }

    async fn advance(&self, _by_ms: u64) -> bool {
        false
    }

    fn metrics(&self) -> String {
        "tindra_up 1\n".to_owned()
    }
}

/// An idle environment of a function of an account.
fn environment_of(account: &str) -> Listed {
    let owner = Owner {
        account: account.to_owned(),
        region: "us-east-1".to_owned(),
        function: "f".to_owned(),
        version: "$LATEST".to_owned(),
        invokes: 1,
        initialization: "on-demand",
        start: Some("plain"),
        log_stream: None,
        tenant: None,
    };
    Listed {
        owner: Some(owner),
        state: State::Idle,
        runtime: "python3.12".to_owned(),
        memory_mb: Some(128),
        memory_bytes: 1,
        age_ms: 2,
        idle_ms: Some(1),
    }
}

pub fn scope() -> Scope {
    Scope { account: "000000000000".to_owned(), region: "us-east-1".to_owned() }
}

/// A running edge.
pub struct Fixture {
    pub address: SocketAddr,
    pub fakes: Arc<Fakes>,
    /// Told when the server has let go of a connection.
    pub let_go: Arc<Notify>,
    /// Says stop to every connection.
    pub stop: watch::Sender<bool>,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

pub async fn start(authenticator: Authenticator, mode: Mode, patience: Patience, peer: Peer) -> Fixture {
    start_at(authenticator, mode, patience, peer, Arc::new(SystemClock::new())).await
}

pub async fn start_at(
    authenticator: Authenticator,
    mode: Mode,
    patience: Patience,
    peer: Peer,
    clock: Arc<dyn Clock>,
) -> Fixture {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let fakes = Arc::new(Fakes::default());
    fakes.open_urls(Arc::clone(&clock)).await;
    let options = EdgeOptions {
        authenticator,
        mode,
        is_tls: false,
        address: address.to_string(),
        patience,
        clock,
        disabled_services: BTreeSet::from(["events"]),
    };
    let edge = Arc::new(Edge::new(Arc::clone(&fakes), options));
    let (stop, stopping) = watch::channel(false);
    let let_go = Arc::new(Notify::new());
    let tell = Arc::clone(&let_go);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serving = Arc::clone(&edge).serve(stream, peer.clone(), Protocol::ByPreface, stopping.clone());
            let tell = Arc::clone(&tell);
            tokio::spawn(async move {
                serving.await;
                tell.notify_one();
            });
        }
    });
    Fixture { address, fakes, let_go, stop }
}

/// With auth off, as an operator, in dev.
pub async fn start_off() -> Fixture {
    start(Authenticator::off(scope()), Mode::Dev, Patience::default(), operator()).await
}

/// What came back for one request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Sends bytes and reads answers until the server closes.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut received = Vec::new();
    let _ = tokio::time::timeout(BOUND, stream.read_to_end(&mut received)).await.expect("the server answers in time");
    parse(&received)
}

/// Sends one request head and body, closing afterwards, and reads the one answer.
pub async fn one(address: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut bytes = format!("{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())
        .into_bytes();
    bytes.extend_from_slice(body);
    let mut answers = exchange(address, &bytes).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

fn parse(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        bytes = &bytes[end + 4..];
        if status == 100 {
            continue;
        }
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        answer.body = bytes[..length].to_vec();
        bytes = &bytes[length..];
        answers.push(answer);
    }
    answers
}
