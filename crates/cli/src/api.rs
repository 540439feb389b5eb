//! The operations that commands use, in the words of the public API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client, ClientError, Service};

/// What an invoke gave.
#[derive(Debug)]
pub(crate) struct Invoked {
    /// The function's answer, byte for byte.
    pub(crate) payload: Bytes,
    /// `Handled` or `Unhandled` when the answer is an error.
    pub(crate) function_error: Option<String>,
    /// The last 4 KB of the log, when they were asked for.
    pub(crate) log_tail: Option<String>,
}

/// Where functions are: `/2015-03-31/functions/NAME`.
fn function_path(name: &str, rest: &str) -> String {
    format!("/2015-03-31/functions/{}{rest}", percent_encoded(name))
}

/// Everything but unreserved characters as `%XX`.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

async fn lambda(client: &Client, method: Method, path: &str, body: Option<Value>) -> Result<Answer, ClientError> {
    let headers: &[_] = match body {
        Some(_) => &[("content-type", "application/json".to_owned())],
        None => &[],
    };
    let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    client.send(Service::Lambda, method, path, headers, body).await
}

/// `GetFunctionConfiguration`.
pub(crate) async fn configuration(client: &Client, name: &str) -> Result<Value, ClientError> {
    lambda(client, Method::GET, &function_path(name, "/configuration"), None).await?.json()
}

/// `CreateFunction`.
pub(crate) async fn create(client: &Client, request: Value) -> Result<Value, ClientError> {
    lambda(client, Method::POST, "/2015-03-31/functions", Some(request)).await?.json()
}

/// `UpdateFunctionCode`.
pub(crate) async fn update_code(client: &Client, name: &str, zip: &[u8]) -> Result<Value, ClientError> {
    let request = json!({ "ZipFile": BASE64.encode(zip) });
    lambda(client, Method::PUT, &function_path(name, "/code"), Some(request)).await?.json()
}

/// `UpdateFunctionConfiguration`.
pub(crate) async fn update_configuration(client: &Client, name: &str, request: Value) -> Result<Value, ClientError> {
    lambda(client, Method::PUT, &function_path(name, "/configuration"), Some(request)).await?.json()
}

/// `DeleteFunction`.
pub(crate) async fn delete(client: &Client, name: &str) -> Result<(), ClientError> {
    lambda(client, Method::DELETE, &function_path(name, ""), None).await.map(drop)
}

/// `ListFunctions`, all pages.
pub(crate) async fn list(client: &Client) -> Result<Vec<Value>, ClientError> {
    let mut functions = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let query = marker.map_or_else(String::new, |marker| format!("?Marker={}", percent_encoded(&marker)));
        let mut page = lambda(client, Method::GET, &format!("/2015-03-31/functions/{query}"), None).await?.json()?;
        if let Some(Value::Array(more)) = page.get_mut("Functions").map(Value::take) {
            functions.extend(more);
        }
        marker = page.get("NextMarker").and_then(Value::as_str).filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(functions);
        }
    }
}

/// `Invoke`, synchronous.
pub(crate) async fn invoke(
    client: &Client,
    name: &str,
    payload: Bytes,
    tenant: Option<&str>,
    tail: bool,
) -> Result<Invoked, ClientError> {
    let log_type = ("x-amz-log-type", if tail { "Tail" } else { "None" }.to_owned());
    let tenant = tenant.map(|tenant| ("x-amz-tenant-id", tenant.to_owned()));
    let headers: Vec<_> = std::iter::once(log_type).chain(tenant).collect();
    let path = function_path(name, "/invocations");
    let answer = client.send(Service::Lambda, Method::POST, &path, &headers, payload).await?;
    let log_tail = answer.header("x-amz-log-result").and_then(|text| BASE64.decode(text).ok());
    Ok(Invoked {
        function_error: answer.header("x-amz-function-error").map(str::to_owned),
        log_tail: log_tail.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        payload: answer.body,
    })
}

/// One page of `FilterLogEvents` of a function's log group.
pub(crate) async fn log_events(
    client: &Client,
    name: &str,
    start_ms: u64,
    next_token: Option<&str>,
) -> Result<Value, ClientError> {
    let mut request = json!({ "logGroupName": format!("/aws/lambda/{name}"), "startTime": start_ms });
    if let Some(token) = next_token {
        request["nextToken"] = token.into();
    }
    let headers = [
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amz-target", "Logs_20140328.FilterLogEvents".to_owned()),
    ];
    client.send(Service::Logs, Method::POST, "/", &headers, request.to_string().into()).await?.json()
}

/// `GET /_tindra/health`.
pub(crate) async fn health(client: &Client) -> Result<Value, ClientError> {
    client.send(Service::Lambda, Method::GET, "/_tindra/health", &[], Bytes::new()).await?.json()
}

/// `GET /_tindra/capacity`.
pub(crate) async fn capacity(client: &Client) -> Result<Value, ClientError> {
    client.send(Service::Lambda, Method::GET, "/_tindra/capacity", &[], Bytes::new()).await?.json()
}

/// `GET /_tindra/environments`.
pub(crate) async fn environments(client: &Client) -> Result<Vec<Value>, ClientError> {
    let mut answer =
        client.send(Service::Lambda, Method::GET, "/_tindra/environments", &[], Bytes::new()).await?.json()?;
    match answer.get_mut("environments").map(Value::take) {
        Some(Value::Array(environments)) => Ok(environments),
        _ => Ok(Vec::new()),
    }
}

/// `GET /_tindra/queue`, of one function or of all.
pub(crate) async fn queue(client: &Client, function: Option<&str>) -> Result<Value, ClientError> {
    let query = function.map(|function| format!("?function={}", percent_encoded(function))).unwrap_or_default();
    let path = format!("/_tindra/queue{query}");
    client.send(Service::Lambda, Method::GET, &path, &[], Bytes::new()).await?.json()
}

/// `GET /_tindra/sources`.
pub(crate) async fn sources(client: &Client) -> Result<Value, ClientError> {
    client.send(Service::Lambda, Method::GET, "/_tindra/sources", &[], Bytes::new()).await?.json()
}

/// `POST /_tindra/queue/redrive`.
pub(crate) async fn redrive(client: &Client, function: &str, id: Option<&str>) -> Result<Value, ClientError> {
    let id = id.map(|id| format!("&id={}", percent_encoded(id))).unwrap_or_default();
    let path = format!("/_tindra/queue/redrive?function={}{id}", percent_encoded(function));
    client.send(Service::Lambda, Method::POST, &path, &[], Bytes::new()).await?.json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_of_the_path() {
        assert_eq!(function_path("a-b_1", "/code"), "/2015-03-31/functions/a-b_1/code");
        assert_eq!(function_path("arn:x/y z", ""), "/2015-03-31/functions/arn%3Ax%2Fy%20z");
    }
}
