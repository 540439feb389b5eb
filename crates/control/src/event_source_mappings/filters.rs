//! `FilterCriteria`: whether each pattern is one.
//!
//! A pattern is a JSON object whose leaves are lists of what a value may be: plain values, or one of the
//! comparisons that Lambda's guide lists. `$or` holds alternatives of several keys.

use serde_json::{Map, Value};
use tindra_model::lambda::event_source_mappings::FilterCriteria;

use crate::error::ControlError;

/// Patterns of one mapping (AWS: 5, and 10 for whoever asks).
const FILTERS_MAX: usize = 10;

/// The patterns of a request, checked.
pub(super) fn read(criteria: &FilterCriteria) -> Result<Vec<String>, ControlError> {
    let filters = criteria.filters.as_deref().unwrap_or_default();
    if filters.len() > FILTERS_MAX {
        return Err(ControlError::Invalid(format!("An event source mapping can have at most {FILTERS_MAX} filters.")));
    }
    let pattern = |text: Option<&str>| match text {
        Some(text) if is_pattern(text) => Ok(text.to_owned()),
        _ => Err(ControlError::invalid("Invalid filter pattern definition.")),
    };
    filters.iter().map(|filter| pattern(filter.pattern.as_deref())).collect()
}

fn is_pattern(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.as_object().is_some_and(is_node))
}

fn is_node(members: &Map<String, Value>) -> bool {
    !members.is_empty()
        && members.iter().all(|(key, value)| match value {
            Value::Array(alternatives) if key == "$or" => {
                alternatives.len() > 1 && alternatives.iter().all(|one| one.as_object().is_some_and(is_node))
            }
            Value::Array(values) => !values.is_empty() && values.iter().all(is_match),
            Value::Object(members) => is_node(members),
            _ => false,
        })
}

fn is_match(value: &Value) -> bool {
    match value {
        Value::Array(_) => false,
        Value::Object(comparison) => match comparison.iter().next() {
            Some((operator, operand)) if comparison.len() == 1 => is_comparison(operator, operand),
            _ => false,
        },
        _ => true,
    }
}

fn is_comparison(operator: &str, operand: &Value) -> bool {
    match operator {
        "prefix" | "suffix" => operand.is_string() || is_ignoring_case(operand),
        "equals-ignore-case" => operand.is_string(),
        "exists" => operand.is_boolean(),
        "numeric" => operand.as_array().is_some_and(|parts| is_range(parts)),
        "anything-but" => is_exclusion(operand),
        _ => false,
    }
}

fn is_ignoring_case(operand: &Value) -> bool {
    operand
        .as_object()
        .is_some_and(|members| members.len() == 1 && members.get("equals-ignore-case").is_some_and(Value::is_string))
}

fn is_exclusion(operand: &Value) -> bool {
    let is_text = |value: &Value| match value {
        Value::Array(values) => !values.is_empty() && values.iter().all(Value::is_string),
        value => value.is_string(),
    };
    match operand {
        Value::String(_) | Value::Number(_) => true,
        Value::Array(values) => {
            !values.is_empty() && (values.iter().all(Value::is_string) || values.iter().all(Value::is_number))
        }
        Value::Object(members) => {
            members.len() == 1
                && members.iter().all(|(operator, operand)| {
                    matches!(operator.as_str(), "prefix" | "suffix" | "equals-ignore-case") && is_text(operand)
                })
        }
        _ => false,
    }
}

/// `[">", 0]` or `[">", 0, "<=", 5]`.
fn is_range(parts: &[Value]) -> bool {
    let is_pair = |pair: &[Value]| match pair {
        [operator, bound] => matches!(operator.as_str(), Some("=" | "<" | "<=" | ">" | ">=")) && bound.is_number(),
        _ => false,
    };
    match parts.len() {
        2 => is_pair(parts),
        4 => parts.chunks(2).all(|pair| is_pair(pair) && pair.first().is_some_and(|operator| operator != "=")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_pattern;

    #[test]
    fn what_the_guide_shows_is_a_pattern() {
        for pattern in [
            r#"{"body":{"status":["new"]}}"#,
            r#"{"a":[null,"",1,true]}"#,
            r#"{"a":[{"prefix":"us-"},{"suffix":".png"},{"equals-ignore-case":"x"}]}"#,
            r#"{"a":[{"anything-but":["b","c"]}],"b":[{"anything-but":{"prefix":"x"}}]}"#,
            r#"{"a":[{"numeric":[">",0,"<=",5]}],"b":[{"numeric":["=",5]}]}"#,
            r#"{"a":[{"exists":false}]}"#,
            r#"{"$or":[{"a":["x"]},{"b":["y"]}]}"#,
        ] {
            assert!(is_pattern(pattern), "{pattern}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for pattern in [
            "",
            "text",
            "[]",
            "{}",
            r#"{"a":"b"}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":[["b"]]}"#,
            r#"{"a":[{"starts":"b"}]}"#,
            r#"{"a":[{"prefix":1}]}"#,
            r#"{"a":[{"prefix":"x","suffix":"y"}]}"#,
            r#"{"a":[{"numeric":[">"]}]}"#,
            r#"{"a":[{"numeric":["~",1]}]}"#,
            r#"{"a":[{"exists":"yes"}]}"#,
            r#"{"$or":[{"a":["x"]}]}"#,
            r#"{"a":["b"}"#,
        ] {
            assert!(!is_pattern(pattern), "{pattern}");
        }
    }
}
