//! Requests for S3: which they are, and who sent them.
//!
//! They are told by the credential scope of their signature, by their host, or, when nobody signed them, by a path that no other
//! service has and that begins with the name of a bucket. Their bodies are not collected here: objects are larger than memory.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use tindra_model::ApiError;
use tindra_s3::{Visitor, bucket_of_host, is_host_of_s3, refusal};
use tindra_services::iam::{Identity, Who as Holder};

use super::head::{self, Claim};
use super::outgoing::Outgoing;
use super::{Backends, Edge, Peer, route};
use crate::auth::Who;
use crate::authorise::Asker;
use crate::config::Auth;

/// What S3 is called in signatures.
pub(super) const SIGNING_NAME: &str = "s3";

/// Why bodies that come may break off.
pub(super) type BodyFailure = Box<dyn std::error::Error + Send + Sync>;

impl<B: Backends> Edge<B> {
    /// Whether a request is for S3.
    pub(super) async fn is_for_objects(&self, parts: &Parts, claim: Option<Claim<'_>>, peer: &Peer) -> bool {
        if let Some(claim) = claim {
            return claim.service == SIGNING_NAME;
        }
        if is_host_of_s3(head::host(&parts.headers)) {
            return true;
        }
        if [header::AUTHORIZATION.as_str(), "x-amz-target"].iter().any(|name| parts.headers.contains_key(*name)) {
            return false;
        }
        let Some(bucket) = unclaimed_bucket(parts, peer) else { return false };
        let is_made = parts.method == Method::PUT && is_about_bucket(parts);
        is_made || self.backends.objects().has_bucket(bucket).await
    }

    /// Answers a request for S3.
    pub(super) async fn answer_for_objects<T>(
        &self,
        parts: Parts,
        body: T,
        peer: &Peer,
        request_id: &str,
    ) -> Response<Outgoing>
    where
        T: Body<Data = Bytes> + Send + Unpin + 'static,
        T::Error: Into<BodyFailure>,
    {
        let claim = Claim::of(&parts).or_else(|| self.claim_of_link(&parts));
        let visitor = match self.visitor(&parts, claim, peer, request_id).await {
            Ok(visitor) => visitor,
            Err(error) => {
                let (code, message) = in_words_of_s3(&error);
                return outgoing(refusal(code, message, request_id));
            }
        };
        let used = visitor.key.as_ref().map(|(id, _)| (id.clone(), visitor.scope.region.clone()));
        let response = self.backends.objects().serve(parts, body, visitor).await;
        if let (Some((id, region)), false) = (used, response.status() == http::StatusCode::FORBIDDEN) {
            self.options.authenticator.note_use_of(&id, &region, SIGNING_NAME);
        }
        outgoing(response)
    }

    /// Who made a link with a signature of the second version, which boto3 and the AWS CLI still do for some regions. It
    /// names no region.
    fn claim_of_link<'a>(&'a self, parts: &'a Parts) -> Option<Claim<'a>> {
        let mut pairs = parts.uri.query()?.split('&');
        let access_key_id = pairs.find_map(|pair| pair.strip_prefix("AWSAccessKeyId="))?;
        let region = &self.options.authenticator.default_scope().region;
        Some(Claim { access_key_id, region, service: SIGNING_NAME })
    }

    async fn visitor(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
        request_id: &str,
    ) -> Result<Visitor, ApiError> {
        let (authenticator, now_ms) = (&self.options.authenticator, self.options.clock.unix_ms());
        let (who, key) = authenticator.key_of(parts, claim, peer, now_ms).await?;
        let is_checked = authenticator.kind() == Auth::SigV4;
        let rights = if is_checked {
            let asker = Asker { who: &who, peer, now_ms, is_tls: self.options.is_tls };
            Some(self.authoriser.rights(authenticator, asker, key.is_some(), address(peer)).await?)
        } else {
            None
        };
        let is_operator = matches!(peer, Peer::Operator { .. });
        let trace_id = head::trace_id(&parts.headers);
        Ok(Visitor {
            principal_id: principal_id(&who),
            scope: who.scope,
            key,
            rights,
            address: address(peer),
            request_id: request_id.to_owned(),
            trace_id: trace_id.map(str::to_owned),
            now_ms,
            is_foreign_page: !is_checked && is_operator && head::is_from_foreign_page(&parts.headers),
        })
    }
}

fn address(peer: &Peer) -> IpAddr {
    match peer {
        Peer::Operator { address } => *address,
        Peer::Environment(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

/// The bucket that a request may be about that nobody signed.
fn unclaimed_bucket<'a>(parts: &'a Parts, peer: &Peer) -> Option<&'a str> {
    let path = parts.uri.path();
    if let Some(bucket) = bucket_of_host(head::host(&parts.headers)) {
        return (!route::is_page(path)).then_some(bucket);
    }
    // By far the most paths are Lambda's, whose dates are no names: they are not looked up twice.
    let bucket = path.strip_prefix('/')?.split('/').next().filter(|name| is_bucket_name(name))?;
    let is_of_others = route::is_page(path) || route::destination(parts, None, peer).is_ok();
    (!is_of_others).then_some(bucket)
}

fn is_about_bucket(parts: &Parts) -> bool {
    let path = parts.uri.path().trim_matches('/');
    let is_named_by_host = bucket_of_host(head::host(&parts.headers)).is_some();
    if is_named_by_host { path.is_empty() } else { !path.is_empty() && !path.contains('/') }
}

/// A name of a bucket, and no date as the paths of Lambda begin with.
fn is_bucket_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let is_date = name.len() == 10 && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    (3..=63).contains(&name.len()) && name.bytes().all(is_plain) && !is_date
}

/// As notifications name somebody.
fn principal_id(who: &Who) -> String {
    let Identity { account, who, .. } = &who.identity;
    match who {
        Holder::Root => account.clone(),
        Holder::User(name) => format!("AWS:{name}"),
        Holder::Role { name, session_name } => format!("AWS:{name}:{session_name}"),
    }
}

/// S3 has codes of its own for what is wrong with keys.
fn in_words_of_s3(error: &ApiError) -> (&str, &str) {
    match error.code() {
        "UnrecognizedClientException" => {
            ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        }
        "ExpiredTokenException" => ("ExpiredToken", "The provided token has expired."),
        "AccessDeniedException" => ("AccessDenied", error.message()),
        "ServiceException" => ("InternalError", "We encountered an internal error. Please try again."),
        _ => ("AccessDenied", "Access Denied"),
    }
}

fn outgoing<T>(response: Response<T>) -> Response<Outgoing>
where
    T: Body<Data = Bytes> + Send + 'static,
    T::Error: Into<BodyFailure>,
{
    response.map(|body| Outgoing::streamed(body.map_err(|error| std::io::Error::other(error.into()))))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn unsigned_paths_may_be_buckets() {
        let operator = Peer::Operator { address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        let bucket = |host: &str, path: &str| {
            let request = Request::builder().uri(path).header("host", host).body(()).unwrap();
            unclaimed_bucket(&request.into_parts().0, &operator).map(str::to_owned)
        };
        assert_eq!(bucket("localhost:1", "/photos/a.jpg").as_deref(), Some("photos"));
        assert_eq!(bucket("photos.localhost:1", "/a.jpg").as_deref(), Some("photos"));
        for path in ["/", "/2015-03-31/functions", "/2015-03-31/other", "/_tindra/health", "/metrics", "/restapis"] {
            assert_eq!(bucket("localhost:1", path), None, "{path}");
        }
    }
}
