//! A message as it is published, checked as AWS checks it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use tindra_core::push::{Attribute, TopicMessage};
use tindra_model::ApiError;

use super::error::{invalid, invalid_value};
use super::records::Protocol;

/// Of a message with its attributes, and of a batch (AWS).
pub(super) const BYTES_MAX: usize = 256 << 10;
const SUBJECT_CHARACTERS_MAX: usize = 100;
/// `MessageGroupId` and `MessageDeduplicationId` (AWS).
const ID_CHARACTERS_MAX: usize = 128;

/// What a request says of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Given {
    #[serde(default)]
    message: String,
    subject: Option<String>,
    message_structure: Option<String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, GivenAttribute>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GivenAttribute {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message {
    pub(super) subject: Option<String>,
    /// What subscribers get for which there is nothing of their own.
    pub(super) body: String,
    /// Bodies by protocol.
    pub(super) bodies: Map<String, Value>,
    /// By name.
    pub(super) attributes: Vec<(String, MessageAttribute)>,
    pub(super) group_id: Option<String>,
    pub(super) deduplication_id: Option<String>,
    /// `X-Amzn-Trace-Id`, where whoever publishes has one.
    pub(super) trace_id: Option<String>,
    /// Of message, bodies of protocols and attributes together.
    pub(super) bytes: usize,
}

/// An attribute of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MessageAttribute {
    pub(super) data_type: String,
    /// Of a binary one in base64.
    pub(super) value: String,
}

impl MessageAttribute {
    /// `String`, `Number` or `Binary`.
    pub(super) fn kind(&self) -> &str {
        self.data_type.split('.').next().unwrap_or_default()
    }

    pub(super) fn is_array(&self) -> bool {
        self.data_type == "String.Array"
    }
}

impl Message {
    /// The body for a protocol.
    pub(super) fn body_for(&self, protocol: Protocol) -> &str {
        self.bodies.get(protocol.text()).and_then(Value::as_str).unwrap_or(&self.body)
    }

    pub(super) fn read(given: Given, trace_id: Option<&str>) -> Result<Self, ApiError> {
        if given.message.is_empty() {
            return Err(invalid("Empty message"));
        }
        if let Some(subject) = &given.subject {
            check_subject(subject)?;
        }
        let attributes = given.message_attributes.into_iter().map(|(name, given)| attribute(name, given));
        let attributes: Vec<_> = attributes.collect::<Result<_, _>>()?;
        let of_attributes = attributes.iter().map(|(name, one)| name.len() + one.data_type.len() + one.value.len());
        let bytes = given.message.len() + of_attributes.sum::<usize>();
        if bytes > BYTES_MAX {
            return Err(invalid("Message too long"));
        }
        let (body, bodies) = bodies(given.message, given.message_structure.as_deref())?;
        for (id, member) in
            [(&given.message_group_id, "MessageGroupId"), (&given.message_deduplication_id, "MessageDeduplicationId")]
        {
            check_id(id.as_deref(), member)?;
        }
        Ok(Self {
            subject: given.subject,
            body,
            bodies,
            attributes,
            group_id: given.message_group_id,
            deduplication_id: given.message_deduplication_id,
            trace_id: trace_id.map(str::to_owned),
            bytes,
        })
    }

    /// One that a service has pushed.
    pub(super) fn pushed(topic: &TopicMessage, body: &[u8], trace_id: Option<&str>) -> Self {
        let one = |Attribute { name, data_type, value }: &Attribute| {
            (name.clone(), MessageAttribute { data_type: data_type.clone(), value: value.clone() })
        };
        Self {
            subject: topic.subject.clone(),
            body: String::from_utf8_lossy(body).into_owned(),
            bodies: Map::new(),
            attributes: topic.message.attributes.iter().map(one).collect(),
            group_id: topic.message.group_id.clone(),
            deduplication_id: topic.message.deduplication_id.clone(),
            trace_id: trace_id.map(str::to_owned),
            bytes: body.len(),
        }
    }
}

/// The body for everybody, and with `json` those of the protocols.
fn bodies(message: String, structure: Option<&str>) -> Result<(String, Map<String, Value>), ApiError> {
    match structure.filter(|structure| !structure.is_empty()) {
        None => Ok((message, Map::new())),
        Some("json") => {
            let parsed = serde_json::from_str(&message);
            let bodies: Map<String, Value> =
                parsed.map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
            let default = bodies.get("default").and_then(Value::as_str).map(str::to_owned);
            let default =
                default.ok_or_else(|| invalid("Message Structure - No default entry in JSON message body"))?;
            Ok((default, bodies))
        }
        Some(_) => Err(invalid("MessageStructure")),
    }
}

fn check_subject(subject: &str) -> Result<(), ApiError> {
    let is_fine = !subject.is_empty()
        && subject.chars().count() <= SUBJECT_CHARACTERS_MAX
        && !subject.chars().any(char::is_control)
        && !subject.starts_with(' ');
    if is_fine { Ok(()) } else { Err(invalid("Subject")) }
}

fn check_id(id: Option<&str>, member: &str) -> Result<(), ApiError> {
    let Some(id) = id else { return Ok(()) };
    let is_fine = (1..=ID_CHARACTERS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let reason = "can only include alphanumeric and punctuation characters. 1 to 128 in length";
    if is_fine { Ok(()) } else { Err(invalid(format_args!("{member} Reason: {member} {reason}"))) }
}

fn attribute(name: String, given: GivenAttribute) -> Result<(String, MessageAttribute), ApiError> {
    let GivenAttribute { data_type, string_value, binary_value } = given;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if name.is_empty() || name.len() > 256 || !is_name || name.starts_with('.') || name.ends_with('.') {
        return Err(invalid_value(format!("The message attribute name '{name}' is invalid.")));
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    let value = match kind {
        "String" | "Number" => string_value,
        "Binary" => binary_value.filter(|value| STANDARD.decode(value).is_ok()),
        _ => {
            return Err(invalid_value(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
            )));
        }
    };
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Err(invalid_value(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{kind}'."
        )));
    };
    if kind == "Number" && value.trim().parse::<f64>().map_or(true, |number| !number.is_finite()) {
        return Err(invalid_value(format!("Could not cast message attribute '{name}' value to number.")));
    }
    if data_type == "String.Array" && !serde_json::from_str::<Value>(&value).is_ok_and(|value| is_plain_list(&value)) {
        return Err(invalid_value(format!(
            "The message attribute '{name}' of the type String.Array must be a list of texts, numbers, true, false and null."
        )));
    }
    Ok((name, MessageAttribute { data_type, value }))
}

fn is_plain_list(value: &Value) -> bool {
    value.as_array().is_some_and(|values| !values.iter().any(|value| value.is_array() || value.is_object()))
}
