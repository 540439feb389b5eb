//! What the edge reads from a request's head: who says to be calling, which account and region are meant, and
//! under which address the client reached us.

use http::header::{AUTHORIZATION, HOST, ORIGIN, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Version};
use tindra_core::function::Scope;

use crate::config::{is_account, is_region};

/// The credential scope of a signed request, as claimed; `auth` verifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

impl<'a> Claim<'a> {
    /// Reads `Credential=KEY/DATE/REGION/SERVICE/aws4_request` of the Authorization header or, for a presigned
    /// URL, of the query. Anything else is no claim.
    pub(super) fn of(parts: &'a Parts) -> Option<Self> {
        match parts.headers.get(AUTHORIZATION) {
            Some(header) => {
                let (_, credential) = header.to_str().ok()?.split_once("Credential=")?;
                Self::parse(credential.split([',', ' ']).next()?, "/")
            }
            None => {
                let query = parts.uri.query()?;
                let credential = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
                let separator = if credential.contains("%2F") { "%2F" } else { "/" };
                Self::parse(credential, separator)
            }
        }
    }

    fn parse(credential: &'a str, separator: &str) -> Option<Self> {
        let mut fields = credential.split(separator);
        let access_key_id = fields.next()?;
        let _date = fields.next()?;
        Some(Self { access_key_id, region: fields.next()?, service: fields.next()? })
    }
}

/// The account and region that a request means when nothing is verified: a key of twelve digits is an account.
pub(crate) fn claimed_scope(claim: Option<Claim<'_>>, default: &Scope) -> Scope {
    let account = claim.map(|claim| claim.access_key_id).filter(|key| is_account(key));
    Scope { account: account.unwrap_or(&default.account).to_owned(), region: region(claim, default) }
}

/// The region that a request means.
pub(crate) fn region(claim: Option<Claim<'_>>, default: &Scope) -> String {
    claim.map(|claim| claim.region).filter(|region| is_region(region)).unwrap_or(&default.region).to_owned()
}

/// False for what RFC 9112 (section 3.2) answers with 400: no Host in HTTP/1.1, or several. A target that names a
/// host, as `:authority` in HTTP/2, must name the same one: whoever stands in between may have looked at either.
pub(super) fn has_one_host(parts: &Parts) -> bool {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let is_target = |host: &str| parts.uri.authority().is_none_or(|target| target.as_str().eq_ignore_ascii_case(host));
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(|host| is_host(host) && is_target(host)),
        (None, _) => parts.version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// False for a body that is chunked and something else besides, or something else alone: whoever stands in between may
/// see its end elsewhere.
pub(super) fn has_plain_framing(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    first && codings.next().is_none()
}

fn is_host(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]%~".contains(&byte))
}

/// The host that the client named, with its port if it named one; empty when it named none.
pub(super) fn host(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// The trace that the client says its request is of: SDKs inside functions do.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amzn-trace-id").and_then(|id| id.to_str().ok())
}

/// The base URL that the client used, for links in answers.
pub(super) fn base_url(headers: &HeaderMap, is_tls: bool, fallback: &str) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    let host = Some(host(headers)).filter(|host| !host.is_empty());
    format!("{scheme}://{}", host.unwrap_or(fallback))
}

/// True when a page of another site made a browser send this. With auth off nothing else stands between such
/// a page and the functions of whoever looks at it.
pub(super) fn is_from_foreign_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let host = origin.to_str().unwrap_or_default().split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_local = name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    !is_local
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Parts {
        build(Request::builder().uri("/")).body(()).unwrap().into_parts().0
    }

    #[test]
    fn reads_the_credential_scope() {
        let header = "AWS4-HMAC-SHA256 Credential=AKIAX/20261123/eu-north-1/lambda/aws4_request, SignedHeaders=host, Signature=0";
        let signed = parts(|request| request.header(AUTHORIZATION, header));
        let expected = Claim { access_key_id: "AKIAX", region: "eu-north-1", service: "lambda" };
        assert_eq!(Claim::of(&signed), Some(expected));
        let presigned =
            parts(|request| request.uri("/x?X-Amz-Credential=AKIAX%2F20261123%2Feu-north-1%2Flambda%2Faws4_request"));
        assert_eq!(Claim::of(&presigned), Some(expected));
        for nonsense in ["Bearer x", "AWS4-HMAC-SHA256 Credential=", "AWS4-HMAC-SHA256 Credential=a/b"] {
            assert_eq!(Claim::of(&parts(|request| request.header(AUTHORIZATION, nonsense))), None, "{nonsense}");
        }
    }

    #[test]
    fn twelve_digits_are_an_account_and_odd_regions_are_ignored() {
        let default = Scope { account: "000000000000".into(), region: "us-east-1".into() };
        let claim = |access_key_id, region| Some(Claim { access_key_id, region, service: "lambda" });
        let scope = |account: &str, region: &str| Scope { account: account.into(), region: region.into() };
        assert_eq!(claimed_scope(claim("123456789012", "eu-west-1"), &default), scope("123456789012", "eu-west-1"));
        assert_eq!(claimed_scope(claim("test", "../../etc"), &default), default);
        assert_eq!(claimed_scope(None, &default), default);
    }

    #[test]
    fn a_body_is_chunked_once_or_not_at_all() {
        let is_plain = |codings: &[&str]| {
            let named = |request: http::request::Builder, coding: &&str| request.header(TRANSFER_ENCODING, *coding);
            has_plain_framing(&parts(|request| codings.iter().fold(request, named)).headers)
        };
        assert!(is_plain(&[]) && is_plain(&["chunked"]) && is_plain(&["Chunked"]));
        for codings in [&["gzip, chunked"][..], &["identity", "chunked"], &["chunked", "chunked"], &["identity"]] {
            assert!(!is_plain(codings), "{codings:?}");
        }
    }

    #[test]
    fn one_host_and_no_foreign_page() {
        assert!(has_one_host(&parts(|request| request.header(HOST, "localhost:4566"))));
        assert!(!has_one_host(&parts(|request| request)));
        assert!(!has_one_host(&parts(|request| request.header(HOST, "a").header(HOST, "b"))));
        assert!(!has_one_host(&parts(|request| request.header(HOST, "a b"))));
        let absolute = |host| parts(|request| request.uri("http://a.localhost:1/x").header(HOST, host));
        assert!(has_one_host(&absolute("A.localhost:1")));
        assert!(!has_one_host(&absolute("b.localhost:1")) && !has_one_host(&absolute("a.localhost")));
        for (origin, foreign) in [
            ("http://localhost:3000", false),
            ("http://console.localhost", false),
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080", false),
            ("https://example.com", true),
            ("http://localhost.example.com", true),
            ("null", true),
        ] {
            assert_eq!(
                is_from_foreign_page(&parts(|request| request.header(ORIGIN, origin)).headers),
                foreign,
                "{origin}"
            );
        }
    }
}
