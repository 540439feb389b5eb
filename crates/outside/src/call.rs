//! One request to a service: signed, sent within its time, and the answer judged.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request};
use tindra_model::signing::{self, Signed};
use tokio::time::timeout;

use super::http::Client;
use super::{Outside, OutsideError, OutsideService, Refusal};

/// How long an attempt may take, with everything that belongs to it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// More than any answer of the operations has by which something is handed over.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is asked of a service.
pub(super) struct Call<'a> {
    pub(super) service: OutsideService,
    pub(super) operation: &'static str,
    /// For errors: an ARN, or `BUCKET/KEY`.
    pub(super) target: &'a str,
    pub(super) region: &'a str,
    pub(super) request: Request<Bytes>,
    /// A larger answer is refused.
    pub(super) answer_bytes_max: usize,
}

/// What the error of a call has in common with the call.
pub(super) struct Asked<'a> {
    service: OutsideService,
    operation: &'static str,
    target: &'a str,
    endpoint: String,
    is_signed: bool,
}

impl Outside {
    /// An attempt, which may consist of several calls, within its time.
    pub(super) async fn attempt<T>(
        &self,
        service: OutsideService,
        attempt: impl Future<Output = Result<T, OutsideError>>,
    ) -> Result<T, OutsideError> {
        self.attempt_within(ATTEMPT_TIMEOUT, service, attempt).await
    }

    /// The same with another bound, for services that answer when they have something.
    pub(super) async fn attempt_within<T>(
        &self,
        bound: Duration,
        service: OutsideService,
        attempt: impl Future<Output = Result<T, OutsideError>>,
    ) -> Result<T, OutsideError> {
        let endpoint = self.client(service)?.endpoint();
        timeout(bound, attempt).await.unwrap_or_else(|_| {
            Err(OutsideError::Unreachable {
                service,
                endpoint: endpoint.to_string(),
                reason: format!("it took longer than {} s", bound.as_secs()),
            })
        })
    }

    /// Makes one call; the body of a success, and who was asked for what, for the judgement of that body.
    pub(super) async fn call<'a>(&self, call: Call<'a>) -> Result<(Bytes, Asked<'a>), OutsideError> {
        let client = self.client(call.service)?;
        let Call { service, operation, target, region, request, answer_bytes_max } = call;
        let is_signed = self.0.keys.is_some();
        let asked = Asked { service, operation, target, endpoint: client.endpoint().to_string(), is_signed };
        let request = self.signed(request, client, region, service);
        let answer = match Box::pin(client.send(request, answer_bytes_max)).await {
            Ok(answer) => answer,
            Err(error) => return Err(asked.unreachable(error.to_string())),
        };
        match answer.status() {
            status if status.is_success() => Ok((answer.into_body(), asked)),
            status => Err(asked.refused(status.as_u16(), Refusal::read(status, answer.body()))),
        }
    }

    fn signed(
        &self,
        mut request: Request<Bytes>,
        client: &Client,
        region: &str,
        service: OutsideService,
    ) -> Request<Bytes> {
        request.headers_mut().insert(header::HOST, client.endpoint().authority().clone());
        let Some(keys) = &self.0.keys else { return request };
        let unsigned = Signed {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            headers: request.headers(),
            body: request.body(),
        };
        let added = signing::sign(&unsigned, keys, region, service.signing_name(), self.0.clock.unix_ms());
        for (name, text) in added {
            // Keys that no header can hold are no keys; without the header the service says so.
            if let Ok(value) = HeaderValue::from_str(&text) {
                request.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        request
    }
}

impl Asked<'_> {
    pub(super) fn refused(self, status: u16, refusal: Refusal) -> OutsideError {
        OutsideError::Refused {
            service: self.service,
            endpoint: self.endpoint,
            operation: self.operation,
            target: self.target.to_owned(),
            status,
            code: refusal.code,
            message: refusal.message,
        }
    }

    /// For a success whose body is not one of the service.
    pub(super) fn misunderstood(self) -> OutsideError {
        let unsigned = "; it may tell services apart by signatures only, for which AWS_ACCESS_KEY_ID is not set";
        let hint = if self.is_signed { "" } else { unsigned };
        let reason = format!("its answer to {} is not one of {}{hint}", self.operation, self.service);
        self.unreachable(reason)
    }

    fn unreachable(self, reason: String) -> OutsideError {
        OutsideError::Unreachable { service: self.service, endpoint: self.endpoint, reason }
    }
}

/// A request with a body to the root of a server.
pub(super) fn post(content_type: &'static str, body: String) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    request
}

/// A request of the JSON protocols, which name the operation in a header.
pub(super) fn post_json(content_type: &'static str, operation: &'static str, body: String) -> Request<Bytes> {
    let mut request = post(content_type, body);
    request.headers_mut().insert("x-amz-target", HeaderValue::from_static(operation));
    request
}
