//! The doors of API Gateway: which requests are for an API, and their way to it.
//!
//! An API is known by its host (`ID.execute-api.REGION.…`), by a custom domain name, or, where names do not lead here, by a
//! path: `/_aws/execute-api/ID/STAGE/…`, and for REST APIs `/restapis/ID/STAGE/_user_request_/…` as well.

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Response, Uri};
use http_body::Body;
use tindra_core::limits;
use tindra_doors::front_door::DoorRequest;
use tindra_doors::{apigateway, restapi};

use super::body::{self, BodyError};
use super::doors::{outgoing, refusal};
use super::head;
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer};
use crate::config::DomainTarget;

const API_PATH: &str = "/_aws/execute-api/";
const REST_PATH: &str = "/restapis/";
/// What stands between the stage and the path in it, as in the addresses that other local servers give.
const USER_REQUEST: &str = "/_user_request_";

/// What a request for an API leads to.
#[derive(Clone, Debug)]
pub(super) enum ApiKnock {
    Http(apigateway::Found),
    /// A stage of a REST API, if there is such an API.
    Rest(RestKnock),
}

/// A request for a stage of an API that is named by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RestKnock {
    /// Of the API.
    id: String,
    /// The path with the stage as its first part, where it is not the request's own.
    path: Option<String>,
}

impl RestKnock {
    /// None for what is for something else.
    fn of(host: &str, path: &str) -> Option<Self> {
        Self::by_host(host).or_else(|| Self::by_path(path))
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
    /// The API that a request is for; none for what is for something else.
    pub(super) async fn api_of(&self, parts: &Parts) -> Result<Option<ApiKnock>, Refusal> {
        let (host, path) = (head::host(&parts.headers), parts.uri.path());
        let apis = self.backends.http_apis();
        let (found, rest) = match self.domain(host) {
            Some(DomainTarget::Api { id, stage }) => {
                let rest = RestKnock { id: id.clone(), path: Some(format!("/{stage}{path}")) };
                (apis.at(id, stage).await, Some(rest))
            }
            _ => match RestKnock::of(host, path) {
                None if !apis.has_domain_names() => return Ok(None),
                rest => (apis.find(host, path).await, rest),
            },
        };
        let found = found.map_err(|error| Refusal::Failed(error.to_string()))?;
        Ok(found.map(ApiKnock::Http).or_else(|| rest.map(ApiKnock::Rest)))
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
        if let ApiKnock::Http(found) = &knock
            && found.is_web_socket()
        {
            return self.websocket_door(found, parts, body, peer, request_id).await;
        }
        let (region, too_large) = match &knock {
            ApiKnock::Http(_) => (None, apigateway::too_large as fn() -> _),
            ApiKnock::Rest(rest) => match self.backends.rest_api_stages().region(&rest.id).await {
                Some(region) => (Some(region), restapi::too_large as _),
                None => return Ok(outgoing(apigateway::unknown())),
            },
        };
        let received = match body::read(body, limits::API_REQUEST_BYTES_MAX, &self.budget).await {
            Ok(received) => received,
            Err(BodyError::TooLarge) => return Ok(outgoing(too_large())),
            Err(error) => return Err(refusal(&error)),
        };
        let mut request = self.door_request(parts, received.bytes.clone(), peer, request_id);
        drop(received);
        match knock {
            ApiKnock::Http(found) => Ok(outgoing(self.backends.http_apis().answer_request(&found, request).await)),
            ApiKnock::Rest(rest) => {
                rest.enter(&region.unwrap_or_default(), &mut request)?;
                Ok(outgoing(self.backends.rest_api_stages().answer(&rest.id, request).await))
            }
        }
    }
}

impl RestKnock {
    /// Makes it a request as the API sees it: by its own host, with the stage as the first part of the path.
    fn enter(&self, region: &str, request: &mut DoorRequest) -> Result<(), Refusal> {
        if let Some(path) = &self.path {
            request.parts.uri = with_path(&request.parts.uri, path)?;
            request.host = format!("{}.execute-api.{region}.localhost", self.id);
        }
        Ok(())
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

    #[test]
    fn apis_are_known_by_host_or_path() {
        let by_host = RestKnock::of("Abc.Execute-API.eu-west-1.localhost:4566", "/prod/x").unwrap();
        assert_eq!((by_host.id.as_str(), by_host.path), ("abc", None));
        for (path, expected) in [
            ("/restapis/abc/prod/_user_request_/a/b", "/prod/a/b"),
            ("/restapis/abc/prod/_user_request_/", "/prod/"),
            ("/restapis/abc/prod/_user_request_", "/prod"),
            ("/_aws/execute-api/abc/prod/a%2Fb", "/prod/a%2Fb"),
            ("/_aws/execute-api/abc/prod", "/prod"),
            ("/_aws/execute-api/abc", "/"),
        ] {
            let knock = RestKnock::of("localhost:4566", path).unwrap();
            assert_eq!((knock.id.as_str(), knock.path.as_deref()), ("abc", Some(expected)), "{path}");
        }
        for path in ["/restapis/abc/stages/prod", "/restapis/abc/resources/x/methods/GET", "/restapis", "/v2/apis"] {
            assert_eq!(RestKnock::of("localhost:4566", path), None, "{path}");
        }
    }

    #[test]
    fn the_query_stays() {
        assert_eq!(with_path(&"/x?a=b".parse().unwrap(), "/prod/y").unwrap(), "/prod/y?a=b");
        assert_eq!(with_path(&"/x".parse().unwrap(), "/prod").unwrap(), "/prod");
    }
}
