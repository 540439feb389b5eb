//! What answers have in common: times as text, members that are left out, and where an API is reached.

use jiff::Timestamp;
use serde_json::{Map, Value};
use tindra_core::clock::UnixMs;

/// What the names of APIs end with. `*.localhost` leads to this machine wherever names are resolved as RFC 6761 wants.
const HOST_SUFFIX: &str = "localhost";

/// The members that are not null.
pub(super) fn members(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// `2026-01-31T12:00:00Z`
pub(super) fn time(unix_ms: UnixMs) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or_default();
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// `http://ID.execute-api.REGION.localhost:PORT`, with the scheme and the port by which the caller reached us at
/// `endpoint`.
pub(super) fn api_endpoint(id: &str, region: &str, endpoint: &str) -> String {
    let (scheme, authority) = endpoint.split_once("://").unwrap_or(("http", endpoint));
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(is_number);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{}{port}", host(id, region))
}

/// `ID.execute-api.REGION.localhost`
pub(super) fn host(id: &str, region: &str) -> String {
    format!("{id}.execute-api.{region}.{HOST_SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_reached_by_the_way_that_the_caller_came() {
        let shown = |endpoint| api_endpoint("abc", "eu-west-1", endpoint);
        assert_eq!(shown("http://127.0.0.1:4566"), "http://abc.execute-api.eu-west-1.localhost:4566");
        assert_eq!(shown("https://lambda.example.com"), "https://abc.execute-api.eu-west-1.localhost");
        assert_eq!(shown("http://[::1]:80"), "http://abc.execute-api.eu-west-1.localhost:80");
        assert_eq!(time(1_767_323_045_999), "2026-01-02T03:04:05Z");
    }
}
