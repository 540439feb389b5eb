//! The HTTP front doors of functions: which requests are for one, and what every door needs before it opens.
//!
//! A door is known by its host (`ID.lambda-url.REGION.…`) or, where names do not lead here, by a path that begins with
//! `/_aws/lambda-url/ID`. What is behind a door is answered by `services`; browsers of any site may knock, because a door says itself
//! (CORS, signatures, policies) who may come in.

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Response, Uri};
use http_body::Body;
use http_body_util::Full;
use tindra_core::function_url::FunctionUrl;
use tindra_core::limits;
use tindra_model::ApiError;
use tindra_services::front_door::{DoorBody, DoorRequest, DoorResponse};
use tindra_services::function_urls;

use super::body::{self, BodyError};
use super::head::{self, Claim};
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer};
use crate::authorise::{Asker, shown, wants_signature};

/// What the path of a request to a URL begins with where its host does not tell.
const URL_PATH: &str = "/_aws/lambda-url/";

/// A request for a front door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Knock {
    /// Of the URL, in lower case.
    id: String,
    /// Bytes of the path that lead to the door and are not the function's.
    prefix_bytes: usize,
}

impl Knock {
    /// None for what is for an API or a page of the server.
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        Self::by_host(head::host(&parts.headers)).or_else(|| Self::by_path(parts.uri.path()))
    }

    fn by_host(host: &str) -> Option<Self> {
        let mut labels = host.split('.');
        let (id, kind) = (labels.next()?, labels.next()?);
        kind.eq_ignore_ascii_case("lambda-url").then(|| Self { id: id.to_ascii_lowercase(), prefix_bytes: 0 })
    }

    fn by_path(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(URL_PATH)?;
        let id = rest.split('/').next().unwrap_or_default();
        Some(Self { id: id.to_ascii_lowercase(), prefix_bytes: URL_PATH.len() + id.len() })
    }
}

impl<B: Backends> Edge<B> {
    /// Answers at a front door.
    pub(super) async fn door<T>(
        &self,
        knock: Knock,
        parts: Parts,
        body: T,
        peer: &Peer,
        request_id: &str,
    ) -> Result<Response<Outgoing>, Refusal>
    where
        T: Body<Data = Bytes> + Unpin,
    {
        let found = self.backends.function_urls().find(&knock.id).await;
        let Some(url) = found.map_err(|error| Refusal::Failed(error.to_string()))? else {
            return Ok(outgoing(function_urls::unknown()));
        };
        let received = match body::read(body, limits::SYNC_REQUEST_BYTES_MAX, &self.budget).await {
            Ok(received) => received,
            Err(BodyError::TooLarge) => return Ok(outgoing(function_urls::too_large())),
            Err(BodyError::Stalled) => return Err(Refusal::Stalled),
            Err(BodyError::Broken) => return Err(Refusal::Malformed("the request body ended early")),
            Err(BodyError::Busy) => {
                return Err(Refusal::Failed("too many large requests at once; try again".to_owned()));
            }
        };
        let claim = wants_signature(&url).then(|| Claim::of(&parts)).flatten();
        let caller = match self.caller_of_url(&url, &parts, claim, &received.bytes, peer).await {
            Ok(caller) => caller,
            Err(error) if error.code() == "ServiceException" => {
                return Err(Refusal::Failed(error.message().to_owned()));
            }
            Err(_) => Err(()),
        };
        let request = self.door_request(&knock, &url, parts, received.bytes.clone(), peer, request_id)?;
        drop(received);
        let urls = self.backends.function_urls();
        if let Some(answer) = urls.preflight(&url, &request) {
            return Ok(outgoing(answer));
        }
        Ok(outgoing(match caller {
            Ok(caller) => urls.answer(&url, caller, request).await,
            Err(()) => function_urls::forbidden(),
        }))
    }

    /// Who called, of a URL that asks; an error inside is a refusal, one outside a failure or a bad signature.
    async fn caller_of_url(
        &self,
        url: &FunctionUrl,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        body: &Bytes,
        peer: &Peer,
    ) -> Result<Result<Option<tindra_core::door::IamIdentity>, ()>, ApiError> {
        let (authenticator, now_ms) = (&self.options.authenticator, self.options.clock.unix_ms());
        let who = match (wants_signature(url), claim) {
            (false, _) => None,
            (true, None) => return Ok(Err(())),
            (true, Some(_)) => {
                Some(authenticator.authenticate(parts, claim, body, tindra_model::lambda(), peer, now_ms).await?)
            }
        };
        let asker = who.as_ref().map(|who| Asker { who, peer, now_ms, is_tls: self.options.is_tls });
        let may = self.authoriser.may_call_url(self.backends.as_ref(), authenticator, url, asker).await?;
        Ok(if may { Ok(who.as_ref().map(shown)) } else { Err(()) })
    }

    fn door_request(
        &self,
        knock: &Knock,
        url: &FunctionUrl,
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
        if knock.prefix_bytes > 0 {
            parts.uri = without_prefix(&parts.uri, knock.prefix_bytes)?;
            host = format!("{}.lambda-url.{}.localhost", url.id, url.scope.region);
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

/// The path that is left for the function.
fn without_prefix(uri: &Uri, prefix_bytes: usize) -> Result<Uri, Refusal> {
    let whole = uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
    let rest = whole.get(prefix_bytes..).unwrap_or_default();
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    rest.parse().map_err(|_| Refusal::Malformed("the path is none"))
}

pub(super) fn outgoing(response: DoorResponse) -> Response<Outgoing> {
    response.map(|body| match body {
        DoorBody::Whole(whole) => Full::new(whole).into(),
        DoorBody::Stream(stream) => Outgoing::streamed(stream),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knock(host: &str, uri: &str) -> Option<Knock> {
        let request = http::Request::builder().uri(uri).header("host", host);
        Knock::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn urls_are_known_by_host_or_path() {
        let by_host = Some(Knock { id: "abc".into(), prefix_bytes: 0 });
        assert_eq!(knock("abc.lambda-url.us-east-1.localhost:4566", "/x"), by_host);
        assert_eq!(knock("ABC.Lambda-URL.us-east-1.example.com", "/"), by_host);
        assert_eq!(
            knock("localhost:4566", "/_aws/lambda-url/Abc/x?y=1"),
            Some(Knock { id: "abc".into(), prefix_bytes: 20 })
        );
        for (host, uri) in
            [("localhost:4566", "/2015-03-31/functions"), ("lambda.us-east-1.example.com", "/"), ("127.0.0.1", "/")]
        {
            assert_eq!(knock(host, uri), None, "{host}{uri}");
        }
    }

    #[test]
    fn the_function_sees_its_own_path() {
        let rest = |uri: &str| without_prefix(&uri.parse().unwrap(), 20).unwrap().to_string();
        assert_eq!(rest("/_aws/lambda-url/abc/a%2Fb?c=d"), "/a%2Fb?c=d");
        assert_eq!(rest("/_aws/lambda-url/abc"), "/");
        assert_eq!(rest("/_aws/lambda-url/abc?c=d"), "/?c=d");
    }
}
