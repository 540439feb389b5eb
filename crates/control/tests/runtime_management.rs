//! Runtime management: only the version of a runtime that is here can be kept.

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::start_with;
use tindra_control::{ControlOptions, RuntimeVersions};

const CONFIG: &str = "/2021-07-20/functions/thing/runtime-management-config";

/// Has Python, and nothing else.
#[derive(Debug)]
struct Python;

impl RuntimeVersions for Python {
    fn version_arn(&self, runtime: &str, region: &str) -> Option<String> {
        runtime.starts_with("python").then(|| arn(region))
    }
}

fn arn(region: &str) -> String {
    format!("arn:aws:lambda:{region}::runtime:abc")
}

#[tokio::test]
async fn only_the_version_in_use_can_be_kept() {
    let versions: Arc<dyn RuntimeVersions> = Arc::new(Python);
    let fixture = start_with(ControlOptions { runtime_versions: Some(versions), ..ControlOptions::default() });
    let created = fixture.create("thing").await;
    let wanted = created["RuntimeVersionConfig"]["RuntimeVersionArn"].clone();
    assert_eq!(wanted, arn("eu-west-1"));
    let manual = |arn: &Value| json!({ "UpdateRuntimeOn": "Manual", "RuntimeVersionArn": arn });
    assert_eq!(fixture.done("PUT", CONFIG, manual(&wanted)).await["RuntimeVersionArn"], wanted);
    let (code, message) = fixture.refused("PUT", CONFIG, manual(&json!(arn("us-east-1")))).await;
    assert_eq!(code, "InvalidParameterValueException");
    assert!(message.contains("not available for the runtime python3.12"), "{message}");
    assert_eq!(fixture.done("GET", CONFIG, Value::Null).await["UpdateRuntimeOn"], "Manual");

    fixture.done("PUT", "/thing/configuration", json!({ "Runtime": "nodejs22.x" })).await;
    fixture.settle("thing", Ok(())).await;
    let (_, message) = fixture.refused("PUT", CONFIG, manual(&wanted)).await;
    assert!(message.ends_with("this server has no version of the runtime nodejs22.x."), "{message}");
}

#[tokio::test]
async fn a_function_that_is_being_made_cannot_be_managed() {
    let fixture = start_with(ControlOptions::default());
    fixture.done("POST", "", support::thing("thing")).await;
    let (code, _) = fixture.refused("PUT", CONFIG, json!({ "UpdateRuntimeOn": "FunctionUpdate" })).await;
    assert_eq!(code, "ResourceConflictException");
    assert_eq!(fixture.done("GET", CONFIG, Value::Null).await["UpdateRuntimeOn"], "Auto");
}
