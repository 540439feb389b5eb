//! Sending to API destinations: one request for an attempt, with what the connection adds, and no faster than the destination
//! says.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use serde_json::Value;
use tindra_core::clock::UnixMs;
use tindra_core::push::{HttpRequest, Push, PushError};
use tindra_outside::anywhere::{Bounds, fetch};

use super::EventBridgeService;
use super::destinations::add_to_query;
use super::secrets::{Connection, HttpMore, Proof};

/// The largest answer that is looked at; AWS asks for no more either.
const ANSWER_BYTES_MAX: usize = 1_048_576;
/// So long a request waits for its turn where it is; one that has to wait longer goes back to its queue.
const WAIT_MS_MAX: u64 = 100;
/// Destinations whose pace is remembered.
const DESTINATIONS_MAX: usize = 10_000;
/// How AWS says who it is.
const AGENT: &str = "Amazon/EventBridge/ApiDestinations";

/// When each destination may be sent to next.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<HashMap<String, UnixMs>>);

impl Paces {
    /// How long a request has to wait for its turn, which is taken; the wait as the error where it is too long.
    fn turn(&self, arn: &str, rate_per_s: u32, now_ms: UnixMs) -> Result<u64, u64> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= DESTINATIONS_MAX {
            paces.retain(|_, next_ms| *next_ms > now_ms);
        }
        let next_ms = paces.get(arn).copied().unwrap_or(0).max(now_ms);
        let wait_ms = next_ms - now_ms;
        if wait_ms > WAIT_MS_MAX {
            return Err(wait_ms);
        }
        paces.insert(arn.to_owned(), next_ms + 1_000 / u64::from(rate_per_s.max(1)));
        Ok(wait_ms)
    }
}

impl EventBridgeService {
    /// One attempt.
    pub(super) async fn send(&self, push: &Push, request: &HttpRequest, body: &Bytes) -> Result<(), PushError> {
        let arn = &push.target_arn;
        let internal = |error: tindra_store::StoreError| PushError::passing("INTERNAL_ERROR", error.to_string());
        let destination = self.destination_of(arn).await.map_err(internal)?;
        let destination = destination
            .filter(|_| !request.url.is_empty())
            .ok_or_else(|| PushError::lasting("NO_RESOURCE", format!("the API destination {arn} does not exist")))?;
        let connection_arn = &destination.connection_arn;
        let connection = self.connection_of(connection_arn).await.map_err(internal)?.ok_or_else(|| {
            PushError::lasting("NO_RESOURCE", format!("the connection {connection_arn} does not exist"))
        })?;
        let prepared = self.prepare(request, connection_arn, &connection, body).await?;
        let too_early = |wait_ms| PushError::early(wait_ms, format!("{arn} takes no more requests in this second"));
        let wait_ms = self.paces.turn(arn, destination.rate_per_s, self.now_ms()).map_err(too_early)?;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let bounds = Bounds { timeout: Duration::from_millis(request.timeout_ms), bytes_max: ANSWER_BYTES_MAX };
        let answer = fetch(prepared, bounds, &*self.around.reach).await;
        let answer =
            answer.map_err(|why| PushError::passing("CONNECTION_FAILURE", format!("{}: {why}", request.url)))?;
        if answer.status() == http::StatusCode::UNAUTHORIZED && matches!(connection.proof(), Some(Proof::Token(_))) {
            // The next attempt fetches a new one.
            self.tokens.forget(connection_arn);
            return Err(PushError::passing("ERROR_FROM_TARGET", format!("{} did not accept the token", request.url)));
        }
        judged(&request.url, &answer, self.now_ms())
    }

