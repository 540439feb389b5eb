//! What is merged, filled in and refused.

use serde_json::{Value, json};
use tindra_core::function::{Architecture, Configuration, LogFormat};
use tindra_model::lambda::functions::{CreateFunctionRequest, UpdateFunctionConfigurationRequest};

use super::{Settings, check_architectures};
use crate::error::ControlError;

fn settings(mut value: Value) -> Settings {
    value["FunctionName"] = json!("thing");
    serde_json::from_value::<UpdateFunctionConfigurationRequest>(value).unwrap().into()
}

fn create(mut value: Value) -> Result<Configuration, ControlError> {
    value["FunctionName"] = json!("thing");
    value["Role"] = json!("arn:aws:iam::123456789012:role/r");
    value["Code"] = json!({});
    let request: CreateFunctionRequest = serde_json::from_value(value).unwrap();
    Settings::from(request).create("thing", Architecture::host())
}

fn basic() -> Configuration {
    create(json!({ "Runtime": "python3.12", "Handler": "app.handler" })).unwrap()
}

#[test]
fn defaults_are_those_of_aws() {
    let configuration = basic();
    assert_eq!((configuration.timeout_s, configuration.memory_mb, configuration.ephemeral_storage_mb), (3, 128, 512));
    assert_eq!(configuration.logging.group, "/aws/lambda/thing");
    assert_eq!(configuration.logging.format, LogFormat::Text);
}

#[test]
fn absent_members_change_nothing() {
    let mut configuration = basic();
    configuration.environment.insert("KEPT".to_owned(), "1".to_owned());
    let before = configuration.clone();
    settings(json!({})).merge(&mut configuration).unwrap();
    assert_eq!(configuration, before);
    settings(json!({ "MemorySize": 256, "Description": "" })).merge(&mut configuration).unwrap();
    assert_eq!(configuration.memory_mb, 256);
    assert_eq!(configuration.environment, before.environment);
    settings(json!({ "Environment": { "Variables": { "NEW": "2" } } })).merge(&mut configuration).unwrap();
    assert_eq!(configuration.environment.keys().collect::<Vec<_>>(), ["NEW"]);
    settings(json!({ "Environment": { "Variables": {} } })).merge(&mut configuration).unwrap();
    assert!(configuration.environment.is_empty());
}

#[test]
fn log_levels_go_with_json() {
    let mut configuration = basic();
    settings(json!({ "LoggingConfig": { "LogFormat": "JSON" } })).merge(&mut configuration).unwrap();
    assert_eq!(configuration.logging.application_level.as_deref(), Some("INFO"));
    settings(json!({ "LoggingConfig": { "SystemLogLevel": "WARN" } })).merge(&mut configuration).unwrap();
    assert_eq!(configuration.logging.system_level.as_deref(), Some("WARN"));
    settings(json!({ "LoggingConfig": { "LogFormat": "Text" } })).merge(&mut configuration).unwrap();
    assert_eq!(
        (configuration.logging.application_level.as_ref(), configuration.logging.system_level.as_ref()),
        (None, None)
    );
    let levels = settings(json!({ "LoggingConfig": { "ApplicationLogLevel": "DEBUG" } }));
    assert!(matches!(levels.merge(&mut configuration), Err(ControlError::Invalid(_))));
}

#[test]
fn limits_of_ordinary_functions_hold() {
    for (member, value, text) in [
        ("Timeout", json!(901), "Value '901' at 'timeout'"),
        ("MemorySize", json!(10_241), "Value '10241' at 'memorySize'"),
        ("EphemeralStorage", json!({ "Size": 10_241 }), "Value '10241' at 'ephemeralStorage.size'"),
    ] {
        let error = settings(json!({ member: value })).merge(&mut basic()).unwrap_err();
        assert!(matches!(error, ControlError::AboveMaximum { .. }) && error.to_string().contains(text), "{error}");
    }
}

