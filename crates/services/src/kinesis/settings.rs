//! What can be changed of a stream: how long records are kept, its mode, how large a record may be.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_model::ApiError;

use super::KinesisService;
use super::error::{invalid, unsupported};
use super::names::Named;
use super::records::Stream;
use super::streams::Mode;

/// How long records are kept, in hours (AWS).
const HOURS_MIN: u64 = 24;
const HOURS_MAX: u64 = 8_760;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RetentionRequest {
    #[serde(flatten)]
    stream: Named,
    retention_period_hours: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateModeRequest {
    #[serde(flatten)]
    stream: Named,
    stream_mode_details: Mode,
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RecordSizeRequest {
    #[serde(flatten)]
    stream: Named,
    #[serde(rename = "MaxRecordSizeInKiB")]
    record_kib_max: u64,
}

pub(super) fn no_monitoring() -> ApiError {
    unsupported("shard-level metrics")
}

pub(super) fn no_encryption() -> ApiError {
    unsupported("encryption of streams with keys of KMS: encrypt the disk that the server keeps its data on")
}

impl KinesisService {
    pub(super) async fn increase_retention(&self, scope: &Scope, request: RetentionRequest) -> Result<Value, ApiError> {
        let hours = request.hours()?;
        let edit = |stream: &mut Stream| {
            if hours < stream.retention_h {
                return Err(out_of_line(stream, hours, "shorter", "Decrease"));
            }
            stream.retention_h = hours;
            Ok(json!({}))
        };
        self.change(scope, &request.stream, edit).await
    }

    pub(super) async fn decrease_retention(&self, scope: &Scope, request: RetentionRequest) -> Result<Value, ApiError> {
        let hours = request.hours()?;
        let edit = |stream: &mut Stream| {
            if hours > stream.retention_h {
                return Err(out_of_line(stream, hours, "longer", "Increase"));
            }
            stream.retention_h = hours;
            Ok(json!({}))
        };
        self.change(scope, &request.stream, edit).await
    }

    pub(super) async fn update_mode(&self, scope: &Scope, request: UpdateModeRequest) -> Result<Value, ApiError> {
        if request.warm_throughput.is_some() {
            return Err(unsupported("WarmThroughputMiBps: a stream on demand has no limit to warm up to"));
        }
        let edit = |stream: &mut Stream| {
            stream.is_on_demand = request.stream_mode_details.is_on_demand();
            Ok(json!({}))
        };
        self.change(scope, &request.stream, edit).await
    }

    pub(super) async fn update_record_size(
        &self,
        scope: &Scope,
        request: RecordSizeRequest,
    ) -> Result<Value, ApiError> {
        let edit = |stream: &mut Stream| {
            stream.record_kib_max = request.record_kib_max;
            Ok(json!({}))
        };
        self.change(scope, &request.stream, edit).await
    }
}

impl RetentionRequest {
    fn hours(&self) -> Result<u64, ApiError> {
        let hours = self.retention_period_hours;
        match u64::try_from(hours) {
            Ok(hours) if hours > HOURS_MAX => Err(invalid(format!(
                "Maximum allowed retention period is {HOURS_MAX} hours. Requested retention period ({hours} hours) is too long."
            ))),
            Ok(hours) if hours >= HOURS_MIN => Ok(hours),
            _ => Err(invalid(format!(
                "Minimum allowed retention period is {HOURS_MIN} hours. Requested retention period ({hours} hours) is too short."
            ))),
        }
    }
}

fn out_of_line(stream: &Stream, hours: u64, than: &str, use_instead: &str) -> ApiError {
    invalid(format!(
        "Requested retention period ({hours} hours) for stream {} can not be {than} than existing retention period ({} hours). Use {use_instead}RetentionPeriod API.",
        stream.name, stream.retention_h
    ))
}
