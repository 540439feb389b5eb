//! A function as the API shows it (`FunctionConfiguration`).

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use tindra_core::clock::UnixMs;
use tindra_core::function::{
    Configuration, Function, LayerReference, LogFormat, Logging, NetworkMembership, Reason, State, UpdateStatus,
};
use tindra_core::name::arn;
use tindra_model::Sensitive;
use tindra_model::lambda::functions::{
    DeadLetterConfig, EnvironmentResponse, EphemeralStorage, FunctionConfiguration, Layer, LoggingConfig,
    RuntimeVersionConfig, TracingConfigResponse, VpcConfigResponse,
};

use crate::{managed_instances, snap_start};

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

/// The members of `FunctionConfiguration`, from what the last change asked for.
pub(crate) fn configuration(function: &Function, view: View<'_>) -> FunctionConfiguration {
    let (code, configuration) = (&function.desired.code, &function.desired.configuration);
    let (status, update_reason) = match view.is_new {
        true => (None, None),
        false => (Some(update_status(function.update_status)), function.update_reason.as_ref()),
    };
    FunctionConfiguration {
        function_name: Some(function.name.clone()),
        function_arn: Some(arn(&function.scope, &function.name, view.qualifier)),
        runtime: Some(configuration.runtime.clone()),
        role: Some(configuration.role.clone()),
        handler: Some(configuration.handler.clone()).filter(|handler| !handler.is_empty()),
        code_size: Some(whole(code.size_bytes)),
        description: Some(configuration.description.clone()),
        timeout: Some(small(configuration.timeout_s)),
        memory_size: Some(small(configuration.memory_mb)),
        last_modified: Some(last_modified(function.last_modified_ms)),
        code_sha256: Some(code_sha256(&code.sha256)),
        version: Some(function.version.to_string()),
        environment: environment(&configuration.environment),
        tracing_config: Some(TracingConfigResponse {
            mode: Some(if configuration.traces_actively { "Active" } else { "PassThrough" }.to_owned()),
        }),
        revision_id: Some(function.revision_id.to_string()),
        state: Some(state(function.state)),
        state_reason: function.state_reason.as_ref().map(message),
        state_reason_code: function.state_reason.as_ref().map(reason_code),
        last_update_status: status,
        last_update_status_reason: update_reason.map(message),
        last_update_status_reason_code: update_reason.map(reason_code),
        package_type: Some("Zip".to_owned()),
        architectures: Some(vec![configuration.architecture.as_str().to_owned()]),
        ephemeral_storage: Some(EphemeralStorage { size: small(configuration.ephemeral_storage_mb) }),
        snap_start: Some(snap_start::shown(function)),
        runtime_version_config: view
            .runtime_version_arn
            .map(|arn| RuntimeVersionConfig { runtime_version_arn: Some(arn.to_owned()), error: None }),
        vpc_config: configuration.network.as_ref().map(vpc_config),
        layers: layers(configuration),
        dead_letter_config: configuration
            .dead_letter_target_arn
            .clone()
            .map(|target_arn| DeadLetterConfig { target_arn: Some(target_arn) }),
        capacity_provider_config: configuration.managed_instances.as_ref().map(managed_instances::shown),
        logging_config: Some(logging(&configuration.logging)),
        ..FunctionConfiguration::default()
    }
}

fn environment(variables: &BTreeMap<String, String>) -> Option<EnvironmentResponse> {
    (!variables.is_empty()).then(|| EnvironmentResponse { variables: Some(Sensitive(variables.clone())), error: None })
}

fn vpc_config(membership: &NetworkMembership) -> VpcConfigResponse {
    VpcConfigResponse {
        subnet_ids: Some(membership.subnet_ids.clone()),
        security_group_ids: Some(membership.security_group_ids.clone()),
        vpc_id: Some(membership.vpc_id.clone()),
        ipv6_allowed_for_dual_stack: Some(false),
    }
}

fn layers(configuration: &Configuration) -> Option<Vec<Layer>> {
    let layer = |layer: &LayerReference| Layer {
        arn: Some(layer.arn.clone()),
        code_size: Some(whole(layer.code.size_bytes)),
        ..Layer::default()
    };
    let layers = configuration.layers.iter().map(layer).collect::<Vec<_>>();
    (!layers.is_empty()).then_some(layers)
}

fn logging(logging: &Logging) -> LoggingConfig {
    let format = match logging.format {
        LogFormat::Text => "Text",
        LogFormat::Json => "JSON",
    };
    LoggingConfig {
        log_format: Some(format.to_owned()),
        application_log_level: logging.application_level.clone(),
        system_log_level: logging.system_level.clone(),
        log_group: Some(logging.group.clone()),
    }
}

pub(crate) fn state(state: State) -> String {
    let text = match state {
        State::Pending => "Pending",
        State::Active => "Active",
        State::Failed => "Failed",
    };
    text.to_owned()
}

fn update_status(status: UpdateStatus) -> String {
    let text = match status {
        UpdateStatus::Successful => "Successful",
        UpdateStatus::Failed => "Failed",
        UpdateStatus::InProgress => "InProgress",
    };
    text.to_owned()
}

/// Seconds since 1970, as the newer operations write times.
pub(crate) fn epoch_s(unix_ms: UnixMs) -> f64 {
    Duration::from_millis(unix_ms).as_secs_f64()
}

/// A figure as the model's `Long`.
pub(crate) fn whole(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}

/// A figure as the model's `Integer`.
pub(crate) fn small(figure: u32) -> i32 {
    i32::try_from(figure).unwrap_or(i32::MAX)
}

fn message(reason: &Reason) -> String {
    reason.message.clone()
}

fn reason_code(reason: &Reason) -> String {
    reason.code.clone()
}

/// `2026-01-31T12:00:00.123+0000`
pub(crate) fn last_modified(unix_ms: UnixMs) -> String {
    let timestamp = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// From the name of the blob to the API's base64.
pub(crate) fn code_sha256(hex: &str) -> String {
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
