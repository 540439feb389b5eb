//! The HTTP edge: bytes → one typed request, nothing more, then the part that serves it.
//!
//! [`Edge::answer`] is the list of steps. It knows no rule of any service: what is valid comes from `model`,
//! what is right from the parts behind [`Backends`]. It does not know listeners; `connection` feeds it.

mod answer;
mod api_doors;
mod backends;
mod body;
mod capacity;
mod connection;
mod doors;
mod environments;
mod event_stream;
mod head;
mod http2;
mod invoke;
mod invoke_error;
mod live_tail;
mod local;
mod objects;
mod outgoing;
mod preface;
mod queue;
mod refusal;
mod route;
mod subscription;
mod timed_stream;
mod topics;
mod unavailable;
mod websockets;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tindra_control::Caller;
use tindra_core::clock::Clock;
use tindra_core::function::Scope;
use tindra_doors::apigateway;
use tindra_doors::load_balancer::LoadBalancer;
use tindra_model::{ApiError, Call};
use tindra_worker::EnvironmentIdentity;
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use backends::{Backends, ClockShown, Health, HealthLayer, Neighbour};
pub use connection::Protocol;
pub(crate) use head::{Claim, claimed_scope, region};
pub use outgoing::Outgoing;
pub use timed_stream::Patience;

use crate::auth::{Authenticator, Who};
use crate::authorise::{Asker, Asking, Authoriser};
use crate::config::{Auth, CONNECTIONS_MAX_DEFAULT, DomainTarget, Mode};
use body::BodyBudget;
use objects::BodyFailure;
use refusal::Refusal;
use route::{Arrived, Destination, Door, Served};

/// Memory that large request bodies (over 1 MiB) may use together: seven of the largest code uploads.
const BODY_MEMORY_BYTES: usize = 512 << 20;

/// Who is at the other end of a connection: known from the socket, never from a header.
#[derive(Clone, Debug)]
pub enum Peer {
    /// Somebody who reached the operator's address.
    Operator {
        /// From where.
        address: IpAddr,
    },
    /// A function, through the endpoint inside its own environment.
    Environment(Arc<EnvironmentIdentity>),
}

/// How an edge answers.
#[derive(Debug)]
pub struct EdgeOptions {
    /// Who may be answered.
    pub authenticator: Authenticator,
    /// `POST /_tindra/reset` is for dev only.
    pub mode: Mode,
    /// Links in answers say https.
    pub is_tls: bool,
    /// Host and port for links when the client named no host.
    pub address: String,
    /// How long clients may make us wait.
    pub patience: Patience,
    /// For signatures that expire.
    pub clock: Arc<dyn Clock>,
    /// Services that the operator has switched off, by the names with which requests to them are signed.
    pub disabled_services: BTreeSet<&'static str>,
}

/// Ways to functions and APIs that stand in the configuration.
#[derive(Debug, Default)]
pub struct Entrances {
    /// Names of the operator's own that lead to a function's URL or to an API.
    pub domains: HashMap<String, DomainTarget>,
    /// The rules of a load balancer's listener; none when there is none.
    pub load_balancer: Option<LoadBalancer>,
    /// Topics that take the messages of topics elsewhere.
    pub ingresses: Vec<tindra_services::sns::Ingress>,
}

/// The HTTP edge in front of some backends.
#[derive(Debug)]
pub struct Edge<B> {
    backends: Arc<B>,
    options: EdgeOptions,
    authoriser: Authoriser,
    budget: BodyBudget,
    entrances: Entrances,
    /// Places for requests of HTTP/2, of all connections.
    streams: Arc<Semaphore>,
}

impl<B: Backends> Edge<B> {
    /// An edge in front of `backends`.
    pub fn new(backends: Arc<B>, options: EdgeOptions) -> Self {
        let budget = BodyBudget::new(BODY_MEMORY_BYTES);
        let streams = Arc::new(Semaphore::new(CONNECTIONS_MAX_DEFAULT));
        let (authoriser, entrances) = (Authoriser::default(), Entrances::default());
        Self { backends, options, authoriser, budget, entrances, streams }
    }

