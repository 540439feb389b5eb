//! A function URL as the API shows it.

use jiff::Timestamp;
use tindra_core::clock::UnixMs;
use tindra_core::function_url::FunctionUrl;
use tindra_model::lambda::function_urls::FunctionUrlConfig;

use super::cors;
use crate::Caller;

/// What URLs end with. `*.localhost` leads to this machine wherever names are resolved as RFC 6761 wants.
const HOST_SUFFIX: &str = "localhost";

/// All members; the answers of Get and Update have the same.
pub(super) fn configuration(url: &FunctionUrl, caller: &Caller) -> FunctionUrlConfig {
    FunctionUrlConfig {
        function_url: address(url, caller),
        function_arn: url.function_arn(),
        creation_time: time(url.created_ms),
        last_modified_time: time(url.last_modified_ms),
        cors: url.cors.clone().map(cors::write),
        auth_type: url.auth.as_str().to_owned(),
        invoke_mode: Some(url.invoke_mode.as_str().to_owned()),
    }
}

/// `http://ID.lambda-url.REGION.localhost:PORT/`, with the scheme and the port by which the caller reached us.
pub(super) fn address(url: &FunctionUrl, caller: &Caller) -> String {
    let (scheme, authority) = caller.endpoint.split_once("://").unwrap_or(("http", &caller.endpoint));
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| is_number(port));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{}.lambda-url.{}.{HOST_SUFFIX}{port}/", url.id, url.scope.region)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `2026-01-31T12:00:00.123000Z`
pub(super) fn time(unix_ms: UnixMs) -> String {
    let timestamp = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    timestamp.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
