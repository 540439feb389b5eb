//! The doors of APIs: requests to the deployed stages of API Gateway.
//!
//! An API is known by its host (`ID.execute-api.REGION.…`) with the stage as the first part of the path, or, where names do
//! not lead here, by a path: `/restapis/ID/STAGE/_user_request_/…`, or `/_aws/execute-api/ID/STAGE/…`.

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Response, Uri};
use http_body::Body;
use tindra_core::limits;
use tindra_services::front_door::DoorRequest;
use tindra_services::restapi;

use super::body::{self, BodyError};
use super::doors::outgoing;
use super::head;
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer};

const API_PATH: &str = "/_aws/execute-api/";
const REST_PATH: &str = "/restapis/";
/// What stands between the stage and the path in it, as in the addresses that other local servers give.
const USER_REQUEST: &str = "/_user_request_";

/// A request for a stage of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiKnock {
    /// Of the API.
    pub(super) id: String,
    /// The path with the stage as its first part, where it is not the request's own.
    path: Option<String>,
}

impl ApiKnock {
    /// None for what is for something else.
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        Self::by_host(head::host(&parts.headers)).or_else(|| Self::by_path(parts.uri.path()))
    }

    fn by_host(host: &str) -> Option<Self> {
        let mut labels = host.split('.');
        let (id, kind) = (labels.next()?, labels.next()?);
        let is_ours = kind.eq_ignore_ascii_case("execute-api");
        is_ours.then(|| Self { id: id.to_ascii_lowercase(), path: None })
    }

    fn by_path(path: &str) -> Option<Self> {
        let knock = |id: &str, path: String| Self { id: id.to_ascii_lowercase(), path: Some(path) };
        if let Some(rest) = path.strip_prefix(API_PATH) {
            let (id, in_api) = rest.split_once('/').unwrap_or((rest, ""));
            return Some(knock(id, format!("/{in_api}")));
        }
        let (id, rest) = path.strip_prefix(REST_PATH)?.split_once('/')?;
        let (stage, rest) = rest.split_once('/')?;
        let in_stage = format!("/{rest}");
        let in_stage = in_stage.strip_prefix(USER_REQUEST).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        Some(knock(id, format!("/{stage}{in_stage}")))
    }
}

impl<B: Backends> Edge<B> {
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
        let stages = self.backends.rest_api_stages();
        let Some(region) = stages.region(&knock.id).await else { return Ok(outgoing(restapi::unknown())) };
        let received = match body::read(body, limits::GATEWAY_PAYLOAD_BYTES_MAX, &self.budget).await {
            Ok(received) => received,
            Err(BodyError::TooLarge) => return Ok(outgoing(restapi::too_large())),
            Err(BodyError::Stalled) => return Err(Refusal::Stalled),
            Err(BodyError::Broken) => return Err(Refusal::Malformed("the request body ended early")),
            Err(BodyError::Busy) => {
                return Err(Refusal::Failed("too many large requests at once; try again".to_owned()));
            }
        };
        let request = self.api_request(&knock, &region, parts, received.bytes.clone(), peer, request_id)?;
        drop(received);
        Ok(outgoing(stages.answer(&knock.id, request).await))
    }

    /// The request as the API sees it: by its own host, with the stage as the first part of the path.
    fn api_request(
        &self,
        knock: &ApiKnock,
        region: &str,
        mut parts: Parts,
        body: Bytes,
        peer: &Peer,
        request_id: &str,
    ) -> Result<DoorRequest, Refusal> {
        let named = head::host(&parts.headers).to_owned();
        let (host, port) = match named.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None => (named.as_str(), None),
        };
        let mut host = host.to_ascii_lowercase();
        if let Some(path) = &knock.path {
            parts.uri = with_path(&parts.uri, path)?;
            host = format!("{}.execute-api.{region}.localhost", knock.id);
        }
        let default_port = if self.options.is_tls { 443 } else { 80 };
        Ok(DoorRequest {
            parts,
            body,
            host,
            port: port.unwrap_or(default_port),
            is_tls: self.options.is_tls,
            source_ip: match peer {
                Peer::Operator { address } => address.to_canonical().to_string(),
                // A function, which has an address of its own that nobody else can reach.
                Peer::Environment(_) => "127.0.0.1".to_owned(),
            },
            request_id: request_id.to_owned(),
        })
    }
}

fn with_path(uri: &Uri, path: &str) -> Result<Uri, Refusal> {
    let query = uri.path_and_query().and_then(PathAndQuery::query);
    let whole = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    whole.parse().map_err(|_| Refusal::Malformed("the path is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knock(host: &str, uri: &str) -> Option<ApiKnock> {
        let request = http::Request::builder().uri(uri).header("host", host);
        ApiKnock::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn apis_are_known_by_host_or_path() {
        let by_host = knock("Abc.Execute-API.eu-west-1.localhost:4566", "/prod/x").unwrap();
        assert_eq!((by_host.id.as_str(), by_host.path), ("abc", None));
        for (uri, path) in [
            ("/restapis/abc/prod/_user_request_/a/b?c=d", "/prod/a/b"),
            ("/restapis/abc/prod/_user_request_/", "/prod/"),
            ("/restapis/abc/prod/_user_request_", "/prod"),
            ("/_aws/execute-api/abc/prod/a%2Fb", "/prod/a%2Fb"),
            ("/_aws/execute-api/abc/prod", "/prod"),
            ("/_aws/execute-api/abc", "/"),
        ] {
            let knock = knock("localhost:4566", uri).unwrap();
            assert_eq!((knock.id.as_str(), knock.path.as_deref()), ("abc", Some(path)), "{uri}");
        }
        for uri in ["/restapis/abc/stages/prod", "/restapis/abc/resources/x/methods/GET", "/restapis", "/v2/apis"] {
            assert_eq!(knock("localhost:4566", uri), None, "{uri}");
        }
    }

    #[test]
    fn the_query_stays() {
        assert_eq!(with_path(&"/x?a=b".parse().unwrap(), "/prod/y").unwrap(), "/prod/y?a=b");
        assert_eq!(with_path(&"/x".parse().unwrap(), "/prod").unwrap(), "/prod");
    }
}
