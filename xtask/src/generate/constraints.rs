//! The constraint data: everything of a service model that decides about requests and answers, without the
//! documentation. One operation or shape a line, so that a change of the model reads well as a diff.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::source::Source;

/// What is kept of a shape as it is.
const SHAPE_KEYS: [&str; 11] =
    ["type", "exception", "fault", "required", "min", "max", "pattern", "enum", "sensitive", "payload", "flattened"];

/// The data file of a service, with these operations or with all.
pub(super) fn text(source: &Source, kept: &[&str]) -> Result<String> {
    let all = source.model["operations"].as_object().context("the model has no operations")?;
    let mut operations = Vec::new();
    let mut shapes = BTreeSet::new();
    for (name, operation) in all.iter().filter(|(name, _)| kept.is_empty() || kept.contains(&name.as_str())) {
        operations.push(reduce_operation(name, operation).to_string());
        for key in ["input", "output"] {
            source.collect(operation[key]["shape"].as_str(), &mut shapes);
        }
        for error in errors(operation) {
            source.collect(error.as_str(), &mut shapes);
        }
    }
    let shapes: Vec<String> =
        shapes.iter().map(|name| format!("{}:{}", json!(name), reduce_shape(source.shape(name)))).collect();
    let head = head(source);
    let head: Vec<String> = head.iter().map(|(key, value)| format!("{}:{value},", json!(key))).collect();
    Ok(format!(
        "{{\n{}\n\"operations\":[\n{}\n],\n\"shapes\":{{\n{}\n}}\n}}\n",
        head.join("\n"),
        operations.join(",\n"),
        shapes.join(",\n")
    ))
}

fn head(source: &Source) -> Map<String, Value> {
    let metadata = &source.model["metadata"];
    let head = json!({
        "generated": "by `cargo xtask generate` from the AWS service model (Apache-2.0); do not edit",
        "botocore_version": source.botocore_version,
        "source_sha256": source.sha256,
        "service": metadata["endpointPrefix"],
        "api_version": metadata["apiVersion"],
        "protocol": metadata["protocol"],
        "target_prefix": metadata.get("targetPrefix"),
        "xml_namespace": metadata.get("xmlNamespace"),
    });
    without_nulls(head)
}

fn reduce_operation(name: &str, operation: &Value) -> Value {
    let errors: Vec<&Value> = errors(operation).collect();
    Value::Object(without_nulls(json!({
        "name": name,
        "method": operation["http"]["method"],
        "path": operation["http"]["requestUri"],
        "status": operation["http"]["responseCode"].as_u64().unwrap_or(200),
        "input": operation["input"]["shape"],
        "output": operation["output"]["shape"],
        "result_wrapper": operation["output"].get("resultWrapper"),
        "errors": errors,
    })))
}

fn errors(operation: &Value) -> impl Iterator<Item = &Value> {
    operation["errors"].as_array().into_iter().flatten().map(|error| &error["shape"])
}

fn reduce_shape(shape: &Value) -> Value {
    let mut kept = Map::new();
    for key in SHAPE_KEYS {
        if let Some(value) = shape.get(key) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(status) = shape["error"].get("httpStatusCode") {
        kept.insert("status".to_owned(), status.clone());
    }
    // The query protocol's errors have a code of their own; in the others it is the shape's name.
    if let Some(code) = shape["error"].get("code") {
        kept.insert("code".to_owned(), code.clone());
    }
    for key in ["member", "key", "value"] {
        if let Some(name) = shape[key].get("shape") {
            kept.insert(key.to_owned(), name.clone());
        }
        if let Some(wire_name) = shape[key].get("locationName") {
            kept.insert(format!("{key}_name"), wire_name.clone());
        }
    }
    if let Some(members) = shape["members"].as_object() {
        // An array, because validation messages come in the model's order.
        let members = members.iter().map(|(name, member)| {
            Value::Object(without_nulls(json!({
                "name": name,
                "shape": member["shape"],
                "location": member.get("location"),
                "wire_name": member.get("locationName").filter(|wire| wire.as_str() != Some(name)),
            })))
        });
        kept.insert("members".to_owned(), members.collect());
    }
    Value::Object(kept)
}

fn without_nulls(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}