    /// With ways to functions and APIs beside those that they have by themselves.
    #[must_use]
    pub fn with_entrances(mut self, entrances: Entrances) -> Self {
        self.entrances = entrances;
        self
    }

    /// With room for that many requests of HTTP/2 at once, over all connections.
    #[must_use]
    pub fn with_streams_max(mut self, streams_max: usize) -> Self {
        self.streams = Arc::new(Semaphore::new(streams_max));
        self
    }

    /// Answers one request. Every answer carries the request's id, which for an invoke is also the function's.
    pub async fn answer<T>(&self, request: Request<T>, peer: &Peer) -> Response<Outgoing>
    where
        T: Body<Data = Bytes> + Send + Unpin + 'static,
        T::Error: Into<BodyFailure>,
    {
        let request_id = Uuid::new_v4().to_string();
        let started = self.options.clock.monotonic();
        let is_chunked = request.headers().contains_key(http::header::TRANSFER_ENCODING);
        let mut response = match self.walk(request, peer, &request_id).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(&request_id).map(Outgoing::from),
        };
        answer::add_request_id(&mut response, &request_id);
        if is_chunked {
            // It may have come with a Content-Length as well, which hyper hides; after such a request RFC 9112
            // (section 6.3) wants the connection closed, so that nothing smuggled in behind it is answered.
            answer::close(&mut response);
        }
        answer::record(&response, self.options.clock.monotonic().saturating_sub(started));
        response
    }

    /// The steps from a request to its answer.
    async fn walk<T>(&self, request: Request<T>, peer: &Peer, request_id: &str) -> Result<Response<Outgoing>, Refusal>
    where
        T: Body<Data = Bytes> + Send + Unpin + 'static,
        T::Error: Into<BodyFailure>,
    {
        let (parts, body) = request.into_parts();
        refuse_malformed(&parts)?;
        if let Some(knock) = self.knock(&parts).await? {
            return self.door(knock, parts, body, peer, request_id).await;
        }
        if let Some(api) = self.api_of(&parts).await? {
            return self.api_door(api, parts, body, peer, request_id).await;
        }
        if let Some(managed) = self.managed_by_id(&parts) {
            return self.manage_connection(&managed, &parts, body, peer, request_id).await;
        }
        if self.is_for_objects(&parts, Claim::of(&parts), peer).await {
            if self.options.disabled_services.contains(objects::SIGNING_NAME) {
                return Err(Refusal::Disabled(objects::SIGNING_NAME));
            }
            // In a box: the way of an invoke is not to hold the room of an upload.
            return Ok(Box::pin(self.answer_for_objects(parts, body, peer, request_id)).await);
        }
        self.refuse_foreign_pages(&parts, peer)?;
        let claim = Claim::of(&parts);
        let arrived = match route::destination(&parts, claim, peer)? {
            Destination::Topics(page) => return self.topics(page, &parts, body, peer).await,
            Destination::Local(page) => return Ok(self.local(page, &parts, claim, peer).await?.map(Outgoing::from)),
            Destination::Arrived(arrived) => self.refuse_disabled(arrived)?,
        };
        let authenticator = &self.options.authenticator;
        authenticator.recognise(&parts, claim, peer).await.map_err(|error| arrived.refuse(error))?;
        let received = body::read(body, arrived.body_bytes_max(), &self.budget)
            .await
            .map_err(|error| arrived.refuse_body(&error))?;
        let served = arrived.serve(&parts, &received.bytes)?;
        let refuse = |error| served.refuse(error);
        let mut who = self.authenticate(&parts, claim, &received.bytes, served, peer).await.map_err(refuse)?;
        let call = served.decode(&parts, &received.bytes).map_err(refuse)?;
        who.scope = self.authorise(&who, peer, served, &call).await.map_err(refuse)?;
        let reply = match served.door {
            Door::Invoke => {
                drop(received);
                return self.invoke(served, &parts, call, who.scope, request_id).await;
            }
            Door::Control => self.backends.control(&self.caller(&parts, who, request_id), call).await,
            Door::Logs if call.operation.name() == "StartLiveTail" => {
                let tail = self.backends.live_tail(&who.scope, call).await.map_err(refuse)?;
                return Ok(live_tail::answer(tail));
            }
            Door::Neighbour(Neighbour::Kinesis) if call.operation.name() == "SubscribeToShard" => {
                let subscription = self.backends.subscribe(&who.scope, call).await.map_err(refuse)?;
                return Ok(subscription::answer(subscription, served.service));
            }
            Door::Logs => self.backends.logs(&who.scope, call).await,
            Door::Autoscaling => self.backends.autoscaling(&who.scope, call).await,
            Door::HttpApis => {
                let caller = self.caller(&parts, who, request_id);
                let asker = apigateway::Asker { scope: &caller.scope, endpoint: &caller.endpoint };
                self.backends.http_apis().call(asker, call).await
            }
            Door::RestApis => self.backends.rest_apis(&who.scope, call).await,
            Door::Iam => self.backends.iam(&who.identity, call).await,
            Door::Sts => self.backends.sts(&who.identity, call).await,
            Door::Neighbour(neighbour) => {
                let endpoint = head::base_url(&parts.headers, self.options.is_tls, &self.options.address);
                let (scope, identity) = (&who.scope, &who.identity);
                let trace_id = head::trace_id(&parts.headers);
                let asker = tindra_services::Asker { scope, identity, endpoint: &endpoint, request_id, trace_id };
                self.backends.neighbour(neighbour, asker, call).await
            }
        };
        reply.map(|reply| served.encode(reply, request_id).map(Outgoing::from)).map_err(refuse)
    }

    fn refuse_foreign_pages(&self, parts: &Parts, peer: &Peer) -> Result<(), Refusal> {
        let anyone_is_believed =
            self.options.authenticator.kind() == Auth::Off && matches!(peer, Peer::Operator { .. });
        if anyone_is_believed && head::is_from_foreign_page(&parts.headers) {
            return Err(Refusal::Forbidden("pages of other sites may not use this server while auth is off"));
        }
        Ok(())
    }

    fn refuse_disabled(&self, arrived: Arrived) -> Result<Arrived, Refusal> {
        let name = arrived.service.signing_name();
        match self.options.disabled_services.contains(name) {
            true => Err(Refusal::Disabled(name)),
            false => Ok(arrived),
        }
    }

    async fn authenticate(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        body: &Bytes,
        served: Served,
        peer: &Peer,
    ) -> Result<Who, ApiError> {
        let now_ms = self.options.clock.unix_ms();
        self.options.authenticator.authenticate(parts, claim, body, served.service, peer, now_ms).await
    }

    /// The account and region whose resources may be acted on.
    async fn authorise(&self, who: &Who, peer: &Peer, served: Served, call: &Call) -> Result<Scope, ApiError> {
        let (now_ms, is_tls) = (self.options.clock.unix_ms(), self.options.is_tls);
        let asking = Asking { asker: Asker { who, peer, now_ms, is_tls }, service: served.service, call };
        self.authoriser.authorise(self.backends.as_ref(), &self.options.authenticator, asking).await
    }

    fn caller(&self, parts: &Parts, who: Who, request_id: &str) -> Caller {
        Caller {
            scope: who.scope,
            principal: who.principal,
            request_id: request_id.to_owned(),
            endpoint: head::base_url(&parts.headers, self.options.is_tls, &self.options.address),
        }
    }
}

/// Refuses what two readers could understand in two ways.
fn refuse_malformed(parts: &Parts) -> Result<(), Refusal> {
    if !head::has_one_host(parts) {
        return Err(Refusal::Malformed(
            "a request needs exactly one valid Host header, and no other host in its target",
        ));
    }
    if !head::has_plain_framing(&parts.headers) {
        return Err(Refusal::Malformed("the only transfer coding that is understood is chunked"));
    }
    Ok(())
}
