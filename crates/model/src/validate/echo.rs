//! A refused value as messages show it.

use serde_json::Value;

use super::constraint::blob_length;
use crate::data::Shape;
use crate::service::Service;

/// Longest value that a message repeats; longer ones are cut, so that answers stay small.
const BYTES_MAX: usize = 1_000;
const HIDDEN: &str = "***";

/// ` 'value'`, ` null`, or nothing for what the model calls sensitive. A blob shows its size alone, in the form
/// of AWS's own buffers.
pub(super) fn echo(service: &Service, shape: &Shape, value: &Value) -> String {
    if value.is_null() {
        return " null".to_owned();
    }
    if shape.sensitive {
        return String::new();
    }
    format!(" '{}'", cut(show(service, Some(shape), value)))
}

/// A text of bounded length.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > BYTES_MAX {
        text.truncate(text.floor_char_boundary(BYTES_MAX));
        text.push('…');
    }
    text
}

fn show(service: &Service, shape: Option<&Shape>, value: &Value) -> String {
    if shape.is_some_and(|shape| shape.sensitive) {
        return HIDDEN.to_owned();
    }
    let inner = |name: Option<&str>| name.and_then(|name| service.shape(name));
    match (value, shape) {
        (Value::String(text), Some(shape)) if shape.kind == "blob" => {
            let length = blob_length(text);
            format!("java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]")
        }
        (Value::String(text), _) => text.clone(),
        (Value::Array(items), _) => {
            let element = inner(shape.and_then(|shape| shape.member.as_deref()));
            format!("[{}]", join(items.iter().map(|item| show(service, element, item))))
        }
        (Value::Object(entries), Some(shape)) if shape.kind == "map" => {
            let (key, element) = (inner(shape.key.as_deref()), inner(shape.value.as_deref()));
            let entries = entries.iter().map(|(name, item)| {
                let name = if key.is_some_and(|key| key.sensitive) { HIDDEN } else { name };
                format!("{name}={}", show(service, element, item))
            });
            format!("{{{}}}", join(entries))
        }
        (Value::Object(entries), _) => {
            let entries = entries.iter().map(|(name, item)| {
                let member = shape.and_then(|shape| shape.members.iter().find(|member| member.name == *name));
                format!("{name}={}", show(service, inner(member.map(|member| member.shape.as_str())), item))
            });
            format!("{{{}}}", join(entries))
        }
        (other, _) => other.to_string(),
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
