//! JSON web tokens: reading one, and whether it is what an authorizer wants ("Control access to HTTP APIs with JWT
//! authorizers").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwks::Key;

/// A token, taken apart; nothing of it is believed yet.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// `kid`.
    pub(super) key_id: String,
    algorithm: String,
    claims: Map<String, Value>,
    message: &'a str,
    signature: Vec<u8>,
}

/// What an authorizer wants of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a [String],
    /// Seconds since 1970.
    pub(super) now_s: u64,
}

impl<'a> Token<'a> {
    /// Reads a token, also one with `Bearer` before it.
    ///
    /// # Errors
    /// What is wrong, for `WWW-Authenticate`.
    pub(super) fn read(text: &'a str) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Header {
            alg: String,
            kid: Option<String>,
        }
        let text = text.trim();
        let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = bearer.map_or(text, |(_, token)| token.trim());
        let (message, signature) = token.rsplit_once('.').ok_or("the token is malformed")?;
        let (header, claims) = message.split_once('.').ok_or("the token is malformed")?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "the token is malformed");
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| "the token is malformed")?;
        let claims = serde_json::from_slice(&decoded(claims)?).map_err(|_| "the token is malformed")?;
        let key_id = header.kid.ok_or("the token does not name a key")?;
        Ok(Self { key_id, algorithm: header.alg, claims, message, signature: decoded(signature)? })
    }

    /// The claims, when the token is signed by the key and its claims are what is wanted.
    ///
    /// # Errors
    /// What is wrong, for `WWW-Authenticate`.
    pub(super) fn verify(self, key: &Key, wanted: Wanted<'_>) -> Result<Map<String, Value>, &'static str> {
        if !key.verifies(&self.algorithm, self.message.as_bytes(), &self.signature) {
            return Err("the token has an invalid signature");
        }
        let claims = self.claims;
        if claims.get("iss").and_then(Value::as_str) != Some(wanted.issuer) {
            return Err("the token does not have a valid issuer");
        }
        // `client_id` counts only where there is no `aud`.
        let named = claims.get("aud").or_else(|| claims.get("client_id"));
        if !words(named).iter().any(|name| wanted.audience.iter().any(|audience| audience == name)) {
            return Err("the token does not have a valid audience");
        }
        let time = |name: &str| claims.get(name).and_then(Value::as_f64);
        #[expect(clippy::cast_precision_loss, reason = "seconds of any year of a calendar fit")]
        let now_s = wanted.now_s as f64;
        match time("exp") {
            Some(expires) if expires > now_s => {}
            Some(_) => return Err("the token has expired"),
            None => return Err("the token does not have an expiry"),
        }
        if time("nbf").is_some_and(|not_before| not_before > now_s) {
            return Err("the token is not valid yet");
        }
        if time("iat").is_some_and(|issued| issued > now_s) {
            return Err("the token was issued in the future");
        }
        Ok(claims)
    }
}

/// The scopes of a token: `scope`, words in a text, or `scp`.
pub(super) fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    let spaced = |value: Option<&Value>| {
        words(value).iter().flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let scopes: Vec<String> = spaced(claims.get("scope"));
    if scopes.is_empty() { spaced(claims.get("scp")) } else { scopes }
}

fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Claims as events show them: texts, with the items of a list between brackets.
pub(super) fn shown(claims: Map<String, Value>) -> Map<String, Value> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Array(items) => {
            let items: Vec<String> =
                items.into_iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect();
            format!("[{}]", items.join(" "))
        }
        other => other.to_string(),
    };
    claims.into_iter().map(|(name, value)| (name, Value::String(text(value)))).collect()
}

#[cfg(test)]
mod tests;
