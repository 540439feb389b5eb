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
    /// function never sees; none for other requests.
    #[must_use]
    pub fn preflight(&self, request: &HttpRequest<'_>) -> Option<HttpAnswer> {
        todo!()
    }

    /// Puts the headers for this request's origin into an answer, in place of what the function set.
    pub fn apply(&self, request: &HttpRequest<'_>, headers: &mut Vec<(String, String)>) {
        todo!()
    }
}
