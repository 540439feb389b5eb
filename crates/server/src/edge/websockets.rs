//! The doors of WebSocket APIs: the request that becomes a connection, and `@connections`, by which functions post back.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tindra_core::limits;
use tindra_doors::apigateway::{self, Connected, Found, Handshake, Managed};
use tindra_model::{ApiError, WireRequest};
use tokio::sync::watch;

use super::body::{self, BodyError};
use super::doors::{self, outgoing};
use super::head::Claim;
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer};
use crate::authorise::Asker;

/// A connection that stops to speak HTTP once its client has the answer. It travels with the answer to the part that
/// serves the connection.
#[derive(Clone, Debug)]
pub(super) struct Switching(Arc<Mutex<Option<Switch>>>);

/// What the connection is from then on.
#[derive(Debug)]
pub(super) struct Switch {
    connected: Connected,
    upgrade: OnUpgrade,
}

impl Switching {
    fn new(connected: Connected, upgrade: OnUpgrade) -> Self {
        Self(Arc::new(Mutex::new(Some(Switch { connected, upgrade }))))
    }

    /// Takes it out of an answer.
    pub(super) fn take(response: &mut Response<Outgoing>) -> Option<Switch> {
        response.extensions_mut().remove::<Self>()?.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<B: Backends> Edge<B> {
    /// Answers at the door of a WebSocket API.
    pub(super) async fn websocket_door<T>(
        &self,
        found: &Found,
        parts: Parts,
        body: T,
        peer: &Peer,
        request_id: &str,
    ) -> Result<Response<Outgoing>, Refusal>
    where
        T: Body<Data = Bytes> + Unpin,
    {
        if let Some(managed) = found.managed(parts.uri.path()) {
            return self.manage_connection(&managed, &parts, body, peer, request_id).await;
        }
        let mut request = Request::from_parts(parts, ());
        let upgrade = hyper::upgrade::on(&mut request);
        // A request for a connection has no body.
        let request = self.door_request(request.into_parts().0, Bytes::new(), peer, request_id);
        let apis = self.backends.http_apis();
        match apis.shake_hands(found, request).await {
            Handshake::Refused(answer) => Ok(outgoing(answer)),
            Handshake::Accepted(answer, connected) => {
                let mut answer = outgoing(answer);
                answer.extensions_mut().insert(Switching::new(connected, upgrade));
                Ok(answer)
            }
        }
    }

    /// Serves a connection that has stopped to speak HTTP, until it ends.
    pub(super) async fn switch(&self, switch: Switch, stop: watch::Receiver<bool>) {
        let Switch { connected, upgrade } = switch;
        let apis = self.backends.http_apis();
        match upgrade.await {
            Ok(stream) => apis.converse(connected, TokioIo::new(stream), stop).await,
            Err(_) => apis.abandon(connected).await,
        }
    }

    /// The connection that a request asks for by its id, at no API's address in particular.
    pub(super) fn managed_by_id(&self, parts: &Parts) -> Option<Managed> {
        // Few paths are of this kind, and of the others nothing need be read.
        let managed = Managed::by_id(parts.uri.path())?;
        let service = tindra_model::apigatewaymanagementapi().signing_name();
        Claim::of(parts).is_none_or(|claim| claim.service == service).then_some(managed)
    }

    /// Answers an operation on a connection, of somebody who may.
    pub(super) async fn manage_connection<T>(
        &self,
        managed: &Managed,
        parts: &Parts,
        body: T,
        peer: &Peer,
        request_id: &str,
    ) -> Result<Response<Outgoing>, Refusal>
    where
        T: Body<Data = Bytes> + Unpin,
    {
        let service = tindra_model::apigatewaymanagementapi();
        let refuse = |error: ApiError| Refusal::Api(service, error);
        self.refuse_foreign_pages(parts, peer)?;
        self.options.authenticator.recognise(parts, Claim::of(parts), peer).await.map_err(refuse)?;
        let received = match body::read(body, limits::WEBSOCKET_MESSAGE_BYTES_MAX, &self.budget).await {
            Ok(received) => received.bytes.clone(),
            Err(BodyError::TooLarge) => return Err(refuse(apigateway::payload_too_large())),
            Err(error) => return Err(doors::refusal(&error)),
        };
        self.check_manager(managed, parts, &received, peer).await.map_err(refuse)?;
        let (path, query) = (managed.path.as_str(), parts.uri.query().unwrap_or_default());
        let unknown = || refuse(ApiError::new("ForbiddenException", "Use POST, GET or DELETE on a connection."));
        let operation = service.route(&parts.method, path, query, &parts.headers).ok_or_else(unknown)?;
        let request = WireRequest { method: &parts.method, path, query, headers: &parts.headers, body: received };
        let call = service.decode(&request).map_err(refuse)?;
        let reply = self.backends.http_apis().manage(managed, call).map_err(refuse)?;
        Ok(service.encode(operation, reply, request_id).map(Full::new).map(Outgoing::from))
    }

    /// Refuses whoever may not do this to the connection.
    async fn check_manager(&self, managed: &Managed, parts: &Parts, body: &Bytes, peer: &Peer) -> Result<(), ApiError> {
        let (authenticator, now_ms) = (&self.options.authenticator, self.options.clock.unix_ms());
        let service = tindra_model::apigatewaymanagementapi();
        // A signature is of the path as it came.
        let who = authenticator.authenticate(parts, Claim::of(parts), body, service, peer, now_ms).await?;
        // What is not there has no owner; that it is not there is all that is told of it.
        let Some((owner, resource)) = self.backends.http_apis().resource_of(managed, parts.method.as_str()) else {
            return Ok(());
        };
        let asker = Asker { who: &who, peer, now_ms, is_tls: self.options.is_tls };
        self.authoriser.check_manager(authenticator, asker, &owner, &resource).await
    }
}
