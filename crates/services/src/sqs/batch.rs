//! What the batch operations have in common: up to ten entries with ids, each with an outcome of its own.

use serde_json::{Value, json};
use tindra_model::ApiError;

/// Entries of a batch (AWS).
const ENTRIES_MAX: usize = 10;

/// The entries by their ids.
pub(super) fn entries<'a>(input: &'a Value, kind: &str) -> Result<Vec<(&'a str, &'a Value)>, ApiError> {
    let entries = input.get("Entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        let message = format!("There should be at least one {kind} in the request.");
        return Err(ApiError::new("EmptyBatchRequest", message));
    }
    if entries.len() > ENTRIES_MAX {
        let message =
            format!("Maximum number of entries per request are {ENTRIES_MAX}. You have sent {}.", entries.len());
        return Err(ApiError::new("TooManyEntriesInBatchRequest", message));
    }
    let mut named: Vec<(&str, &Value)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
        let is_id = (1..=80).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_id {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
            return Err(ApiError::new("InvalidBatchEntryId", message));
        }
        if named.iter().any(|(other, _)| *other == id) {
            return Err(ApiError::new("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
        named.push((id, entry));
    }
    Ok(named)
}

/// The answer of a batch.
pub(super) fn answer(outcomes: Vec<(&str, Result<Value, ApiError>)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, outcome) in outcomes {
        match outcome {
            Ok(mut done) => {
                done["Id"] = id.into();
                successful.push(done);
            }
            Err(error) => {
                let is_sender = !["InternalFailure", "ServiceUnavailableException"].contains(&error.code());
                let code = query_code(error.code());
                failed.push(json!({"Id": id, "SenderFault": is_sender, "Code": code, "Message": error.message()}));
            }
        }
    }
    // Members that are required are there even when they are empty; an empty list of failures is left out, as AWS does.
    let mut output = json!({ "Successful": successful });
    if !failed.is_empty() {
        output["Failed"] = json!(failed);
    }
    output
}

/// Entries tell the codes of the query protocol in both.
fn query_code(code: &str) -> &str {
    match code {
        "InvalidParameterValueException" => "InvalidParameterValue",
        "MissingRequiredParameterException" => "MissingParameter",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
        code => code,
    }
}
