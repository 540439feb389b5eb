//! A function as the API shows it (`FunctionConfiguration`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::{Function, LogFormat, Logging, Reason, State, UpdateStatus};
use tindra_core::name::{LATEST, arn};

/// What else a configuration shows, apart from the function's own record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View<'a> {
    /// In the ARN, when the request named one.
    pub(crate) qualifier: Option<&'a str>,
    /// `RuntimeVersionConfig.RuntimeVersionArn`.
    pub(crate) runtime_version_arn: Option<&'a str>,
    /// CreateFunction leaves `LastUpdateStatus` out (AWS).
    pub(crate) is_new: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shape<'a> {
    function_name: &'a str,
    function_arn: String,
    runtime: &'a str,
    role: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    handler: &'a str,
    code_size: u64,
    description: &'a str,
    timeout: u32,
    memory_size: u32,
    last_modified: String,
    code_sha256: String,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Variables<'a>>,
    tracing_config: Value,
    revision_id: String,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_reason_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update_status: Option<UpdateStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update_status_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update_status_reason_code: Option<&'a str>,
    package_type: &'static str,
    architectures: [&'static str; 1],
    ephemeral_storage: Value,
    snap_start: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_version_config: Option<Value>,
    logging_config: LoggingShape<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Variables<'a> {
    variables: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LoggingShape<'a> {
    log_format: LogFormat,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_log_level: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_log_level: Option<&'a str>,
    log_group: &'a str,
}

/// The members of `FunctionConfiguration`, from what the last change asked for.
pub(crate) fn configuration(function: &Function, view: View<'_>) -> Result<Value, serde_json::Error> {
    let desired = &function.desired;
    let configuration = &desired.configuration;
    let update_reason = function.update_reason.as_ref().filter(|_| !view.is_new);
    serde_json::to_value(Shape {
        function_name: &function.name,
        function_arn: arn(&function.scope, &function.name, view.qualifier),
        runtime: &configuration.runtime,
        role: &configuration.role,
        handler: &configuration.handler,
        code_size: desired.code.size_bytes,
        description: &configuration.description,
        timeout: configuration.timeout_s,
        memory_size: configuration.memory_mb,
        last_modified: last_modified(function.last_modified_ms),
        code_sha256: code_sha256(&desired.code.sha256),
        version: LATEST,
        environment: Some(Variables { variables: &configuration.environment })
            .filter(|environment| !environment.variables.is_empty()),
        tracing_config: json!({ "Mode": "PassThrough" }),
        revision_id: function.revision_id.to_string(),
        state: function.state,
        state_reason: function.state_reason.as_ref().map(message),
        state_reason_code: function.state_reason.as_ref().map(code),
        last_update_status: Some(function.update_status).filter(|_| !view.is_new),
        last_update_status_reason: update_reason.map(message),
        last_update_status_reason_code: update_reason.map(code),
        package_type: "Zip",
        architectures: [configuration.architecture.as_str()],
        ephemeral_storage: json!({ "Size": configuration.ephemeral_storage_mb }),
        snap_start: json!({ "ApplyOn": "None", "OptimizationStatus": "Off" }),
        runtime_version_config: view.runtime_version_arn.map(|arn| json!({ "RuntimeVersionArn": arn })),
        logging_config: logging(&configuration.logging),
    })
}

fn logging(logging: &Logging) -> LoggingShape<'_> {
    LoggingShape {
        log_format: logging.format,
        application_log_level: logging.application_level.as_deref(),
        system_log_level: logging.system_level.as_deref(),
        log_group: &logging.group,
    }
}

fn message(reason: &Reason) -> &str {
    &reason.message
}

fn code(reason: &Reason) -> &str {
    &reason.code
}

/// `2026-01-31T12:00:00.123+0000`
fn last_modified(unix_ms: UnixMs) -> String {
    let timestamp = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// From the name of the blob to the API's base64.
fn code_sha256(hex: &str) -> String {
    let byte = |at: usize| hex.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).filter_map(byte).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::{code_sha256, last_modified};

    #[test]
    fn stamps_look_as_on_aws() {
        assert_eq!(last_modified(1_769_860_800_123), "2026-01-31T12:00:00.123+0000");
        assert_eq!(last_modified(1_769_860_800_000), "2026-01-31T12:00:00.000+0000");
    }

    #[test]
    fn hashes_are_base64_of_the_bytes() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(code_sha256(empty), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
