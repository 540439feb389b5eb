//! The walk of a request: who may at all, what it is without signatures and chunks, the operation, and what every answer has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use http_body::Frame;
use http_body_util::{BodyStream, StreamBody};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::crypto::{Checksum as _, Sha256};
use s3s::service::S3ServiceBuilder;
use s3s::{Body, S3Error, S3ErrorCode, StdError};
use std::sync::Arc;
use tindra_core::clock::UnixMs;

use crate::access::{Gate, KeyOfVisitor};
use crate::api::Api;
use crate::chunked::{self, Trailers};
use crate::cors::{CorsRule, Cross};
use crate::errors;
use crate::host::{Hosts, bucket_of_host};
use crate::patience::Patient;
use crate::service::S3Service;
use crate::visitor::{Asking, Visitor};

/// A form of a browser is collected before it is an object.
const FORM_BYTES_MAX: u64 = 16 << 20;
/// The largest XML: ten thousand parts with their checksums.
const XML_BYTES_MAX: usize = 4 << 20;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// What a signature in a query consists of, and what goes with it.
const SIGNING_MEMBERS: [&str; 9] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
];

impl S3Service {
    /// Answers a request of somebody.
    pub async fn serve<B>(&self, mut parts: Parts, body: B, visitor: Visitor) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<StdError>,
    {
        let request_id = visitor.request_id.clone();
        let (method, headers) = (parts.method.clone(), parts.headers.clone());
        let cross = Cross::of(&method, &headers);
        let rules = match cross {
            Some(_) => self.rules_of(&parts).await,
            None => Vec::new(),
        };
        let rule = cross.and_then(|cross| cross.rule(&rules));
        let mut response = if method == Method::OPTIONS {
            preflight(cross.is_some(), rule)
        } else if visitor.is_foreign_page && rule.is_none() {
            let message = "Pages of other sites may use a bucket only by its CORS configuration while auth is off.";
            answer(S3Error::with_message(S3ErrorCode::AccessDenied, message))
        } else {
            let asking = Asking { visitor: Arc::new(visitor), trailers: Trailers::default() };
            match without_signature(&mut parts, &asking.visitor) {
                Ok(()) => self.operate(parts, body, asking).await,
                Err(error) => answer(error),
            }
        };
        if let (Some(cross), Some(rule)) = (cross, rule) {
            cross.answer(rule, response.headers_mut());
        }
        name(&mut response, &request_id);
        response
    }

    /// The rules of the bucket that a request is about, for browsers.
    async fn rules_of(&self, parts: &Parts) -> Vec<CorsRule> {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let in_path = || parts.uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
        let name = bucket_of_host(host).unwrap_or_else(in_path);
        match self.find_bucket(name).await {
            Ok(Some(bucket)) => bucket.value.cors,
            _ => Vec::new(),
        }
    }

