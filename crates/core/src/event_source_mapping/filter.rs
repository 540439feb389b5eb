//! `FilterCriteria`: which records a function sees (AWS, "Control which events Lambda sends to your function").

use serde_json::{Map, Value};

use super::SourceKind;
use crate::event_pattern::{Pattern, PatternError};

/// The filters of a mapping, of which one must let a record pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Filters {
    patterns: Vec<Pattern>,
}

impl Filters {
    /// Reads the patterns of a mapping; none lets every record pass.
    ///
    /// # Errors
    /// What is wrong with the first that is none.
    pub fn parse(patterns: &[String]) -> Result<Self, PatternError> {
        let patterns = patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Whether every record passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a record passes whose data stands under the data key of its kind, parsed where it is JSON.
    #[must_use]
    pub fn let_pass(&self, record: &Value) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(record))
    }
}

/// The member of a record in which patterns find the data of a kind of source.
#[must_use]
pub fn data_key(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Sqs | SourceKind::SqsFifo => "body",
        SourceKind::DynamoDb => "dynamodb",
        SourceKind::Msk | SourceKind::SelfManagedKafka => "value",
        SourceKind::Kinesis | SourceKind::Mq | SourceKind::DocumentDb => "data",
    }
}

/// A record as patterns see it: its other members, and its data, which is an object where the text is JSON of one.
#[must_use]
pub fn filtered(mut members: Map<String, Value>, key: &str, data: &[u8]) -> Value {
    let data = match serde_json::from_slice::<Value>(data) {
        Ok(json @ (Value::Object(_) | Value::Array(_))) => json,
        // A number or a word in quotes is plain text to a filter.
        _ => Value::from(String::from_utf8_lossy(data)),
    };
    members.insert(key.to_owned(), data);
    Value::from(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passes(pattern: &str, body: &str) -> bool {
        let filters = Filters::parse(&[pattern.to_owned()]).unwrap();
        let members = json!({ "messageId": "m", "attributes": { "SenderId": "x" } });
        filters.let_pass(&filtered(members.as_object().unwrap().clone(), "body", body.as_bytes()))
    }

    #[test]
    fn data_is_matched_as_what_it_is() {
        assert!(passes(r#"{"body":{"a":[1]}}"#, r#"{"a":1}"#));
        assert!(!passes(r#"{"body":{"a":[1]}}"#, r#"{"a":2}"#));
        assert!(!passes(r#"{"body":{"a":[1]}}"#, "plain"), "a pattern for JSON drops what is none");
        assert!(passes(r#"{"body":["plain"]}"#, "plain"));
        assert!(passes(r#"{"body":[{"prefix":"pl"}]}"#, "plain"));
        assert!(!passes(r#"{"body":["plain"]}"#, r#"{"a":1}"#), "a pattern for text drops JSON");
        assert!(passes(r#"{"messageId":["m"],"attributes":{"SenderId":[{"exists":true}]}}"#, "any"));
    }

    #[test]
    fn one_of_several_is_enough_and_none_lets_all_pass() {
        let filters = Filters::parse(&[r#"{"a":[1]}"#.to_owned(), r#"{"a":[2]}"#.to_owned()]).unwrap();
        assert!(filters.let_pass(&json!({ "a": 2 })) && !filters.let_pass(&json!({ "a": 3 })));
        assert!(Filters::parse(&[]).unwrap().let_pass(&json!({ "a": 3 })));
        assert!(Filters::parse(&["[]".to_owned()]).is_err());
    }
}
