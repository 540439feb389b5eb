//! Cross-origin resource sharing, as function URLs and HTTP APIs do it for the function.

use super::{HttpAnswer, HttpRequest};
use crate::function_url::UrlCors;

/// What pages of other sites may do with an API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Whether with cookies and credentials.
    pub allow_credentials: bool,
    /// Request headers; `*` for all.
    pub allow_headers: Vec<String>,
    /// Methods; `*` for all.
    pub allow_methods: Vec<String>,
    /// Origins: `*`, `https://example.com`, or with a wildcard such as `https://*`, `https://*.example.com`.
    pub allow_origins: Vec<String>,
    /// Response headers that pages may read.
    pub expose_headers: Vec<String>,
    /// For how long browsers may remember the answer to a preflight, in seconds.
    pub max_age_s: Option<u32>,
}

impl From<&UrlCors> for Cors {
    fn from(url: &UrlCors) -> Self {
        Self {
            allow_credentials: url.allow_credentials.unwrap_or(false),
            allow_headers: url.allow_headers.clone().unwrap_or_default(),
            allow_methods: url.allow_methods.clone().unwrap_or_default(),
            allow_origins: url.allow_origins.clone().unwrap_or_default(),
            expose_headers: url.expose_headers.clone().unwrap_or_default(),
            max_age_s: url.max_age_s,
        }
    }
}

impl Cors {
    /// The answer to a preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`), which the
    /// function never sees; none for other requests. For an origin that is not allowed it says nothing, which
    /// browsers take as a no.
    ///
    /// Source: API Gateway developer guide, "Configure CORS for HTTP APIs".
    #[must_use]
    pub fn preflight(&self, request: &HttpRequest<'_>) -> Option<HttpAnswer> {
        let origin = request.header("origin")?;
        if request.method != "OPTIONS" || request.header("access-control-request-method").is_none() {
            return None;
        }
        let mut headers = self.origin_headers(origin);
        if self.allowed_origin(origin).is_some() {
            add_list(&mut headers, "access-control-allow-methods", &self.allow_methods);
            add_list(&mut headers, "access-control-allow-headers", &self.allow_headers);
            if let Some(max_age_s) = self.max_age_s {
                headers.push(("access-control-max-age".to_owned(), max_age_s.to_string()));
            }
        }
        Some(HttpAnswer { status: 204, reason: None, headers, body: Vec::new() })
    }

    /// Puts the headers for this request's origin into an answer. Where origins are configured, what the
    /// function set of these headers goes, also for requests that name no origin.
    pub fn apply(&self, request: &HttpRequest<'_>, headers: &mut Vec<(String, String)>) {
        if self.allow_origins.is_empty() {
            return;
        }
        headers.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("access-control-"));
        let Some(origin) = request.header("origin") else {
            if !self.allows_all() {
                vary_by_origin(headers);
            }
            return;
        };
        for (name, value) in self.origin_headers(origin) {
            if name == "vary" {
                vary_by_origin(headers);
            } else {
                headers.push((name, value));
            }
        }
    }

    /// The headers that answers to this origin have, preflight or not.
    fn origin_headers(&self, origin: &str) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        if let Some(allowed) = self.allowed_origin(origin) {
            headers.push(("access-control-allow-origin".to_owned(), allowed.to_owned()));
            if self.allow_credentials {
                headers.push(("access-control-allow-credentials".to_owned(), "true".to_owned()));
            }
            add_list(&mut headers, "access-control-expose-headers", &self.expose_headers);
        }
        if !self.allows_all() {
            headers.push(("vary".to_owned(), "origin".to_owned()));
        }
        headers
    }

    /// What to say to an origin: `*`, or the origin itself where the answer depends on it; none for one that is
    /// not allowed. With credentials `*` would not count (Fetch standard, "CORS protocol and credentials").
    fn allowed_origin<'a>(&self, origin: &'a str) -> Option<&'a str> {
        if self.allows_all() {
            return Some("*");
        }
        let is_printable = !origin.bytes().any(|byte| byte.is_ascii_control());
        let allowed = is_printable && self.allow_origins.iter().any(|pattern| matches_origin(pattern, origin));
        if allowed { Some(origin) } else { None }
    }

    /// Whether the answer is the same for all origins.
    fn allows_all(&self) -> bool {
        !self.allow_credentials && self.allow_origins.iter().any(|origin| origin == "*")
    }
}

/// `*` in a pattern stands for one character or more.
fn matches_origin(pattern: &str, origin: &str) -> bool {
    let origin = origin.to_ascii_lowercase();
    match pattern.to_ascii_lowercase().split_once('*') {
        None => pattern.eq_ignore_ascii_case(&origin),
        Some((prefix, suffix)) => {
            origin.len() > prefix.len() + suffix.len() && origin.starts_with(prefix) && origin.ends_with(suffix)
        }
    }
}

fn add_list(headers: &mut Vec<(String, String)>, name: &str, values: &[String]) {
    if !values.is_empty() {
        headers.push((name.to_owned(), values.join(",")));
    }
}

fn vary_by_origin(headers: &mut Vec<(String, String)>) {
    let varies = |value: &str| value.split(',').any(|name| matches!(name.trim(), "*" | "origin" | "Origin"));
    if !headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("vary") && varies(value)) {
        headers.push(("vary".to_owned(), "origin".to_owned()));
    }
}
