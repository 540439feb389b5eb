//! A message on its way in: what it may hold, and what is kept beside its body.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tindra_core::push;
use tindra_model::ApiError;

use super::error::{bad_value, invalid, missing, optional};

/// Attributes of a message (AWS).
const ATTRIBUTES_MAX: usize = 10;
/// Characters of the name of an attribute, and of its type (AWS).
const NAME_MAX: usize = 256;
/// Characters of the ids of groups and of deduplication (AWS).
const ID_MAX: usize = 128;
const TRACE_HEADER: &str = "AWSTraceHeader";

/// What is kept of a message beside its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// `SenderId`.
    pub(super) sender: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<Attribute>,
    /// `AWSTraceHeader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<String>,
    /// `MessageGroupId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    /// `MessageDeduplicationId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deduplication: Option<String>,
}

/// An attribute of a message; a binary value is in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attribute {
    #[serde(rename = "n")]
    pub(super) name: String,
    #[serde(rename = "t")]
    pub(super) data_type: String,
    #[serde(rename = "v")]
    pub(super) value: String,
}

impl Attribute {
    pub(super) fn is_binary(&self) -> bool {
        self.data_type.split('.').next() == Some("Binary")
    }

    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        match self.is_binary() {
            true => Cow::Owned(STANDARD.decode(&self.value).unwrap_or_default()),
            false => Cow::Borrowed(self.value.as_bytes()),
        }
    }

    /// As `ReceiveMessage` shows it.
    pub(super) fn shown(&self) -> Value {
        let member = if self.is_binary() { "BinaryValue" } else { "StringValue" };
        json!({ member: self.value, "DataType": self.data_type })
    }

    fn read(name: &str, value: &Value) -> Result<Self, ApiError> {
        let data_type = optional(value, "DataType").unwrap_or_default();
        let is_binary = data_type.split('.').next() == Some("Binary");
        let given = if is_binary { optional(value, "BinaryValue") } else { optional(value, "StringValue") };
        let attribute = Self {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            value: given.unwrap_or_default().to_owned(),
        };
        attribute.check().map(|()| attribute)
    }

    fn check(&self) -> Result<(), ApiError> {
        let Self { name, data_type, value } = self;
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let is_dotted = name.starts_with('.') || name.ends_with('.') || name.contains("..");
        let lower = name.to_ascii_lowercase();
        if name.is_empty() || name.len() > NAME_MAX || !is_plain || is_dotted {
            return Err(invalid(format!(
                "Message (user) attribute name '{name}' is invalid: it has 1 to 256 letters, digits, hyphens, underscores and single periods."
            )));
        }
        if lower.starts_with("aws.") || lower.starts_with("amazon.") {
            return Err(invalid(format!(
                "Message (user) attribute names can't start with a reserved prefix: '{name}'."
            )));
        }
        let kind = data_type.split('.').next().unwrap_or_default();
        if data_type.is_empty() {
            return Err(invalid(format!(
                "The message attribute '{name}' must contain a non-empty message attribute type."
            )));
        }
        if !["String", "Number", "Binary"].contains(&kind) || data_type.len() > NAME_MAX {
            return Err(invalid(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
            )));
        }
        if value.is_empty() {
            return Err(invalid(format!(
                "The message attribute '{name}' must contain a non-empty message attribute value for message attribute type '{kind}'."
            )));
        }
        if kind == "Number" && value.parse::<f64>().ok().is_none_or(|number| !number.is_finite()) {
            return Err(invalid(format!("Can't cast the value of message (user) attribute '{name}' to a number.")));
        }
        if kind != "Binary" && !value.chars().all(may_be_sent) {
            return Err(strange_characters());
        }
        Ok(())
    }

    fn bytes_counted(&self) -> usize {
        self.name.len() + self.data_type.len() + self.bytes().len()
    }
}

/// A message that may be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) body: String,
    pub(super) head: Head,
    /// `DelaySeconds` of its own.
    pub(super) delay_s: Option<u64>,
}

impl Message {
    /// Reads the members of `SendMessage`, or of an entry of a batch.
    pub(super) fn read(input: &Value, sender: &str) -> Result<Self, ApiError> {
        let body = optional(input, "MessageBody").ok_or_else(|| missing("MessageBody"))?;
        if !body.chars().all(may_be_sent) {
            return Err(strange_characters());
        }
        let given = members(input, "MessageAttributes");
        if given.len() > ATTRIBUTES_MAX {
            return Err(invalid(format!(
                "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].",
                given.len()
            )));
        }
        let attributes = given.iter().map(|(name, value)| Attribute::read(name, value));
        let attributes: Vec<Attribute> = attributes.collect::<Result<_, _>>()?;
        let head = Head {
            sender: sender.to_owned(),
            attributes,
            trace: trace(input)?,
            group: id(input, "MessageGroupId")?,
            deduplication: id(input, "MessageDeduplicationId")?,
        };
        let delay_s = super::error::number(input, "DelaySeconds", 0..=900, "DelaySeconds must be >= 0 and <= 900.")?;
        Ok(Self { body: body.to_owned(), head, delay_s })
    }

    /// What a source pushes.
    pub(super) fn pushed(message: &push::QueueMessage, body: String, sender: String, trace: Option<String>) -> Self {
        let one = |attribute: &push::Attribute| Attribute {
            name: attribute.name.clone(),
            data_type: attribute.data_type.clone(),
            value: attribute.value.clone(),
        };
        let head = Head {
            sender,
            attributes: message.attributes.iter().map(one).collect(),
            trace,
            group: message.group_id.clone(),
            deduplication: message.deduplication_id.clone(),
        };
        Self { body, head, delay_s: None }
    }

    /// Bytes that count against the size of messages: body and attributes.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + self.head.attributes.iter().map(Attribute::bytes_counted).sum::<usize>()
    }

    /// The digest of what the system was told beside the message.
    pub(super) fn system_digest(&self) -> Option<String> {
        let trace = self.head.trace.as_ref().map(|trace| Attribute {
            name: TRACE_HEADER.to_owned(),
            data_type: "String".to_owned(),
            value: trace.clone(),
        });
        super::digest::of_attributes(trace.iter())
    }
}

fn members<'a>(input: &'a Value, member: &str) -> Vec<(&'a String, &'a Value)> {
    input.get(member).and_then(Value::as_object).into_iter().flat_map(Map::iter).collect()
}

fn trace(input: &Value) -> Result<Option<String>, ApiError> {
    let given = members(input, "MessageSystemAttributes");
    if let Some((name, _)) = given.iter().find(|(name, _)| *name != TRACE_HEADER) {
        return Err(invalid(format!("Message system attribute name '{name}' is invalid.")));
    }
    let Some((_, value)) = given.first() else { return Ok(None) };
    let text = optional(value, "StringValue").filter(|_| optional(value, "DataType") == Some("String"));
    text.map(|text| Some(text.to_owned()))
        .ok_or_else(|| invalid("The message system attribute 'AWSTraceHeader' must be a non-empty String."))
}

/// The id of a group, or of deduplication.
fn id(input: &Value, member: &str) -> Result<Option<String>, ApiError> {
    let Some(id) = input.get(member).and_then(Value::as_str) else { return Ok(None) };
    let is_id = (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let reason = format!("{member} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    is_id.then(|| Some(id.to_owned())).ok_or_else(|| bad_value(member, id, &reason))
}

/// What XML can carry.
fn may_be_sent(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn strange_characters() -> ApiError {
    ApiError::new(
        "InvalidMessageContents",
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.",
    )
}