#[test]
fn runtime_and_handler_are_asked_for() {
    for value in [json!({}), json!({ "Runtime": "python3.12" }), json!({ "Handler": "a.b" })] {
        assert!(create(value).unwrap_err().to_string().starts_with("Runtime and Handler are mandatory parameters"));
    }
    assert!(create(json!({ "Runtime": "provided.al2023" })).is_ok());
}

#[test]
fn retired_runtimes_are_refused_and_unknown_ones_left_to_the_preparation() {
    let error = create(json!({ "Runtime": "nodejs14.x", "Handler": "a.b" })).unwrap_err().to_string();
    assert!(error.starts_with("The runtime parameter of nodejs14.x is no longer supported"), "{error}");
    assert!(create(json!({ "Runtime": "java21", "Handler": "a.b" })).is_ok());
}

#[test]
fn code_for_another_processor_is_refused_in_plain_words() {
    let host = Architecture::host();
    let other = if host == Architecture::Arm64 { Architecture::X86_64 } else { Architecture::Arm64 };
    assert_eq!(check_architectures(None).unwrap(), host);
    assert_eq!(check_architectures(Some(&[host.as_str().to_owned()])).unwrap(), host);
    let error = check_architectures(Some(&[other.as_str().to_owned()])).unwrap_err().to_string();
    assert!(error.contains(&format!("cannot run {} code", other.as_str())), "{error}");
}

fn with_provider(mut value: Value) -> Result<Configuration, ControlError> {
    let config = json!({
        "CapacityProviderArn": "arn:aws:lambda:us-east-1:123456789012:capacity-provider:ours",
        "PerExecutionEnvironmentMaxConcurrency": value["AtOnce"].take(),
        "ExecutionEnvironmentMemoryGiBPerVCpu": value["Ratio"].take(),
    });
    value["CapacityProviderConfig"] = json!({ "LambdaManagedInstancesCapacityProviderConfig": config });
    value["Handler"] = json!("app.handler");
    create(value)
}

#[test]
fn with_a_capacity_provider_environments_run_several_invokes_and_log_in_json() {
    let node = json!({ "Runtime": "nodejs22.x", "MemorySize": 4_096 });
    let configuration = with_provider(node).unwrap();
    assert_eq!((configuration.invokes_at_once(), configuration.cpu_millis()), (128, 2_000));
    assert_eq!(configuration.logging.format, LogFormat::Json);
    assert_eq!(configuration.logging.system_level.as_deref(), Some("INFO"));
    let python = json!({ "Runtime": "python3.13", "MemorySize": 4_096, "AtOnce": 5, "Ratio": 4.0 });
    let configuration = with_provider(python).unwrap();
    assert_eq!((configuration.invokes_at_once(), configuration.cpu_millis()), (5, 1_000));
    assert_eq!(basic().invokes_at_once(), 1);
}

#[test]
fn what_does_not_go_with_a_capacity_provider_is_refused() {
    let memory = 2_048;
    for (value, reason) in [
        (json!({ "Runtime": "nodejs20.x", "MemorySize": memory }), "Runtime nodejs20.x cannot be used"),
        (json!({ "Runtime": "nodejs22.x" }), "need at least 2048 MB"),
        (json!({ "Runtime": "nodejs22.x", "MemorySize": 3_000 }), "must be a multiple"),
        (json!({ "Runtime": "nodejs22.x", "MemorySize": 6_144, "Ratio": 4.0 }), "here of 4096 MB"),
        (json!({ "Runtime": "nodejs22.x", "MemorySize": memory, "Ratio": 3.5 }), "must be 2, 4 or 8, not 3.5"),
        (
            json!({ "Runtime": "nodejs22.x", "MemorySize": memory, "LoggingConfig": { "LogFormat": "Text" } }),
            "log in JSON only",
        ),
        (
            json!({ "Runtime": "python3.13", "MemorySize": memory, "SnapStart": { "ApplyOn": "PublishedVersions" } }),
            "SnapStart is not supported",
        ),
    ] {
        let error = with_provider(value).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
