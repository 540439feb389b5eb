//! Signs requests as AWS clients do, so that the server needs no exception for ours.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{HeaderName, Request};
use tindra_model::signing::{self, Credentials, Signed};

use super::ClientError;
use crate::endpoint::Keys;

/// Adds `Host` and the headers of a signature (Signature Version 4).
pub(super) fn sign(request: &mut Request<Bytes>, service: &str, region: &str, keys: &Keys) -> Result<(), ClientError> {
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    request.headers_mut().insert(HOST, value(&host)?);
    let credentials = Credentials {
        access_key_id: keys.access_key_id.clone(),
        secret_access_key: keys.secret_access_key.clone(),
        session_token: keys.session_token.clone(),
    };
    let signed = Signed {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: request.headers(),
        body: request.body(),
    };
    for (name, text) in signing::sign(&signed, &credentials, region, service, now_ms()) {
        request.headers_mut().insert(HeaderName::from_static(name), value(&text)?);
    }
    Ok(())
}

fn value(text: &str) -> Result<HeaderValue, ClientError> {
    text.parse().map_err(|source: http::header::InvalidHeaderValue| ClientError::Request { source: source.into() })
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or_default()
}
