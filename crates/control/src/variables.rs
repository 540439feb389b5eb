//! Environment variables that a function may have.

use std::collections::BTreeMap;

use tindra_core::limits;

use crate::error::ControlError;

/// Names that the platform sets (AWS).
const RESERVED: [&str; 19] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// Refuses variables that AWS refuses.
pub(crate) fn check(variables: &BTreeMap<String, String>) -> Result<(), ControlError> {
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|name| is_reserved(name)).collect();
    if !reserved.is_empty() {
        return Err(ControlError::Invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    if let Some(name) = variables.keys().find(|name| !is_name(name)) {
        return Err(ControlError::Invalid(format!(
            "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+] (the name is '{name}')"
        )));
    }
    if let Some(name) = variables.iter().find(|(_, value)| value.contains('\0')).map(|(name, _)| name) {
        return Err(ControlError::Invalid(format!("The environment variable {name} contains a NUL character.")));
    }
    let size_bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size_bytes > limits::ENVIRONMENT_BYTES_MAX {
        return Err(ControlError::Invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. Measured size: {size_bytes} bytes"
        )));
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// `[a-zA-Z]([a-zA-Z0-9_])+`
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && name.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::check;

    fn refused(name: &str, value: &str) -> Option<String> {
        check(&BTreeMap::from([(name.to_owned(), value.to_owned())])).err().map(|error| error.to_string())
    }

    #[test]
    fn ordinary_variables_pass() {
        assert_eq!(refused("GREETING", "hello"), None);
        assert_eq!(refused("Az_9", &"x".repeat(4_092)), None);
        assert_eq!(refused("TZ", "Europe/Berlin"), None);
    }

    #[test]
    fn reserved_names_are_listed() {
        let error = refused("AWS_REGION", "x").unwrap();
        assert!(error.ends_with("Reserved keys used in this request: AWS_REGION"), "{error}");
        assert!(refused("LAMBDA_RUNTIME_DIR", "x").is_some());
    }

    #[test]
    fn names_values_and_sizes_are_checked() {
        for name in ["A", "1A", "_A", "A-B", "", "Ä1"] {
            assert!(refused(name, "x").is_some(), "{name}");
        }
        assert!(refused("AB", "a\0b").is_some());
        assert!(refused("AB", &"x".repeat(4_095)).unwrap().contains("exceeded the 4KB limit"));
    }
}