    async fn operate<B>(&self, mut parts: Parts, body: B, asking: Asking) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<StdError>,
    {
        let is_held_back = parts.headers.contains_key(header::EXPECT);
        let request_id = asking.visitor.request_id.clone();
        let (body, rest) = Patient::new(body);
        let is_unsigned = asking.visitor.key.is_none() && !parts.headers.contains_key(header::AUTHORIZATION);
        let body = if is_unsigned && is_in_chunks(&parts.headers) {
            plain_length(&mut parts.headers);
            let pieces = BodyStream::new(body).try_filter_map(|frame| async { Ok(frame.into_data().ok()) });
            let plain = chunked::plain(Box::pin(pieces), asking.trailers.clone());
            Body::http_body_unsync(StreamBody::new(Box::pin(plain.map_ok(Frame::data))))
        } else {
            Body::http_body_unsync(body)
        };
        let service = self.service_for(&asking);
        let mut response = match service.call(http::Request::from_parts(parts, body)).await {
            Ok(response) => response,
            Err(error) => {
                let error: StdError = error.into();
                tracing::error!(error = error.as_ref() as &dyn std::error::Error, "failed to answer a request of S3");
                answer(S3Error::new(S3ErrorCode::InternalError))
            }
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            response = errors::complete(response, &request_id).await;
        }
        if !rest.discard(is_held_back).await {
            // What follows on the connection would be the body, and not a request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The wire layer, for one visitor.
    fn service_for(&self, asking: &Asking) -> s3s::service::S3Service {
        let mut builder = S3ServiceBuilder::new(Api { service: self.clone(), asking: asking.clone() });
        builder.set_host(Hosts);
        let mut config = S3Config::default();
        config.post_object_max_file_size = FORM_BYTES_MAX;
        config.xml_max_body_size = XML_BYTES_MAX;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        if asking.visitor.rights.is_some() {
            builder.set_auth(KeyOfVisitor(asking.clone()));
            builder.set_access(Gate { service: self.clone(), asking: asking.clone() });
        }
        builder.build()
    }
}

/// A refusal that comes before everything else, in S3's form.
#[must_use]
pub fn refusal(code: &str, message: &str, request_id: &str) -> Response<Body> {
    let known = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::AccessDenied);
    let mut error = S3Error::with_message(known, message.to_owned());
    if error.status_code().is_none() {
        error.set_status_code(StatusCode::FORBIDDEN);
    }
    let mut response = answer(error);
    name(&mut response, request_id);
    response
}

fn answer(error: S3Error) -> Response<Body> {
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// What every answer of S3 has.
fn name(response: &mut Response<Body>, request_id: &str) {
    for (name, value) in [(REQUEST_ID, request_id.to_owned()), (HOST_ID, host_id(request_id))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// `x-amz-id-2`, which on AWS says which machine it was.
pub(crate) fn host_id(request_id: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(request_id.as_bytes());
    STANDARD.encode(digest.finalize())
}

/// What a browser is told that asks whether it may ask.
fn preflight(is_cross: bool, rule: Option<&CorsRule>) -> Response<Body> {
    match (is_cross, rule) {
        (_, Some(_)) => Response::new(Body::empty()),
        (false, None) => {
            let message = "Insufficient information. Origin request header needed.";
            answer(S3Error::with_message(S3ErrorCode::InvalidRequest, message))
        }
        (true, None) => {
            let message = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
            answer(crate::failure::custom("AccessForbidden", StatusCode::FORBIDDEN, message))
        }
    }
}

/// Takes signatures away that nobody looks at. A link that has expired is refused even so.
fn without_signature(parts: &mut Parts, visitor: &Visitor) -> Result<(), S3Error> {
    if visitor.rights.is_some() {
        return Ok(());
    }
    parts.headers.remove(header::AUTHORIZATION);
    let query = parts.uri.query().unwrap_or_default();
    if !query.split('&').any(is_of_signature) {
        return Ok(());
    }
    if is_without_end(query) {
        let message = "X-Amz-Expires should be a number";
        return Err(crate::failure::custom("AuthorizationQueryParametersError", StatusCode::BAD_REQUEST, message));
    }
    if has_expired(query, visitor.now_ms) {
        return Err(S3Error::with_message(S3ErrorCode::AccessDenied, "Request has expired"));
    }
    let is_of_second = query.split('&').any(|pair| pair.starts_with("AWSAccessKeyId="));
    let is_rest = |pair: &&str| !(is_of_signature(pair) || is_of_second && pair.starts_with("Expires="));
    let rest: Vec<&str> = query.split('&').filter(is_rest).collect();
    let target = match rest.as_slice() {
        [] => parts.uri.path().to_owned(),
        rest => format!("{}?{}", parts.uri.path(), rest.join("&")),
    };
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.path_and_query = target.parse().ok();
    parts.uri = Uri::from_parts(uri).map_err(|_| S3Error::new(S3ErrorCode::InvalidURI))?;
    Ok(())
}

fn is_of_signature(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    SIGNING_MEMBERS.iter().any(|member| name.eq_ignore_ascii_case(member))
}

fn is_without_end(query: &str) -> bool {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.any(|(name, value)| name.eq_ignore_ascii_case("X-Amz-Expires") && value.parse::<u64>().is_err())
}

fn has_expired(query: &str, now_ms: UnixMs) -> bool {
    let get = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    };
    let begun = || {
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", get("X-Amz-Date")?).ok()?;
        let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        u64::try_from(time.timestamp().as_millisecond()).ok()
    };
    let lasts_s = || get("X-Amz-Expires")?.parse::<u64>().ok();
    // A signature of the second version says when it ends.
    let ends_s = || get("AWSAccessKeyId").and_then(|_| get("Expires")?.parse::<u64>().ok());
    match (begun(), lasts_s()) {
        (Some(begun_ms), Some(lasts_s)) => now_ms > begun_ms.saturating_add(lasts_s.saturating_mul(1_000)),
        _ => ends_s().is_some_and(|ends_s| now_ms > ends_s.saturating_mul(1_000)),
    }
}

fn is_in_chunks(headers: &HeaderMap) -> bool {
    let hash = headers.get("x-amz-content-sha256").and_then(|hash| hash.to_str().ok());
    hash.is_some_and(|hash| hash.starts_with("STREAMING-"))
}

/// The length of a body is the one without its chunks.
fn plain_length(headers: &mut HeaderMap) {
    match headers.get("x-amz-decoded-content-length").cloned() {
        Some(length) => headers.insert(header::CONTENT_LENGTH, length),
        None => headers.remove(header::CONTENT_LENGTH),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_expire() {
        let query = "X-Amz-Date=20261130T120000Z&X-Amz-Expires=60&X-Amz-Signature=0";
        let begun_ms = 1_796_040_000_000;
        assert!(!has_expired(query, begun_ms + 59_000));
        assert!(has_expired(query, begun_ms + 61_000));
        assert!(!has_expired("versionId=1", begun_ms));
        assert!(has_expired("AWSAccessKeyId=a&Signature=b&Expires=5", 6_000));
        assert!(!has_expired("AWSAccessKeyId=a&Signature=b&Expires=5", 4_000));
    }
}
