//! The environment variables of a function: the runtime's, then the user's, then those that nobody can change.

use std::collections::BTreeMap;
use std::ffi::CString;

use tindra_core::function::{Configuration, LogFormat};
use tindra_core::report::Initialization;
use tindra_core::runtime::Family;
use tindra_invoke::environments::Target;
use tindra_sandbox::network;

use crate::log_book::LogStreamName;
use crate::network::EnvironmentIdentity;
use crate::packs::Pack;

/// The descriptor of framed log records.
pub(crate) const LOG_DESCRIPTOR: i32 = 3;

/// `NAME=value` of everything that the process finds.
pub(super) fn variables(
    target: &Target,
    pack: &Pack,
    identity: &EnvironmentIdentity,
    log: &LogStreamName,
    initialization: Initialization,
) -> Vec<CString> {
    let configuration = &target.deployment.configuration;
    let mut all: BTreeMap<&str, String> = BTreeMap::new();
    all.insert("AWS_ENDPOINT_URL", format!("http://{}", network::ENDPOINT));
    all.insert("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned());
    all.extend(pack.environment.iter().map(|(name, value)| (name.as_str(), value.clone())));
    all.extend(configuration.environment.iter().map(|(name, value)| (name.as_str(), value.clone())));
    all.extend(credentials(identity));
    all.extend(platform(target, pack));
    all.insert("AWS_LAMBDA_INITIALIZATION_TYPE", initialization.as_str().to_owned());
    all.extend(logging(configuration, pack));
    // The copies of a snapshot write to streams of their own (AWS leaves the names out too).
    if initialization != Initialization::SnapStart {
        all.insert("AWS_LAMBDA_LOG_GROUP_NAME", log.group.clone());
        all.insert("AWS_LAMBDA_LOG_STREAM_NAME", log.stream.clone());
    }
    // A value with a NUL byte cannot be given to any process; the API's own check refuses it before.
    all.into_iter().filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok()).collect()
}

fn credentials(identity: &EnvironmentIdentity) -> [(&'static str, String); 3] {
    [
        ("AWS_ACCESS_KEY_ID", identity.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", identity.secret_access_key.clone()),
        ("AWS_SESSION_TOKEN", identity.session_token.clone()),
    ]
}

fn platform(target: &Target, pack: &Pack) -> Vec<(&'static str, String)> {
    let configuration = &target.deployment.configuration;
    let mut all = vec![
        ("_HANDLER", configuration.handler.clone()),
        ("AWS_REGION", target.scope.region.clone()),
        ("AWS_DEFAULT_REGION", target.scope.region.clone()),
        ("AWS_LAMBDA_FUNCTION_NAME", target.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", target.version.to_string()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", configuration.memory_mb.to_string()),
        ("AWS_LAMBDA_RUNTIME_API", network::RUNTIME_API.to_string()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
    ];
    if configuration.managed_instances.is_some() {
        all.push(("AWS_LAMBDA_MAX_CONCURRENCY", configuration.invokes_at_once().to_string()));
    }
    if pack.family != Family::Provided {
        all.push(("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", configuration.runtime)));
    }
    all
}

fn logging(configuration: &Configuration, pack: &Pack) -> Vec<(&'static str, String)> {
    let is_json = configuration.logging.format == LogFormat::Json;
    let mut all = vec![("AWS_LAMBDA_LOG_FORMAT", if is_json { "JSON" } else { "Text" }.to_owned())];
    if let Some(level) = configuration.logging.application_level.as_ref().filter(|_| is_json) {
        all.push(("AWS_LAMBDA_LOG_LEVEL", level.clone()));
    }
    if pack.family != Family::Provided {
        all.push(("_LAMBDA_TELEMETRY_LOG_FD", LOG_DESCRIPTOR.to_string()));
    }
    all
}
