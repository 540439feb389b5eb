//! `FilterCriteria`: whether each pattern is one.

use tindra_core::event_pattern::Pattern;
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
    Pattern::parse(text).is_ok()
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
