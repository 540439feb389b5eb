//! The HTTP front doors of functions: which requests are for one, and what every door needs before it opens.
//!
//! A door is known by its host (`ID.lambda-url.REGION.…`, or a name of the operator's own), where names do not lead here by a path that
//! begins with `/_aws/lambda-url/ID`, or by a rule of the load balancer's listener. What is behind a door is answered by `services`; browsers of any site may knock, because a door says itself
//! (CORS, signatures, policies) who may come in.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Response, Uri};
use http_body::Body;
use http_body_util::Full;
use tindra_core::door::IamIdentity;
use tindra_core::function::Scope;
use tindra_core::function_url::FunctionUrl;
use tindra_core::limits;
use tindra_doors::front_door::{DoorBody, DoorRequest, DoorResponse};
use tindra_doors::load_balancer::{Forward, LoadBalancer};
use tindra_doors::{function_urls, load_balancer};
use tindra_model::ApiError;

use super::body::{self, BodyError};
use super::head::{self, Claim};
use super::outgoing::Outgoing;
use super::refusal::Refusal;
use super::{Backends, Edge, Peer};
use crate::authorise::{Asker, shown, wants_signature};
use crate::config::DomainTarget;

/// What the path of a request to a URL begins with where its host does not tell.
const URL_PATH: &str = "/_aws/lambda-url/";

/// A request for a front door.
pub(super) enum Knock<'a> {
    /// For a function URL, if there is one of this id or name; so many bytes of the path have led there.
    Url { url: Option<Arc<FunctionUrl>>, prefix_bytes: usize },
    /// For a target of the load balancer.
    Target(&'a LoadBalancer, &'a Forward),
}

impl<B: Backends> Edge<B> {
    /// The door that a request is for; none for what is for an API or a page of the server.
    pub(super) async fn knock(&self, parts: &Parts) -> Result<Option<Knock<'_>>, Refusal> {
        let host = head::host(&parts.headers);
        if let Some((id, prefix_bytes)) = url_of_host(host).or_else(|| url_of_path(parts.uri.path())) {
            let found = self.backends.function_urls().find(&id).await;
            let url = found.map_err(|error| Refusal::Failed(error.to_string()))?;
            return Ok(Some(Knock::Url { url, prefix_bytes }));
        }
        if let Some(DomainTarget::Function { name, alias }) = self.domain(host) {
            let Scope { account, region } = self.options.authenticator.default_scope();
            let url = self.backends.function_urls().of_function(account, region, name, alias.as_deref());
            return Ok(Some(Knock::Url { url, prefix_bytes: 0 }));
        }
        let target = self.entrances.load_balancer.as_ref().and_then(|balancer| {
            let forward = balancer.find(parts, &without_port(host).to_ascii_lowercase())?;
            Some(Knock::Target(balancer, forward))
        });
        Ok(target)
    }

    /// Where a name of the operator's own leads.
    pub(super) fn domain(&self, host: &str) -> Option<&DomainTarget> {
        if self.entrances.domains.is_empty() {
            return None;
        }
        self.entrances.domains.get(&without_port(host).to_ascii_lowercase())
    }

    /// Answers at a front door.
    pub(super) async fn door<T>(
        &self,
        knock: Knock<'_>,
        parts: Parts,
        body: T,
        peer: &Peer,
        request_id: &str,
    ) -> Result<Response<Outgoing>, Refusal>
    where
        T: Body<Data = Bytes> + Unpin,
    {
        let (bytes_max, too_large) = match &knock {
            Knock::Url { url: None, .. } => return Ok(outgoing(function_urls::unknown())),
            Knock::Url { .. } => (limits::SYNC_REQUEST_BYTES_MAX, function_urls::too_large as fn() -> DoorResponse),
            Knock::Target(..) => (limits::LOAD_BALANCER_BYTES_MAX, load_balancer::too_large as _),
        };
        let received = match body::read(body, bytes_max, &self.budget).await {
            Ok(received) => received,
            Err(BodyError::TooLarge) => return Ok(outgoing(too_large())),
            Err(error) => return Err(refusal(&error)),
        };
        let request = self.door_request(parts, received.bytes.clone(), peer, request_id);
        drop(received);
        match knock {
            Knock::Url { url: Some(url), prefix_bytes } => self.url_door(&url, prefix_bytes, request, peer).await,
            Knock::Url { url: None, .. } => Ok(outgoing(function_urls::unknown())),
            Knock::Target(balancer, forward) => Ok(outgoing(balancer.answer(forward, request).await)),
        }
    }

    async fn url_door(
        &self,
        url: &FunctionUrl,
        prefix_bytes: usize,
        mut request: DoorRequest,
        peer: &Peer,
    ) -> Result<Response<Outgoing>, Refusal> {
        let urls = self.backends.function_urls();
        if let Some(answer) = urls.preflight(url, &request) {
            return Ok(outgoing(answer));
        }
        // A signature is of the path as it came.
        let caller = match self.caller_of_url(url, &request.parts, &request.body, peer).await {
            Ok(Some(caller)) => caller,
            Err(error) if error.code() == "ServiceException" => {
                return Err(Refusal::Failed(error.message().to_owned()));
            }
            Ok(None) | Err(_) => return Ok(outgoing(function_urls::forbidden())),
        };
        if prefix_bytes > 0 {
            request.parts.uri = without_prefix(&request.parts.uri, prefix_bytes)?;
            request.host = format!("{}.lambda-url.{}.localhost", url.id, url.scope.region);
        }
        Ok(outgoing(urls.answer(url, caller, request).await))
    }

    pub(super) fn door_request(&self, parts: Parts, body: Bytes, peer: &Peer, request_id: &str) -> DoorRequest {
        let (host, port) = arrived_at(&parts, self.options.is_tls);
        let (is_tls, source_ip) = (self.options.is_tls, source_ip(peer));
        DoorRequest { parts, body, host, port, is_tls, source_ip, request_id: request_id.to_owned() }
    }

    /// Who called, which is nobody in particular unless the URL asks; none for who may not.
    async fn caller_of_url(
        &self,
        url: &FunctionUrl,
        parts: &Parts,
        body: &Bytes,
        peer: &Peer,
    ) -> Result<Option<Option<IamIdentity>>, ApiError> {
        let (authenticator, now_ms) = (&self.options.authenticator, self.options.clock.unix_ms());
        let who = if wants_signature(url) {
            let Some(claim) = Claim::of(parts) else { return Ok(None) };
            let who =
                authenticator.authenticate(parts, Some(claim), body, tindra_model::lambda(), peer, now_ms).await?;
            Some(who)
        } else {
            None
        };
        let asker = who.as_ref().map(|who| Asker { who, peer, now_ms, is_tls: self.options.is_tls });
        let may = self.authoriser.may_call_url(self.backends.as_ref(), authenticator, url, asker).await?;
        Ok(may.then(|| who.as_ref().map(shown)))
    }
}

