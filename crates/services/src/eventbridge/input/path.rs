//! The paths that EventBridge knows: dots, names, indices and `*` (AWS, "Amazon EventBridge input transformation").

use serde_json::Value;

/// Steps of a path, at most.
const STEPS_MAX: usize = 64;

/// Where in an event something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::eventbridge) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    /// Every item of a list, or every value of an object.
    All,
}

impl Path {
    pub(in crate::eventbridge) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = Self::step(rest)?;
            steps.push(step);
            rest = after;
            if steps.len() > STEPS_MAX {
                return None;
            }
        }
        Some(Self(steps))
    }

    /// One step and what follows it.
    fn step(text: &str) -> Option<(Step, &str)> {
        if let Some(rest) = text.strip_prefix('.') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            return match name {
                "" => None,
                "*" => Some((Step::All, rest)),
                _ if name.chars().all(is_of_name) => Some((Step::Name(name.to_owned()), rest)),
                _ => None,
            };
        }
        let rest = text.strip_prefix('[')?;
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (name, rest) = quoted.split_once("']")?;
            return Some((Step::Name(name.to_owned()), rest));
        }
        let (index, rest) = rest.split_once(']')?;
        match index {
            "*" => Some((Step::All, rest)),
            _ => Some((Step::Index(index.parse().ok()?), rest)),
        }
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// What is there; none where nothing is. With a `*` it is the list of all that is found.
    pub(in crate::eventbridge) fn find(&self, event: &Value) -> Option<Value> {
        let mut found = vec![event];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.from(value)).collect();
        }
        match self.0.contains(&Step::All) {
            true => Some(Value::Array(found.into_iter().cloned().collect())),
            false => found.first().map(|value| (*value).clone()),
        }
    }
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Name(name), Value::Object(members)) => members.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(items)) => items.get(*index).into_iter().collect(),
            (Self::All, Value::Array(items)) => items.iter().collect(),
            (Self::All, Value::Object(members)) => members.values().collect(),
            _ => Vec::new(),
        }
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_' | '/' | '@' | '#' | ':' | '$')
}
