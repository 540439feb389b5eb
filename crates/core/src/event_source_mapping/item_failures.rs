//! What a function's answer says of the records of its batch (AWS, "Reporting batch item failures").

use serde_json::Value;

/// Which records of a batch have failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemFailures {
    /// All of them: the answer is none that this can be read from, or names a record that was not in the batch.
    All,
    /// Those with these identifiers, in the order of the answer and each once; none when the batch was a success.
    Some(Vec<String>),
}

impl ItemFailures {
    /// Reads the answer to a batch; `is_known` says whether an identifier is one of its records'.
    #[must_use]
    pub fn read(answer: &[u8], is_known: impl Fn(&str) -> bool) -> Self {
        Self::read_by(answer, |id| id.as_str().filter(|id| is_known(id)).map(str::to_owned))
    }

    /// The same where identifiers are not texts: `name` makes a text of one that is of the batch.
    #[must_use]
    pub fn read_by(answer: &[u8], name: impl Fn(&Value) -> Option<String>) -> Self {
        // A function that returns nothing answers with `null`, a custom runtime perhaps with nothing at all.
        if answer.is_empty() {
            return Self::Some(Vec::new());
        }
        let list = match serde_json::from_slice::<Value>(answer) {
            Ok(Value::Null) => return Self::Some(Vec::new()),
            Ok(Value::Object(mut members)) => members.remove("batchItemFailures").unwrap_or(Value::Null),
            Ok(_) | Err(_) => return Self::All,
        };
        let items = match list {
            Value::Null => return Self::Some(Vec::new()),
            Value::Array(items) => items,
            _ => return Self::All,
        };
        let mut failed: Vec<String> = Vec::with_capacity(items.len());
        for item in items {
            match item.get("itemIdentifier").and_then(&name) {
                Some(id) if failed.contains(&id) => {}
                Some(id) => failed.push(id),
                None => return Self::All,
            }
        }
        Self::Some(failed)
    }

    /// Whether a record has failed.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(failed) => failed.iter().any(|known| known == id),
        }
    }

    /// Whether every record is done with.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Some(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::ItemFailures;

    fn read(answer: &str) -> ItemFailures {
        ItemFailures::read(answer.as_bytes(), |id| ["a", "b"].contains(&id))
    }

    #[test]
    fn these_answers_are_successes() {
        for answer in [
            "",
            "null",
            "{}",
            r#"{"batchItemFailures":[]}"#,
            r#"{"batchItemFailures":null}"#,
            r#"{"statusCode":200,"body":"fine"}"#,
        ] {
            assert!(read(answer).is_success(), "{answer}");
        }
    }

    #[test]
    fn these_answers_are_failures_of_the_whole_batch() {
        for answer in [
            "{",
            "not json",
            "[]",
            r#""done""#,
            r#"{"batchItemFailures":{}}"#,
            r#"{"batchItemFailures":"a"}"#,
            r#"{"batchItemFailures":["a"]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":7}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"unknown"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"unknown"}]}"#,
            r#"{"batchItemFailures":[{"id":"a"}]}"#,
            r#"{"batchItemFailures":[null]}"#,
        ] {
            assert_eq!(read(answer), ItemFailures::All, "{answer}");
        }
    }

    #[test]
    fn some_records_fail() {
        let failures = read(r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b","more":1}]}"#);
        assert_eq!(failures, ItemFailures::Some(vec!["b".to_owned()]));
        assert!(failures.has("b") && !failures.has("a") && !failures.is_success() && ItemFailures::All.has("a"));
    }
}
