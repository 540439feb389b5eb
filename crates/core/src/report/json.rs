//! JSON lines: the objects of the Telemetry API.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Initialization, Line, Phase, Report, Status, Subject, hundredths};

pub(super) fn line(line: &Line<'_>, time: &str) -> String {
    let (name, record) = match line {
        Line::InitStart(subject) => ("platform.initStart", init_start(subject)),
        Line::InitReport { initialization, duration, phase, status } => {
            ("platform.initReport", init_report(*initialization, *duration, *phase, status))
        }
        Line::RestoreStart(subject) => ("platform.restoreStart", restore_start(subject)),
        Line::RestoreDone { status } => ("platform.restoreRuntimeDone", Value::Object(with_status(json!({}), status))),
        Line::RestoreReport { duration, status } => {
            let record = with_status(json!({ "metrics": { "durationMs": ms(*duration) } }), status);
            ("platform.restoreReport", Value::Object(record))
        }
        Line::Start { request_id, version } => {
            ("platform.start", json!({ "requestId": request_id, "version": version.to_string() }))
        }
        Line::End { request_id, duration, status } => {
            let mut record = with_status(json!({ "requestId": request_id }), status);
            record.insert("metrics".to_owned(), json!({ "durationMs": ms(*duration) }));
            ("platform.runtimeDone", Value::Object(record))
        }
        Line::Report(figures) => ("platform.report", report(figures)),
        Line::SharedReport { request_id, duration, status } => {
            let record = json!({ "requestId": request_id, "metrics": { "durationMs": ms(*duration) } });
            ("platform.report", Value::Object(with_status(record, status)))
        }
    };
    json!({ "time": time, "type": name, "record": record }).to_string()
}

fn init_start(subject: &Subject<'_>) -> Value {
    json!({
        "initializationType": subject.initialization.as_str(),
        "phase": Phase::Init.as_str(),
        "runtimeVersion": subject.runtime_version,
        "runtimeVersionArn": subject.runtime_version_arn,
        "functionName": subject.function_name,
        "functionVersion": subject.function_version.to_string(),
    })
}

fn restore_start(subject: &Subject<'_>) -> Value {
    json!({
        "runtimeVersion": subject.runtime_version,
        "runtimeVersionArn": subject.runtime_version_arn,
        "functionName": subject.function_name,
        "functionVersion": subject.function_version.to_string(),
    })
}

fn init_report(initialization: Initialization, duration: Duration, phase: Phase, status: &Status) -> Value {
    let record = json!({ "initializationType": initialization.as_str(), "phase": phase.as_str() });
    let mut record = with_status(record, status);
    record.insert("metrics".to_owned(), json!({ "durationMs": ms(duration) }));
    Value::Object(record)
}

fn report(figures: &Report<'_>) -> Value {
    let mut metrics = json!({
        "durationMs": ms(figures.duration),
        "billedDurationMs": figures.billed_ms(),
        "memorySizeMB": figures.memory_mb,
        "maxMemoryUsedMB": figures.memory_used_mb(),
    });
    if let Some(init) = figures.init {
        metrics["initDurationMs"] = json!(ms(init));
    }
    if let Some(restore) = figures.restore {
        metrics["restoreDurationMs"] = json!(ms(restore.duration));
    }
    Value::Object(with_status(json!({ "requestId": figures.request_id, "metrics": metrics }), figures.status))
}

fn with_status(record: Value, status: &Status) -> Map<String, Value> {
    let Value::Object(mut record) = record else { return Map::new() };
    let (status, error_type) = match status {
        Status::Success => ("success", None),
        Status::Failure(error_type) => ("failure", Some(error_type)),
        Status::Error(error_type) => ("error", Some(error_type)),
        Status::Timeout => ("timeout", None),
    };
    record.insert("status".to_owned(), json!(status));
    if let Some(error_type) = error_type.filter(|name| !name.is_empty()) {
        record.insert("errorType".to_owned(), json!(error_type));
    }
    record
}

/// Milliseconds with two decimals, as the text lines show them.
fn ms(duration: Duration) -> f64 {
    hundredths(duration) as f64 / 100.0
}
