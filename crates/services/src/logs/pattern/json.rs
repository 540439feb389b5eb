//! The JSON form: `{ $.level = "ERROR" && $.latency > 100 }`. A message that is not JSON never matches, and
//! a missing property fails every test but `NOT EXISTS`.

use serde_json::Value;

use super::PatternError;
use super::condition::{Condition, Operand, Reader, Test, matches_wildcards};

#[derive(Debug)]
pub(in crate::logs) struct Json {
    condition: Condition<Vec<Step>>,
}

/// One step of a selector such as `$.users[0].name`.
#[derive(Debug)]
pub(super) enum Step {
    Property(String),
    Index(usize),
    Each,
}

impl Json {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let inner = inner.ok_or_else(|| PatternError("a JSON pattern ends with }".into()))?;
        Ok(Self { condition: Reader::new(inner, selector).whole()? })
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let message = message.trim();
        if !message.starts_with(['{', '[']) {
            return false;
        }
        let Ok(value) = serde_json::from_str::<Value>(message) else { return false };
        self.condition.holds(&|steps, test| {
            let mut found = Vec::new();
            select(&value, steps, &mut found);
            match test {
                Test::NotExists => found.is_empty(),
                _ => found.iter().any(|value| holds(value, test)),
            }
        })
    }
}

fn holds(value: &Value, test: &Test) -> bool {
    match test {
        Test::Equal(operand) => equal(value, operand),
        Test::NotEqual(operand) => !equal(value, operand),
        Test::IsNull => value.is_null(),
        Test::IsTrue => *value == Value::Bool(true),
        Test::IsFalse => *value == Value::Bool(false),
        Test::Exists => true,
        Test::NotExists => false,
        _ => value.as_f64().is_some_and(|number| test.holds_for_number(number)),
    }
}

fn equal(value: &Value, operand: &Operand) -> bool {
    match (value, operand) {
        (Value::Number(number), Operand::Number(expected)) => number.as_f64() == Some(*expected),
        (Value::String(text), Operand::Number(expected)) => text.parse() == Ok(*expected),
        (Value::String(text), Operand::Text(pattern)) => matches_wildcards(pattern, text),
        (Value::Number(number), Operand::Text(pattern)) => matches_wildcards(pattern, &number.to_string()),
        (Value::Bool(flag), Operand::Text(pattern)) => matches_wildcards(pattern, if *flag { "true" } else { "false" }),
        _ => false,
    }
}

fn select<'a>(value: &'a Value, steps: &[Step], found: &mut Vec<&'a Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    let next = match step {
        Step::Property(name) => value.get(name),
        Step::Index(index) => value.get(index),
        Step::Each => {
            for each in value.as_array().into_iter().flatten() {
                select(each, rest, found);
            }
            None
        }
    };
    if let Some(next) = next {
        select(next, rest, found);
    }
}

fn selector(text: &str) -> Result<(Vec<Step>, &str), PatternError> {
    let wrong = || PatternError(format!("expected a selector such as $.name at {text}"));
    let mut rest = text.strip_prefix('$').ok_or_else(wrong)?;
    let mut steps = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('.') {
            let stops = |character: char| {
                !(character.is_alphanumeric() || matches!(character, '_' | '-' | '@' | '$' | ':' | '/'))
            };
            let (name, after) = after.split_at(after.find(stops).unwrap_or(after.len()));
            if name.is_empty() {
                return Err(wrong());
            }
            steps.push(Step::Property(name.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = bracket(after).ok_or_else(wrong)?;
            steps.push(inside);
            rest = after;
        } else if steps.is_empty() {
            return Err(wrong());
        } else {
            return Ok((steps, rest));
        }
    }
}

fn bracket(text: &str) -> Option<(Step, &str)> {
    for quote in ['\'', '"'] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let (name, rest) = quoted.split_once(quote)?;
            return Some((Step::Property(name.to_owned()), rest.strip_prefix(']')?));
        }
    }
    let (inside, rest) = text.split_once(']')?;
    let step = if inside == "*" { Step::Each } else { Step::Index(inside.parse().ok()?) };
    Some((step, rest))
}
