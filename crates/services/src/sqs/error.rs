//! The errors of SQS in its own words, and reading members of requests.

use serde_json::Value;
use tindra_model::ApiError;
use tindra_store::StoreError;

pub(super) fn no_queue() -> ApiError {
    ApiError::new("QueueDoesNotExist", "The specified queue does not exist.")
}

pub(super) fn missing(member: &str) -> ApiError {
    let message = format!("The request must contain the parameter {member}.");
    ApiError::new("MissingRequiredParameterException", message)
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValueException", message)
}

/// A value that a member cannot have.
pub(super) fn bad_value(member: &str, value: impl std::fmt::Display, reason: &str) -> ApiError {
    invalid(format!("Value {value} for parameter {member} is invalid. Reason: {reason}"))
}

/// What is not for this kind of queue.
pub(super) fn wrong_kind(member: &str, value: impl std::fmt::Display) -> ApiError {
    bad_value(member, value, "The request include parameter that is not valid for this queue type.")
}

pub(super) fn unknown_attribute(name: &str) -> ApiError {
    ApiError::new("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub(super) fn bad_attribute(name: &str) -> ApiError {
    ApiError::new("InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
}

/// The store could not do it; it is in the log, and the caller may try again.
pub(super) fn stored(error: StoreError) -> ApiError {
    if matches!(error, StoreError::Conflict { .. }) {
        return ApiError::new("ServiceUnavailableException", "The queue is being changed by others; try again.");
    }
    tracing::error!(error = &error as &dyn std::error::Error, "SQS could not use the store");
    ApiError::new("InternalFailure", "The request could not be made durable; try again.")
}

/// A text that has to be there.
pub(super) fn text<'a>(input: &'a Value, member: &str) -> Result<&'a str, ApiError> {
    optional(input, member).ok_or_else(|| missing(member))
}

/// A text that may be there.
pub(super) fn optional<'a>(input: &'a Value, member: &str) -> Option<&'a str> {
    input.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A whole number within bounds, if it is there.
pub(super) fn number(
    input: &Value,
    member: &str,
    bounds: std::ops::RangeInclusive<u64>,
    reason: &str,
) -> Result<Option<u64>, ApiError> {
    let Some(value) = input.get(member).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_u64().filter(|number| bounds.contains(number));
    number.map(Some).ok_or_else(|| bad_value(member, value, reason))
}

/// The texts of a list.
pub(super) fn texts<'a>(input: &'a Value, member: &str) -> Vec<&'a str> {
    input.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The texts of a map.
pub(super) fn pairs<'a>(input: &'a Value, member: &str) -> Vec<(&'a str, &'a str)> {
    let map = input.get(member).and_then(Value::as_object);
    map.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())).collect()
}
