//! The doors of API Gateway: which requests are for an API, and their way to it.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body::Body;
use tindra_core::limits;
use tindra_services::apigateway::{self, Found};

use super::body::{self, BodyError};
use super::doors::{outgoing, refusal};
use super::head;
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer};
use crate::config::DomainTarget;

/// What a request for an API leads to.
#[derive(Clone, Debug)]
pub(super) enum ApiKnock {
    Http(Found),
    /// An API that is not here.
    Nobody,
}

impl<B: Backends> Edge<B> {
    /// The API that a request is for; none for what is for something else.
    pub(super) async fn api_of(&self, parts: &Parts) -> Result<Option<ApiKnock>, Refusal> {
        let (host, path) = (head::host(&parts.headers), parts.uri.path());
        let apis = self.backends.http_apis();
        let found = match self.domain(host) {
            Some(DomainTarget::Api { id, stage }) => match apis.at(id, stage).await {
                Ok(None) => return Ok(Some(ApiKnock::Nobody)),
                found => found,
            },
            _ => apis.find(host, path).await,
        };
        match found.map_err(|error| Refusal::Failed(error.to_string()))? {
            Some(found) => Ok(Some(ApiKnock::Http(found))),
            None => Ok(apigateway::is_for_api(host, path).then_some(ApiKnock::Nobody)),
        }
    }

    /// Answers at the door of an API.
    pub(super) async fn api_door<T>(
        &self,
        knock: ApiKnock,
        parts: Parts,
        body: T,
        peer: &Peer,
        request_id: &str,
    ) -> Result<Response<Outgoing>, Refusal>
    where
        T: Body<Data = Bytes> + Unpin,
    {
        let ApiKnock::Http(found) = knock else { return Ok(outgoing(apigateway::unknown())) };
        if found.is_web_socket() {
            return self.websocket_door(&found, parts, body, peer, request_id).await;
        }
        let received = match body::read(body, limits::API_REQUEST_BYTES_MAX, &self.budget).await {
            Ok(received) => received,
            Err(BodyError::TooLarge) => return Ok(outgoing(apigateway::too_large())),
            Err(error) => return Err(refusal(&error)),
        };
        let request = self.door_request(parts, received.bytes.clone(), peer, request_id);
        drop(received);
        Ok(outgoing(self.backends.http_apis().answer_request(&found, request).await))
    }
}
