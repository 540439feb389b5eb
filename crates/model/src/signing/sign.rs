//! Signing requests and links.

use super::canonical::{Canonical, encode};
use super::hash::{hex_digest, signature};
use super::{ALGORITHM, CONTENT_HASH, S3, Signed, UNSIGNED, time};

/// Keys to sign with.
#[derive(Clone)]
pub struct Credentials {
    /// Access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// For temporary keys.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The headers to add to a request so that it is signed; its `Host` header must be there already. S3 wants the hash
/// of the body in a header, too.
#[must_use]
pub fn sign(
    request: &Signed<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now_ms: u64,
) -> Vec<(&'static str, String)> {
    let timestamp = time::format(now_ms);
    let mut headers = request.headers.clone();
    let mut added = vec![("x-amz-date", timestamp.clone())];
    added.extend(credentials.session_token.clone().map(|token| ("x-amz-security-token", token)));
    let hash = hex_digest(request.body);
    let is_s3 = service == S3;
    added.extend(is_s3.then(|| (CONTENT_HASH, hash.clone())));
    for (name, value) in &added {
        if let Ok(value) = value.parse() {
            headers.insert(*name, value);
        }
    }
    let mut signed_headers: Vec<String> = headers
        .keys()
        .map(|name| name.as_str().to_owned())
        .filter(|name| name == "host" || name == "content-type" || name.starts_with("x-amz-"))
        .collect();
    signed_headers.sort();
    signed_headers.dedup();
    let request = Signed { headers: &headers, ..*request };
    let canonical = Canonical { request: &request, signed_headers: &signed_headers, payload_hash: &hash, is_s3 };
    let scope = format!("{}/{region}/{service}/aws4_request", &timestamp[..8]);
    let signature = signature(&canonical.text(), &credentials.secret_access_key, &timestamp, &scope);
    added.push((
        "authorization",
        format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            credentials.access_key_id,
            signed_headers.join(";")
        ),
    ));
    added
}

/// The query string of a link that does what the request does until it expires, at most after a week. The
/// request's `Host` header is signed with it; nothing else that the client sends is.
#[must_use]
pub fn presign(
    request: &Signed<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    expires_s: u32,
    now_ms: u64,
) -> String {
    let timestamp = time::format(now_ms);
    let scope = format!("{}/{region}/{service}/aws4_request", &timestamp[..8]);
    let credential = encode(&format!("{}/{scope}", credentials.access_key_id));
    let mut query = request.query.to_owned();
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(&format!(
        "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={timestamp}&X-Amz-Expires={expires_s}&X-Amz-SignedHeaders=host"
    ));
    if let Some(token) = &credentials.session_token {
        query.push_str(&format!("&X-Amz-Security-Token={}", encode(token)));
    }
    let is_s3 = service == S3;
    let hash = if is_s3 { UNSIGNED.to_owned() } else { hex_digest(request.body) };
    let signed = Signed { query: &query, ..*request };
    let signed_headers = ["host".to_owned()];
    let canonical = Canonical { request: &signed, signed_headers: &signed_headers, payload_hash: &hash, is_s3 };
    let signature = signature(&canonical.text(), &credentials.secret_access_key, &timestamp, &scope);
    query.push_str(&format!("&X-Amz-Signature={signature}"));
    query
}
