//! A small HTTP client: one request, one signed, whole answer.

mod error;
mod signature;
mod trust;

pub(crate) use error::ClientError;
pub(crate) use trust::Trust;

use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::endpoint::Keys;

/// Time to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a whole answer: the longest function (900 s), its cold start, and some.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(960);

/// Which of the server's services a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Lambda.
    Lambda,
    /// CloudWatch Logs.
    Logs,
}

impl Service {
    fn signing_name(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Logs => "logs",
        }
    }
}

/// A whole answer with a status below 300.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value, ClientError> {
        serde_json::from_slice(&self.body).map_err(|source| ClientError::Unintelligible { source: source.into() })
    }
}

/// Talks to one server.
#[derive(Debug)]
pub(crate) struct Client {
    base: String,
    region: String,
    keys: Keys,
    http: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    /// A client of the server at `base` (scheme, host and port); `trust` matters for `https` only.
    pub(crate) fn new(base: &str, region: String, keys: Keys, trust: &Trust) -> Result<Self> {
        let base = base.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().with_context(|| format!("failed to understand the endpoint \"{base}\""))?;
        let tls = match (uri.scheme_str(), uri.authority()) {
            // Reading the system's certificates takes longer than a request.
            (Some("http"), Some(_)) => Trust::nobody(),
            (Some("https"), Some(_)) => trust.config(),
            _ => anyhow::bail!("failed to understand the endpoint \"{base}\": it is not like http://127.0.0.1:4566"),
        };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls?).https_or_http().enable_http1().wrap_connector(connector);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { base, region, keys, http })
    }

    /// Scheme, host and port of the server.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The region of every request.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Sends a request and reads the whole answer; an answer of 300 or above is an error.
    pub(crate) async fn send(
        &self,
        service: Service,
        method: Method,
        path_and_query: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path_and_query}", self.base));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(body).map_err(|source| ClientError::Request { source: source.into() })?;
        signature::sign(&mut request, service.signing_name(), &self.region, &self.keys)?;
        let answered = async {
            let answer = self
                .http
                .request(request.map(Full::new))
                .await
                .map_err(|source| ClientError::exchange(&self.base, source))?;
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.map_err(|source| ClientError::Broken { source: source.into() })?;
            Ok((parts, body.to_bytes()))
        };
        let (parts, body) = tokio::time::timeout(ANSWER_TIMEOUT, answered)
            .await
            .unwrap_or(Err(ClientError::TooSlow { seconds: ANSWER_TIMEOUT.as_secs() }))?;
        if parts.status.as_u16() >= 300 {
            return Err(ClientError::refused(parts.status, &parts.headers, &body));
        }
        Ok(Answer { headers: parts.headers, body })
    }
}

#[cfg(test)]
mod tests;
