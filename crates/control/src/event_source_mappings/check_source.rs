//! Whether a mapping can work: its queue or stream is there, its function may read it and does not run for too long.
//!
//! A source that cannot be asked is no reason to refuse: what is elsewhere may come up later, and whoever polls it tells of
//! problems in `LastProcessingResult`.

use tindra_core::event_source_mapping::{EventSourceMapping, SourceKind};
use tindra_core::limits;
use tindra_core::name::FunctionName;

use crate::error::ControlError;
use crate::{Control, SourceFound};

impl Control {
    /// Refuses a mapping whose source or function does not do.
    pub(super) async fn check_source(&self, mapping: &EventSourceMapping) -> Result<(), ControlError> {
        let name = FunctionName::read(&mapping.function_arn(), None, &mapping.scope)?;
        let timeout_s = self.find(&mapping.scope, &name).await?.value.desired.configuration.timeout_s;
        check_timeout(mapping.source.kind, timeout_s)?;
        let kind = mapping.source.kind;
        let Some(sources) = self.options.sources.as_ref().filter(|_| kind.is_sqs() || kind.is_stream()) else {
            return Ok(());
        };
        check_found(mapping, timeout_s, sources.find(mapping).await)
    }
}

/// Kafka, brokers and DocumentDB are not for functions that run for longer (AWS).
fn check_timeout(kind: SourceKind, timeout_s: u32) -> Result<(), ControlError> {
    let is_limited = kind.is_kafka() || matches!(kind, SourceKind::Mq | SourceKind::DocumentDb);
    if !is_limited || timeout_s <= limits::TIMEOUT_S_OF_BROKERS_MAX {
        return Ok(());
    }
    Err(ControlError::Invalid(format!(
        "Function timeout: {timeout_s} seconds is greater than the maximum of {} seconds for {} event sources",
        limits::TIMEOUT_S_OF_BROKERS_MAX,
        kind.as_str()
    )))
}

fn check_found(mapping: &EventSourceMapping, timeout_s: u32, found: SourceFound) -> Result<(), ControlError> {
    match found {
        // Messages would come back while the function still runs (AWS).
        SourceFound::There { visibility_timeout_s: Some(hidden_s) } if hidden_s < timeout_s => {
            Err(ControlError::Invalid(format!(
                "Queue visibility timeout: {hidden_s} seconds is less than Function timeout: {timeout_s} seconds"
            )))
        }
        // What has gone can still be switched off.
        SourceFound::Missing if mapping.is_enabled => Err(missing(mapping)),
        SourceFound::Forbidden { action } if mapping.is_enabled => Err(forbidden(mapping, &action)),
        _ => Ok(()),
    }
}

fn missing(mapping: &EventSourceMapping) -> ControlError {
    if mapping.source.kind.is_sqs() {
        return ControlError::invalid(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. \
             SQS Error Message: The specified queue does not exist.",
        );
    }
    ControlError::Invalid(format!("Stream not found: {}", mapping.source.arn.as_deref().unwrap_or_default()))
}

fn forbidden(mapping: &EventSourceMapping, action: &str) -> ControlError {
    let listing = match mapping.source.kind {
        SourceKind::DynamoDb => "GetRecords, GetShardIterator, DescribeStream, and ListStreams",
        SourceKind::Kinesis => "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams",
        _ => {
            let action = action.rsplit(':').next().unwrap_or_default();
            return ControlError::Invalid(format!(
                "The provided execution role does not have permissions to call {action} on SQS"
            ));
        }
    };
    ControlError::Invalid(format!(
        "Cannot access stream {}. Please ensure the role can perform the {listing} Actions on your stream in IAM.",
        mapping.source.arn.as_deref().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_kinds_are_not_for_functions_that_run_for_a_quarter_of_an_hour() {
        for kind in SourceKind::ALL {
            assert!(check_timeout(kind, 840).is_ok());
            let is_refused = check_timeout(kind, 841).is_err();
            assert_eq!(is_refused, !kind.is_sqs() && !kind.is_stream(), "{kind:?}");
        }
    }
}