    /// The request with what the connection adds.
    async fn prepare(
        &self,
        request: &HttpRequest,
        connection_arn: &str,
        connection: &Connection,
        body: &Bytes,
    ) -> Result<Request<Bytes>, PushError> {
        let proof = connection.proof().ok_or_else(|| {
            PushError::lasting("NO_PERMISSIONS", format!("the connection {connection_arn} is not authorized"))
        })?;
        let invalid = |why: String| PushError::lasting("INVALID_PARAMETER", format!("{}: {why}", request.url));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let mut put = |name: &str, value: &str| {
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string());
            let value = HeaderValue::from_str(value).map_err(|error| error.to_string());
            header.and_then(|header| value.map(|value| headers.insert(header, value))).map_err(invalid)
        };
        for (name, value) in &request.headers {
            put(name, value)?;
        }
        let none = HttpMore::default();
        let more = connection.more().unwrap_or(&none);
        for parameter in &more.header_parameters {
            put(&parameter.key, parameter.value.as_deref().unwrap_or_default())?;
        }
        match proof {
            Proof::Header(name, value) => put(&name, &value)?,
            Proof::Token(oauth) => put("authorization", &self.token(connection_arn, connection, oauth).await?)?,
        };
        let mut url = request.url.clone();
        for parameter in &more.query_string_parameters {
            add_to_query(&mut url, &parameter.key, parameter.value.as_deref().unwrap_or_default());
        }
        // What these methods are asked about is their URL.
        let has_body = !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let body = if has_body { with_parameters(body, more) } else { Bytes::new() };
        let built = Request::builder().method(request.method.as_str()).uri(url).body(body);
        let mut built = built.map_err(|error| invalid(error.to_string()))?;
        *built.headers_mut() = headers;
        Ok(built)
    }
}

/// A body that is an object gets the connection's parameters as members.
fn with_parameters(body: &Bytes, more: &HttpMore) -> Bytes {
    if more.body_parameters.is_empty() {
        return body.clone();
    }
    let Ok(Value::Object(mut members)) = serde_json::from_slice(body) else { return body.clone() };
    for parameter in &more.body_parameters {
        members.insert(parameter.key.clone(), parameter.value.clone().unwrap_or_default().into());
    }
    Value::Object(members).to_string().into()
}

/// What an answer says of the attempt. AWS tries again after 409, 429 and 5xx.
fn judged(url: &str, answer: &Response<Bytes>, now_ms: UnixMs) -> Result<(), PushError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let message = format!("{url} answered {}", status.as_u16());
    if !(matches!(status.as_u16(), 409 | 429) || status.is_server_error()) {
        return Err(PushError::lasting("ERROR_FROM_TARGET", message));
    }
    let retry_after_ms = answer.headers().get(RETRY_AFTER).and_then(|value| wait_ms(value, now_ms));
    Err(PushError { retry_after_ms, ..PushError::passing("ERROR_FROM_TARGET", message) })
}

/// `Retry-After`: seconds, or a date.
fn wait_ms(value: &HeaderValue, now_ms: UnixMs) -> Option<u64> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1_000);
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some(UnixMs::try_from(date).ok()?.saturating_sub(now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_their_pace() {
        let paces = Paces::default();
        let turns: Vec<_> = (0..4).map(|_| paces.turn("a", 20, 10_000)).collect();
        assert_eq!(turns, [Ok(0), Ok(50), Ok(100), Err(150)]);
        assert_eq!((paces.turn("b", 20, 10_000), paces.turn("a", 20, 10_100)), (Ok(0), Ok(50)));
    }

    #[test]
    fn answers_say_whether_it_is_tried_again() {
        let judge = |status: u16, after: Option<&str>| {
            let mut answer = Response::builder().status(status);
            if let Some(after) = after {
                answer = answer.header(RETRY_AFTER, after);
            }
            judged("http://a", &answer.body(Bytes::new()).unwrap(), 784_111_000_000)
        };
        assert!(judge(204, None).is_ok());
        for status in [301, 400, 403, 404] {
            assert!(judge(status, None).unwrap_err().is_final, "{status}");
        }
        for status in [409, 429, 500, 503] {
            assert!(!judge(status, None).unwrap_err().is_final, "{status}");
        }
        assert_eq!(judge(429, Some("7")).unwrap_err().retry_after_ms, Some(7_000));
        assert_eq!(judge(503, Some("Sun, 06 Nov 1994 08:49:37 GMT")).unwrap_err().retry_after_ms, Some(777_000));
    }
}
