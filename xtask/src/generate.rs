//! Makes `crates/model`'s data from the AWS service models: everything that decides about requests and answers,
//! without the documentation.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// A service, where its model lies, and the operations that are kept (all of them when none is named).
const SERVICES: [(&str, &str, &[&str]); 2] = [
    ("lambda", "lambda/2015-03-31/service-2.json", &[]),
    (
        "logs",
        "logs/2014-03-28/service-2.json",
        &[
            "CreateLogGroup",
            "CreateLogStream",
            "DeleteLogGroup",
            "DescribeLogGroups",
            "DescribeLogStreams",
            "FilterLogEvents",
            "GetLogEvents",
            "PutLogEvents",
        ],
    ),
];
/// What is kept of a shape.
const SHAPE_KEYS: [&str; 14] = [
    "type",
    "exception",
    "required",
    "min",
    "max",
    "pattern",
    "enum",
    "sensitive",
    "payload",
    "error",
    "streaming",
    "eventstream",
    "timestampFormat",
    "box",
];

/// Writes the data files, or with `check` fails when they differ.
pub(crate) fn run(root: &Path, data: &Path, check: bool) -> Result<()> {
    for (name, path, operations) in SERVICES {
        let source = data.join(path);
        let bytes = fs::read(&source).with_context(|| format!("failed to read {}", source.display()))?;
        let model: Value =
            serde_json::from_slice(&bytes).with_context(|| format!("failed to parse {}", source.display()))?;
        let text = serde_json::to_string_pretty(&reduce(&model, &bytes, operations)?)? + "\n";
        let target = root.join(format!("crates/model/data/{name}.generated.json"));
        if check {
            let present = fs::read_to_string(&target).unwrap_or_default();
            if present != text {
                bail!("{} is not what the model says; run `cargo xtask generate` without --check", target.display());
            }
        } else {
            fs::write(&target, text).with_context(|| format!("failed to write {}", target.display()))?;
            println!("wrote {}", target.display());
        }
    }
    Ok(())
}

fn reduce(model: &Value, bytes: &[u8], wanted: &[&str]) -> Result<Value> {
    let metadata = &model["metadata"];
    let all = model["operations"].as_object().context("the model has no operations")?;
    let mut operations = Vec::new();
    let mut shapes = BTreeSet::new();
    for (name, operation) in all {
        if !wanted.is_empty() && !wanted.contains(&name.as_str()) {
            continue;
        }
        operations.push(json!({
            "name": name,
            "method": operation["http"]["method"],
            "path": operation["http"]["requestUri"],
            "status": operation["http"].get("responseCode").unwrap_or(&json!(200)),
            "input": operation["input"]["shape"],
            "output": operation["output"]["shape"],
            "errors": operation["errors"].as_array().map(|errors| errors.iter().map(|e| &e["shape"]).collect::<Vec<_>>()),
        }));
        for key in ["input", "output"] {
            collect(model, operation[key]["shape"].as_str(), &mut shapes);
        }
        for error in operation["errors"].as_array().into_iter().flatten() {
            collect(model, error["shape"].as_str(), &mut shapes);
        }
    }
    let shapes: Map<String, Value> =
        shapes.into_iter().map(|name| (name.clone(), shape(&model["shapes"][&name]))).collect();
    Ok(json!({
        "generated": "by `cargo xtask generate` from the AWS service model (Apache-2.0); do not edit",
        "source_sha256": format!("{:x}", Sha256::digest(bytes)),
        "service": metadata["endpointPrefix"],
        "api_version": metadata["apiVersion"],
        "protocol": metadata["protocol"],
        "target_prefix": metadata["targetPrefix"],
        "operations": operations,
        "shapes": shapes,
    }))
}

/// Adds a shape and everything that it refers to.
fn collect(model: &Value, name: Option<&str>, found: &mut BTreeSet<String>) {
    let Some(name) = name else { return };
    if !found.insert(name.to_owned()) {
        return;
    }
    let shape = &model["shapes"][name];
    for member in shape["members"].as_object().into_iter().flat_map(Map::values) {
        collect(model, member["shape"].as_str(), found);
    }
    for key in ["member", "key", "value"] {
        collect(model, shape[key]["shape"].as_str(), found);
    }
}

fn shape(shape: &Value) -> Value {
    let mut kept = Map::new();
    for key in SHAPE_KEYS {
        if let Some(value) = shape.get(key) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    for key in ["member", "key", "value"] {
        if let Some(name) = shape[key].get("shape") {
            kept.insert(key.to_owned(), name.clone());
        }
    }
    if let Some(members) = shape["members"].as_object() {
        // An array, because validation messages come in the model's order.
        let members = members.iter().map(|(name, member)| {
            json!({
                "name": name,
                "shape": member["shape"],
                "location": member.get("location"),
                "wire_name": member.get("locationName").filter(|wire| wire.as_str() != Some(name)),
            })
        });
        kept.insert("members".to_owned(), members.map(without_nulls).collect());
    }
    Value::Object(kept)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}
