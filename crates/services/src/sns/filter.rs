//! Which messages a subscription wants.
//!
//! The language is that of event patterns. A policy over a message's attributes is matched with an object that has them as
//! members: an attribute of the type `Number` is a number, one of the type `String.Array` a list, and binary ones cannot be
//! asked for. A policy over the body is matched with the body, which must be a JSON object.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tindra_core::event_pattern::Pattern;

use super::message::{Message, MessageAttribute};

/// Names that a policy may have (AWS: "5 filter policy keys").
const NAMES_MAX: usize = 5;
/// Values of the names, multiplied (AWS).
const COMBINATIONS_MAX: u64 = 150;
/// Bytes of a policy (AWS).
const BYTES_MAX: usize = 150 << 10;

/// What a policy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Attributes,
    Body,
}

/// A subscription's filter policy.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    about: About,
    pattern: Pattern,
}

impl Filter {
    /// The filter that a subscription's attributes set; none for one that takes every message.
    pub(super) fn of(attributes: &BTreeMap<String, String>) -> Result<Option<Self>, String> {
        let about = match attributes.get("FilterPolicyScope").map(String::as_str) {
            None | Some("MessageAttributes") => About::Attributes,
            Some("MessageBody") => About::Body,
            Some(_) => {
                return Err(
                    "FilterPolicyScope: Invalid value. Please use either MessageBody or MessageAttributes".to_owned()
                );
            }
        };
        let text = attributes.get("FilterPolicy").map(|text| text.trim()).filter(|text| !text.is_empty());
        let Some(text) = text else { return Ok(None) };
        Self::parse(text, about).map_err(|problem| format!("FilterPolicy: {problem}"))
    }

    fn parse(text: &str, about: About) -> Result<Option<Self>, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("Filter policy is longer than {BYTES_MAX} bytes"));
        }
        let policy: Value = serde_json::from_str(text).map_err(|_| "failed to parse JSON.".to_owned())?;
        let Value::Object(fields) = &policy else { return Err("Filter policy must be an object".to_owned()) };
        if fields.is_empty() {
            return Ok(None);
        }
        let mut size = Size { names: 0, combinations: 1 };
        size.count(fields, about, 1)?;
        if size.names > NAMES_MAX {
            return Err(format!("Filter policy can not have more than {NAMES_MAX} keys"));
        }
        if size.combinations > COMBINATIONS_MAX {
            return Err("Filter policy is too complex".to_owned());
        }
        let pattern = Pattern::from_json(&policy).map_err(|error| error.to_string())?;
        Ok(Some(Self { about, pattern }))
    }

    /// Whether the subscription gets a message.
    pub(super) fn lets_pass(&self, message: &Message) -> bool {
        match self.about {
            About::Attributes => self.pattern.matches(&of_attributes(&message.attributes)),
            About::Body => {
                let body = serde_json::from_str::<Value>(&message.body).ok();
                body.filter(Value::is_object).is_some_and(|body| self.pattern.matches(&body))
            }
        }
    }
}

/// How large a policy is, in the way in which AWS counts: for each name its values, times its depth.
struct Size {
    names: usize,
    combinations: u64,
}

impl Size {
    fn count(&mut self, fields: &Map<String, Value>, about: About, depth: u64) -> Result<(), String> {
        for (name, rule) in fields {
            match rule {
                Value::Array(alternatives) if name == "$or" => {
                    for fields in alternatives.iter().filter_map(Value::as_object) {
                        self.count(fields, about, depth)?;
                    }
                }
                Value::Array(values) => {
                    self.names += 1;
                    let count = u64::try_from(values.len()).unwrap_or(u64::MAX);
                    self.combinations = self.combinations.saturating_mul(count.max(1).saturating_mul(depth));
                }
                Value::Object(_) if about == About::Attributes => {
                    return Err(
                        "Filter policy scope MessageAttributes does not support nested filter policy".to_owned()
                    );
                }
                Value::Object(inner) => self.count(inner, about, depth + 1)?,
                _ => return Err(format!("\"{name}\" must be an object or an array")),
            }
        }
        Ok(())
    }
}

/// Attributes as the members of an object.
fn of_attributes(attributes: &[(String, MessageAttribute)]) -> Value {
    let members = attributes.iter().filter_map(|(name, attribute)| {
        let value = match attribute.kind() {
            "Number" => serde_json::from_str(attribute.value.trim()).ok().filter(Value::is_number)?,
            "String" if attribute.is_array() => serde_json::from_str(&attribute.value).ok().filter(Value::is_array)?,
            "String" => Value::from(attribute.value.as_str()),
            _ => return None,
        };
        Some((name.clone(), value))
    });
    Value::Object(members.collect())
}

#[cfg(test)]
mod tests;
