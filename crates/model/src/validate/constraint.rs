//! One constraint of a shape: whether a value satisfies it, and its words.

use std::fmt;

use serde_json::Value;

use crate::data::Shape;
use crate::service::Service;

/// How DynamoDB Local, which is AWS's own, begins the ARNs of streams: the name stands where no region of AWS can.
const OF_DYNAMODB_LOCAL: &str = "arn:aws:dynamodb:ddblocal:";

/// What a value must do.
pub(super) enum Constraint<'a> {
    Pattern(&'a str),
    AtMost(Measure, f64),
    AtLeast(Measure, f64),
    OneOf(&'a [String]),
    NotNull,
}

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Measure {
    /// Characters, bytes of a blob, or entries.
    Length,
    /// The number itself.
    Value,
}

impl fmt::Display for Constraint<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => write!(formatter, "Member must satisfy regular expression pattern: {pattern}"),
            Self::AtMost(measure, max) => write!(formatter, "Member must have {measure} less than or equal to {max}"),
            Self::AtLeast(measure, min) => {
                write!(formatter, "Member must have {measure} greater than or equal to {min}")
            }
            Self::OneOf(values) => {
                write!(formatter, "Member must satisfy enum value set: [{}]", values.join(", "))
            }
            Self::NotNull => formatter.write_str("Member must not be null"),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Length => "length",
            Self::Value => "value",
        })
    }
}

/// The constraints that a value breaks, not looking inside it.
pub(super) fn broken<'a>(shape: &'a Shape, value: &'a Value) -> impl Iterator<Item = Constraint<'a>> {
    let measure = measure(shape);
    let size = match measure {
        Measure::Value => value.as_f64(),
        Measure::Length if shape.max.is_some() || shape.min.is_some() => length(shape, value),
        Measure::Length => None,
    };
    let text = value.as_str();
    let pattern = shape.pattern.as_deref().filter(|_| text.is_some_and(|text| !fits_pattern(shape, text)));
    let most = shape.max.filter(|max| size.is_some_and(|size| size > *max));
    let least = shape.min.filter(|min| size.is_some_and(|size| size < *min));
    let values =
        shape.values.as_deref().filter(|values| text.is_some_and(|text| !values.iter().any(|value| value == text)));
    [
        pattern.map(Constraint::Pattern),
        most.map(|max| Constraint::AtMost(measure, max)),
        least.map(|min| Constraint::AtLeast(measure, min)),
        values.map(Constraint::OneOf),
    ]
    .into_iter()
    .flatten()
}

/// Whether an element of a list or map breaks anything, at any depth.
pub(super) fn breaks(service: &Service, shape: &Shape, value: &Value) -> bool {
    if value.is_null() || broken(shape, value).next().is_some() {
        return true;
    }
    match (shape.member.as_deref().and_then(|name| service.shape(name)), value) {
        (Some(element), Value::Array(items)) => items.iter().any(|item| breaks(service, element, item)),
        _ => false,
    }
}

/// The words of every constraint of an element.
pub(super) fn all(service: &Service, shape: &Shape) -> String {
    let measure = measure(shape);
    let own = [
        shape.max.map(|max| Constraint::AtMost(measure, max)),
        shape.min.map(|min| Constraint::AtLeast(measure, min)),
        shape.pattern.as_deref().map(Constraint::Pattern),
        shape.values.as_deref().map(Constraint::OneOf),
    ];
    let mut words: Vec<String> = own.into_iter().flatten().map(|constraint| constraint.to_string()).collect();
    if let Some(element) = shape.member.as_deref().and_then(|name| service.shape(name)) {
        words.push(format!("Member must satisfy constraint: [{}]", all(service, element)));
    }
    words.push(Constraint::NotNull.to_string());
    words.join(", ")
}

fn measure(shape: &Shape) -> Measure {
    match shape.kind.as_str() {
        "integer" | "long" | "double" | "float" => Measure::Value,
        _ => Measure::Length,
    }
}

fn fits_pattern(shape: &Shape, text: &str) -> bool {
    let anywhere = text.strip_prefix(OF_DYNAMODB_LOCAL).map(|rest| format!("arn:aws:dynamodb:us-east-1:{rest}"));
    let text = anywhere.as_deref().unwrap_or(text);
    // A search that gives up on too much backtracking counts as no match.
    shape.regex().is_none_or(|regex| regex.is_match(text).unwrap_or(false))
}

#[expect(clippy::cast_precision_loss, reason = "lengths of requests are far below 2^52")]
fn length(shape: &Shape, value: &Value) -> Option<f64> {
    match value {
        Value::String(text) if shape.kind == "blob" => Some(blob_length(text) as f64),
        // As Java counts: a character outside the basic plane is two.
        Value::String(text) => Some(text.chars().map(char::len_utf16).sum::<usize>() as f64),
        Value::Array(items) => Some(items.len() as f64),
        Value::Object(entries) => Some(entries.len() as f64),
        _ => None,
    }
}

/// Bytes behind base64 text.
pub(super) fn blob_length(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}
