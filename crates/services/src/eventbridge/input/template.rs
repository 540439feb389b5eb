//! Input transformers: a text with `<variables>`.
//!
//! A template is JSON once its variables stand for something: an object, a text in quotes, or several of them. Where a variable
//! is a value of its own, its value is written as JSON, so that a text gets quotes. Inside a text in quotes a text is put as it
//! is in the event, and of an object or a list the quotes are removed, so that the text stays one. A variable whose path leads
//! nowhere is an empty text. (AWS, "Amazon EventBridge input transformation", "Common issues".)

use std::collections::BTreeMap;

use serde_json::Value;

use super::Path;
use crate::instant;

/// The variables that need no path.
const RULE_ARN: &str = "aws.events.rule-arn";
const RULE_NAME: &str = "aws.events.rule-name";
const INGESTION_TIME: &str = "aws.events.event.ingestion-time";
const EVENT: &str = "aws.events.event";
const EVENT_JSON: &str = "aws.events.event.json";
const RESERVED: [&str; 5] = [RULE_ARN, RULE_NAME, INGESTION_TIME, EVENT, EVENT_JSON];

/// What the reserved variables stand for, beside the event.
#[derive(Clone, Copy, Debug)]
pub(in crate::eventbridge) struct Facts<'a> {
    pub(in crate::eventbridge) rule_arn: &'a str,
    pub(in crate::eventbridge) rule_name: &'a str,
    pub(in crate::eventbridge) ingestion_ms: u64,
}

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Variable { name: &'a str, is_quoted: bool },
}

/// The text with variables.
#[derive(Debug)]
pub(in crate::eventbridge) struct Template;

impl Template {
    /// Whether a template becomes JSON, and knows its variables.
    pub(in crate::eventbridge) fn check(text: &str, paths: &BTreeMap<String, String>) -> Result<(), String> {
        let mut filled = String::with_capacity(text.len());
        for part in parts(text) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Variable { name, .. } if !paths.contains_key(name) && !RESERVED.contains(&name) => {
                    return Err(format!("the variable <{name}> is not in InputPathsMap"));
                }
                Part::Variable { name, is_quoted: true } if name == EVENT || name == EVENT_JSON => {
                    return Err(format!("<{name}> can only be the value of a JSON field, not a part of a text"));
                }
                Part::Variable { is_quoted, .. } => filled.push(if is_quoted { 'x' } else { '0' }),
            }
        }
        let values = serde_json::Deserializer::from_str(&filled).into_iter::<serde::de::IgnoredAny>();
        let mut count = 0_usize;
        for value in values {
            value.map_err(|error| format!("it is no JSON once its variables are filled in: {error}"))?;
            count += 1;
        }
        if count == 0 { Err("it is empty".to_owned()) } else { Ok(()) }
    }

    /// The text for an event.
    pub(in crate::eventbridge) fn fill(
        text: &str,
        paths: &BTreeMap<String, String>,
        event: &Value,
        facts: &Facts<'_>,
    ) -> String {
        let mut filled = String::with_capacity(text.len());
        for part in parts(text) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Variable { name, is_quoted } => {
                    let value = value(name, paths, event, facts).unwrap_or_else(|| String::new().into());
                    filled.push_str(&if is_quoted { in_quotes(&value) } else { value.to_string() });
                }
            }
        }
        filled
    }
}

fn value(name: &str, paths: &BTreeMap<String, String>, event: &Value, facts: &Facts<'_>) -> Option<Value> {
    match name {
        RULE_ARN => Some(facts.rule_arn.into()),
        RULE_NAME => Some(facts.rule_name.into()),
        INGESTION_TIME => Some(instant::to_text(facts.ingestion_ms).into()),
        EVENT_JSON => Some(event.clone()),
        EVENT => {
            let mut event = event.clone();
            event.as_object_mut()?.shift_remove("detail");
            Some(event)
        }
        _ => Path::parse(paths.get(name)?)?.find(event),
    }
}

/// What a value is inside a text in quotes.
fn in_quotes(value: &Value) -> String {
    let text = value.to_string();
    match value {
        // Without its own quotes; what is escaped stays so.
        Value::String(_) => text[1..text.len() - 1].to_owned(),
        Value::Object(_) | Value::Array(_) => {
            let mut plain = String::with_capacity(text.len());
            let mut letters = text.chars();
            while let Some(letter) = letters.next() {
                match letter {
                    '"' => {}
                    // An escaped quote goes, too; other escapes stay whole.
                    '\\' => match letters.next() {
                        Some('"') | None => {}
                        Some(escaped) => plain.extend(['\\', escaped]),
                    },
                    _ => plain.push(letter),
                }
            }
            plain
        }
        _ => text,
    }
}

/// A template's texts and variables, in order. What is between `<` and `>` and is no name stays text.
fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut from, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '<' => {
                if let Some(name) = variable(&text[at + 1..]) {
                    parts.push(Part::Text(&text[from..at]));
                    parts.push(Part::Variable { name, is_quoted });
                    at += name.len() + 2;
                    from = at;
                    continue;
                }
            }
            _ => {}
        }
        at += letter.len_utf8();
    }
    parts.push(Part::Text(&text[from..]));
    parts
}

/// The name that a `<` is followed by.
fn variable(text: &str) -> Option<&str> {
    let (name, _) = text.split_once('>')?;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}
