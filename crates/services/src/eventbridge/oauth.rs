//! The tokens of OAuth connections: fetched when they are first needed, and kept in memory until they expire.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use tindra_core::clock::UnixMs;
use tindra_core::push::PushError;
use tindra_outside::anywhere::{Bounds, fetch};

use super::EventBridgeService;
use super::destinations::{add_to_query, escaped};
use super::secrets::{Connection, OAuth, Parameter, basic};

/// For the answer of the authorization server.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
/// A token is not used that expires within this.
const MARGIN_MS: u64 = 60_000;
/// How long a token is kept that does not say how long it lasts.
const LASTS_S: u64 = 300;
/// Tokens in memory.
const TOKENS_MAX: usize = 10_000;

/// Tokens by their connections.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Token>>);

#[derive(Clone, Debug)]
struct Token {
    /// The value of the `Authorization` header.
    header: String,
    /// Another revision of the connection needs another token.
    modified_ms: UnixMs,
    expires_ms: UnixMs,
}

#[derive(Debug, Deserialize)]
struct Answer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
}

impl Tokens {
    fn get(&self, arn: &str, modified_ms: UnixMs, now_ms: UnixMs) -> Option<String> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(arn).filter(|token| token.modified_ms == modified_ms && token.expires_ms > now_ms);
        token.map(|token| token.header.clone())
    }

    fn put(&self, arn: &str, token: Token, now_ms: UnixMs) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, token| token.expires_ms > now_ms);
        }
        if tokens.len() < TOKENS_MAX {
            tokens.insert(arn.to_owned(), token);
        }
    }

    /// The server did not accept it.
    pub(super) fn forget(&self, arn: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(arn);
    }
}

impl EventBridgeService {
    /// The `Authorization` header of an OAuth connection.
    pub(super) async fn token(&self, arn: &str, connection: &Connection, oauth: &OAuth) -> Result<String, PushError> {
        let now_ms = self.now_ms();
        if let Some(header) = self.tokens.get(arn, connection.modified_ms, now_ms) {
            return Ok(header);
        }
        let failed = |why: String| PushError::passing("ERROR_FROM_TARGET", format!("no token for {arn}: {why}"));
        let request = request(oauth).map_err(failed)?;
        let bounds = Bounds { timeout: TIMEOUT, bytes_max: ANSWER_BYTES_MAX };
        let answer = fetch(request, bounds, &*self.around.reach).await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(failed(format!("the authorization endpoint answered {}", answer.status().as_u16())));
        }
        let answer: Answer = serde_json::from_slice(answer.body())
            .map_err(|error| failed(format!("the authorization endpoint's answer has no access_token: {error}")))?;
        let kind = answer.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer"));
        let header = format!("{} {}", kind.as_deref().unwrap_or("Bearer"), answer.access_token);
        // Some servers answer the number as a text.
        let lasts_s = answer.expires_in.and_then(|lasts| lasts.as_u64().or_else(|| lasts.as_str()?.parse().ok()));
        let lasts_ms = lasts_s.unwrap_or(LASTS_S).saturating_mul(1_000);
        let expires_ms = now_ms.saturating_add(lasts_ms.saturating_sub(MARGIN_MS));
        let token = Token { header: header.clone(), modified_ms: connection.modified_ms, expires_ms };
        self.tokens.put(arn, token, now_ms);
        Ok(header)
    }
}

/// The request for a token, by client credentials.
fn request(oauth: &OAuth) -> Result<Request<Bytes>, String> {
    let more = oauth.http_parameters.clone().unwrap_or_default();
    let client = oauth.client_parameters.clone().ok_or("the connection has no client")?;
    let mut url = oauth.authorization_endpoint.clone().unwrap_or_default();
    let method = oauth.http_method.as_deref().unwrap_or("POST");
    let value = |parameter: &Parameter| parameter.value.clone().unwrap_or_default();
    for parameter in &more.query_string_parameters {
        add_to_query(&mut url, &parameter.key, &value(parameter));
    }
    let mut form: Vec<(String, String)> =
        more.body_parameters.iter().map(|parameter| (parameter.key.clone(), value(parameter))).collect();
    if !form.iter().any(|(name, _)| name == "grant_type") {
        form.push(("grant_type".to_owned(), "client_credentials".to_owned()));
    }
    let mut body = String::new();
    if method == "GET" {
        form.iter().for_each(|(name, value)| add_to_query(&mut url, name, value));
    } else {
        let pairs: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        body = pairs.join("&");
    }
    let proof = basic(&client.id.unwrap_or_default(), &client.secret.unwrap_or_default());
    let mut request = Request::builder().method(method).uri(url).header("authorization", proof);
    if method != "GET" {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    for parameter in &more.header_parameters {
        request = request.header(parameter.key.as_str(), value(parameter));
    }
    request.body(body.into()).map_err(|error| error.to_string())
}
