//! YAML read as the JSON that it stands for.
//!
//! What an attacker could blow up a small document with is refused: anchors that are repeated, and deep nesting.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use crate::restapi::RestApiError;

/// Levels within levels; definitions of APIs have about a dozen.
const DEPTH_MAX: usize = 128;

/// A collection that is being read.
enum Open {
    List(Vec<Value>),
    /// With the key that waits for its value.
    Map(Map<String, Value>, Option<String>),
}

/// Reads one document.
pub(super) fn parse(text: &str) -> Result<Value, RestApiError> {
    let mut open: Vec<Open> = Vec::new();
    let mut document = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| invalid(&error.to_string()))?;
        let line = span.start.line();
        let done = match event {
            Event::Alias(_) => return Err(invalid(&format!("line {line}: aliases are not supported, write it out"))),
            Event::Scalar(text, style, _, tag) => {
                if let Some(tag) = tag.as_ref().filter(|tag| !tag.is_yaml_core_schema()) {
                    let suffix = &tag.suffix;
                    return Err(invalid(&format!("line {line}: the tag !{suffix} means nothing in an API definition")));
                }
                let is_key = matches!(open.last(), Some(Open::Map(_, None)));
                Some(if style == ScalarStyle::Plain && !is_key {
                    plain(&text)
                } else {
                    Value::String(text.into_owned())
                })
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|closed| match closed {
                Open::List(items) => Value::Array(items),
                Open::Map(members, _) => Value::Object(members),
            }),
            _ => None,
        };
        if open.len() > DEPTH_MAX {
            return Err(invalid(&format!("line {line}: nested deeper than {DEPTH_MAX} levels")));
        }
        if let Some(value) = done {
            put(&mut open, &mut document, value, line)?;
        }
    }
    document.ok_or_else(|| invalid("the document is empty"))
}

/// Puts a value where it belongs.
fn put(open: &mut [Open], document: &mut Option<Value>, value: Value, line: usize) -> Result<(), RestApiError> {
    match open.last_mut() {
        None if document.is_some() => return Err(invalid(&format!("line {line}: more than one document"))),
        None => *document = Some(value),
        Some(Open::List(items)) => items.push(value),
        Some(Open::Map(members, key)) => match (key.take(), value) {
            (None, Value::String(name)) => *key = Some(name),
            (None, _) => return Err(invalid(&format!("line {line}: a key must be text"))),
            (Some(name), value) => {
                if members.insert(name.clone(), value).is_some() {
                    return Err(invalid(&format!("line {line}: the key {name} is there twice")));
                }
            }
        },
    }
    Ok(())
}

/// What a scalar without quotes is (YAML 1.2, core schema).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let is_number = |first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.');
    if !text.starts_with(is_number) {
        return Value::String(text.to_owned());
    }
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn invalid(reason: &str) -> RestApiError {
    RestApiError::bad(format!("Invalid OpenAPI input: the YAML cannot be read: {reason}."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_is_read_as_json() {
        let text = "swagger: '2.0'\npaths:\n  /a:\n    get:\n      responses:\n        200: {description: OK, n: 1.5}\n      list: [1, two, true, null, '3']\n      text: |\n        a\n        b\n";
        assert_eq!(
            parse(text).unwrap(),
            json!({"swagger": "2.0", "paths": {"/a": {"get": {
                "responses": {"200": {"description": "OK", "n": 1.5}},
                "list": [1, "two", true, null, "3"],
                "text": "a\nb\n",
            }}}})
        );
        assert_eq!(parse("version: 1.0.0\nip: 10.0.0.1\ndate: 2024-01-01").unwrap()["version"], "1.0.0");
    }

    #[test]
    fn what_could_grow_is_refused() {
        for (text, reason) in [
            ("a: &x [1]\nb: *x\n", "aliases"),
            ("a: 1\na: 2\n", "twice"),
            ("a: !Sub x\n", "tag"),
            ("[a]: 1\n", "key must be text"),
            ("", "empty"),
            ("a: [", "cannot be read"),
            ("a\n---\nb\n", "more than one document"),
            (&"[".repeat(100_000), ""),
            (&format!("{}1{}", "[".repeat(200), "]".repeat(200)), "nested deeper"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message().contains(reason), "{}: {}", &text[..text.len().min(20)], error.message());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }
    }
}
