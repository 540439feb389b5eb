//! The doors of API Gateway: which requests are for an API, and their way to it.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body::Body;
use tindra_core::limits;
use tindra_services::apigateway::{self, Found};
use tindra_services::front_door::DoorRequest;

use super::body::{self, BodyError};
use super::doors::{arrived_at, outgoing, source_ip};
use super::head;
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer};

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
        let found = self.backends.http_apis().find(host, path).await;
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
        let received = match body::read(body, limits::API_REQUEST_BYTES_MAX, &self.budget).await {
            Ok(received) => received,
            Err(BodyError::TooLarge) => return Ok(outgoing(apigateway::too_large())),
            Err(error) => return Err(refusal(&error)),
        };
        let (host, port) = arrived_at(&parts, self.options.is_tls);
        let request = DoorRequest {
            parts,
            body: received.bytes.clone(),
            host,
            port,
            is_tls: self.options.is_tls,
            source_ip: source_ip(peer),
            request_id: request_id.to_owned(),
        };
        drop(received);
        Ok(outgoing(self.backends.http_apis().answer_request(&found, request).await))
    }
}

fn refusal(error: &BodyError) -> Refusal {
    match error {
        BodyError::Stalled => Refusal::Stalled,
        BodyError::Busy => Refusal::Failed("too many large requests at once; try again".to_owned()),
        BodyError::TooLarge | BodyError::Broken => Refusal::Malformed("the request body ended early"),
    }
}