/// The id of the URL whose host it is, in lower case.
fn url_of_host(host: &str) -> Option<(String, usize)> {
    let mut labels = host.split('.');
    let (id, kind) = (labels.next()?, labels.next()?);
    kind.eq_ignore_ascii_case("lambda-url").then(|| (id.to_ascii_lowercase(), 0))
}

/// The id of the URL whose path it is, in lower case, and how many bytes of the path have led there.
fn url_of_path(path: &str) -> Option<(String, usize)> {
    let rest = path.strip_prefix(URL_PATH)?;
    let id = rest.split('/').next().unwrap_or_default();
    Some((id.to_ascii_lowercase(), URL_PATH.len() + id.len()))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

pub(super) fn refusal(error: &BodyError) -> Refusal {
    match error {
        BodyError::Stalled => Refusal::Stalled,
        BodyError::Busy => Refusal::Failed("too many large requests at once; try again".to_owned()),
        BodyError::TooLarge | BodyError::Broken => Refusal::Malformed("the request body ended early"),
    }
}

/// The host that the client named, in lower case, and the port.
pub(super) fn arrived_at(parts: &Parts, is_tls: bool) -> (String, u16) {
    let named = head::host(&parts.headers);
    let (host, port) = match named.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (named, None),
    };
    (host.to_ascii_lowercase(), port.unwrap_or(if is_tls { 443 } else { 80 }))
}

/// The address that a function sees of who called.
pub(super) fn source_ip(peer: &Peer) -> String {
    match peer {
        Peer::Operator { address } => address.to_canonical().to_string(),
        // A function, which has an address of its own that nobody else can reach.
        Peer::Environment(_) => "127.0.0.1".to_owned(),
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

    #[test]
    fn urls_are_known_by_host_or_path() {
        assert_eq!(url_of_host("abc.lambda-url.us-east-1.localhost:4566"), Some(("abc".into(), 0)));
        assert_eq!(url_of_host("ABC.Lambda-URL.us-east-1.example.com"), Some(("abc".into(), 0)));
        assert_eq!(url_of_path("/_aws/lambda-url/Abc/x"), Some(("abc".into(), 20)));
        for host in ["localhost:4566", "lambda.us-east-1.example.com", "127.0.0.1"] {
            assert_eq!(url_of_host(host), None, "{host}");
        }
        assert_eq!(url_of_path("/2015-03-31/functions"), None);
        assert_eq!((without_port("a.b:80"), without_port("a.b"), without_port("[::1]")), ("a.b", "a.b", "[::1]"));
    }

    #[test]
    fn the_function_sees_its_own_path() {
        let rest = |uri: &str| without_prefix(&uri.parse().unwrap(), 20).unwrap().to_string();
        assert_eq!(rest("/_aws/lambda-url/abc/a%2Fb?c=d"), "/a%2Fb?c=d");
        assert_eq!(rest("/_aws/lambda-url/abc"), "/");
        assert_eq!(rest("/_aws/lambda-url/abc?c=d"), "/?c=d");
    }
}
