//! The HTTP edge: bytes → one typed request, nothing more, then the part that serves it.
//!
//! [`Edge::answer`] is the list of steps. It knows no rule of any service: what is valid comes from `model`,
//! what is right from the parts behind [`Backends`]. It does not know listeners; `connection` feeds it.

mod answer;
mod backends;
mod body;
mod connection;
mod head;
mod invoke;
mod local;
mod refusal;
mod route;
mod timed_stream;
mod unavailable;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tindra_core::clock::Clock;
use tindra_core::function::Scope;
use tindra_worker::EnvironmentIdentity;
use uuid::Uuid;

pub use backends::{Backends, Health};
pub use timed_stream::Patience;

use crate::auth::Authenticator;
use crate::config::Mode;
use body::BodyBudget;
use head::Claim;
use refusal::Refusal;
use route::Destination;

/// Memory that large request bodies (over 1 MiB) may use together: seven of the largest code uploads.
const BODY_MEMORY_BYTES: usize = 512 << 20;

/// Who is at the other end of a connection: known from the socket, never from a header.
#[derive(Clone, Debug)]
pub enum Peer {
    /// Somebody who reached the operator's address.
    Operator,
    /// A function, through the endpoint inside its own environment.
    Environment(Arc<EnvironmentIdentity>),
}

/// How an edge answers.
#[derive(Debug)]
pub struct EdgeOptions {
    /// Who may be answered.
    pub authenticator: Authenticator,
    /// Account and region of requests that name none.
    pub default_scope: Scope,
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
}

/// The HTTP edge in front of some backends.
#[derive(Debug)]
pub struct Edge<B> {
    backends: Arc<B>,
    options: EdgeOptions,
    budget: BodyBudget,
}

impl<B: Backends> Edge<B> {
    /// An edge in front of `backends`.
    pub fn new(backends: Arc<B>, options: EdgeOptions) -> Self {
        Self { backends, options, budget: BodyBudget::new(BODY_MEMORY_BYTES) }
    }

    /// Answers one request. Every answer carries the request's id, which for an invoke is also the function's.
    pub async fn answer<T>(&self, request: Request<T>, peer: &Peer) -> Response<Full<Bytes>>
    where
        T: Body<Data = Bytes> + Unpin,
    {
        let request_id = Uuid::new_v4().to_string();
        let started = self.options.clock.monotonic();
        let mut response = match self.walk(request, peer, &request_id).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(&request_id),
        };
        answer::add_request_id(&mut response, &request_id);
        record(&response, self.options.clock.monotonic().saturating_sub(started));
        response
    }

    /// The steps from a request to its answer.
    async fn walk<T>(&self, request: Request<T>, peer: &Peer, request_id: &str) -> Result<Response<Full<Bytes>>, Refusal>
    where
        T: Body<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        self.refuse_malformed(&parts, peer)?;
        let claim = Claim::of(&parts);
        let served = match route::destination(&parts, claim, peer)? {
            Destination::Local(page) => return self.local(page).await,
            Destination::Served(served) => served,
        };
        let authenticator = &self.options.authenticator;
        authenticator.recognise(&parts, claim, peer).map_err(|error| served.refuse(error))?;
        let received = body::read(body, served.body_bytes_max(), &self.budget)
            .await
            .map_err(|error| served.refuse_body(&error))?;
        let now_ms = self.options.clock.unix_ms();
        let caller = authenticator
            .authenticate(&parts, claim, &received.bytes, peer, now_ms)
            .and_then(|who| authorise(who, served.service, served.operation))
            .map_err(|error| served.refuse(error))?;
        let call = served.decode(&parts, &received.bytes)?;
        match served.door {
            Door::Invoke => self.invoke(served, &parts, call, caller.scope, request_id).await,
            Door::Control => self.control(served, &parts, call, caller, request_id).await,
            Door::Logs => self.logs(served, call, caller.scope).await,
        }
    }
