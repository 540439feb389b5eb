//! Constraints, and AWS's words for breaking them.
//!
//! Every violation of a request goes into one message. AWS gives no order of members that could be relied on
//! (recorded answers show them shuffled); ours is the model's, a member's own violations before those inside it.
//! Within one member the order is that of recorded answers: pattern, length or value, enum. Inside the brackets
//! for elements of lists and maps it is length, pattern, enum, null, which is recorded too.

mod constraint;
mod echo;
mod runtime;

pub use runtime::is_retired_runtime;

use serde_json::Value;

use self::constraint::Constraint;
use self::echo::echo;
use crate::data::Shape;
use crate::error::ApiError;
use crate::service::Service;

/// A place in a request, as messages name it.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    /// Counted from one.
    Item(usize),
    Entry(&'a str),
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(parent) = self.parent {
            write!(formatter, "{parent}.")?;
        }
        match self.step {
            // `KMSKeyArn` is `kMSKeyArn`: only the first letter changes.
            Step::Member(name) => {
                let mut letters = name.chars();
                letters.next().map_or(Ok(()), |first| write!(formatter, "{}", first.to_ascii_lowercase()))?;
                formatter.write_str(letters.as_str())
            }
            Step::Item(index) => write!(formatter, "{index}.member"),
            Step::Entry(key) => write!(formatter, "{key}.member"),
        }
    }
}

impl Service {
    /// Checks the members of an operation's input.
    pub(crate) fn validate(&self, shape: &Shape, input: &Value) -> Result<(), ApiError> {
        let mut check = Check { service: self, found: Vec::new() };
        check.structure(shape, input, None);
        match check.found.as_slice() {
            [] => runtime::check(self, shape, input),
            [one] => Err(refusal(name_of_iam(one).unwrap_or_else(|| format!("1 validation error detected: {one}")))),
            all => Err(refusal(format!("{} validation errors detected: {}", all.len(), all.join("; ")))),
        }
    }
}

fn refusal(message: String) -> ApiError {
    ApiError::new("ValidationException", message)
}

/// IAM's own words for a name with a character that none may have (recorded answers).
fn name_of_iam(violation: &str) -> Option<String> {
    let place = violation
        .strip_suffix("failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+")?;
    let (_, member) = place.trim_end().strip_suffix('\'')?.rsplit_once(" at '")?;
    Some(format!(
        "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
    ))
}

/// A walk over a request, with the violations found so far.
struct Check<'s> {
    service: &'s Service,
    found: Vec<String>,
}

impl<'s> Check<'s> {
    fn structure(&mut self, shape: &Shape, value: &Value, parent: Option<&Path<'_>>) {
        for member in &shape.members {
            // The event of an invoke travels beside the members.
            let is_beside = shape.payload.as_deref() == Some(member.name.as_str());
            let path = Path { parent, step: Step::Member(&member.name) };
            let is_required = shape.required.contains(&member.name) && !is_beside;
            match (value.get(&member.name), self.service.shape(&member.shape)) {
                (None, Some(target)) if is_required => {
                    self.violation(target, &Value::Null, path, &Constraint::NotNull);
                }
                (Some(value), Some(target)) if !runtime::is_runtime(member) => self.value(target, value, path),
                _ => {}
            }
        }
    }

    fn value(&mut self, shape: &Shape, value: &Value, path: Path<'_>) {
        if value.is_null() {
            return self.violation(shape, value, path, &Constraint::NotNull);
        }
        for broken in constraint::broken(shape, value) {
            self.violation(shape, value, path, &broken);
        }
        match (shape.kind.as_str(), value) {
            ("structure", _) => self.structure(shape, value, Some(&path)),
            ("list", Value::Array(items)) => self.items(shape, value, items, path),
            ("map", Value::Object(entries)) => self.entries(shape, value, entries, path),
            _ => {}
        }
    }

    /// Structures in a list are walked one by one; plain values share one message.
    fn items(&mut self, shape: &Shape, value: &Value, items: &[Value], path: Path<'_>) {
        let Some(element) = self.element(shape.member.as_deref()) else { return };
        if element.kind == "structure" {
            for (index, item) in items.iter().enumerate() {
                self.value(element, item, Path { parent: Some(&path), step: Step::Item(index + 1) });
            }
        } else if items.iter().any(|item| constraint::breaks(self.service, element, item)) {
            let words = constraint::all(self.service, element);
            self.violation(shape, value, path, &format_args!("Member must satisfy constraint: [{words}]"));
        }
    }

    fn entries(&mut self, shape: &Shape, value: &Value, entries: &serde_json::Map<String, Value>, path: Path<'_>) {
        if let Some(key) = self.element(shape.key.as_deref())
            && entries.keys().any(|name| constraint::breaks(self.service, key, &Value::from(name.as_str())))
        {
            let words = constraint::all(self.service, key);
            self.violation(shape, value, path, &format_args!("Map keys must satisfy constraint: [{words}]"));
        }
        let Some(element) = self.element(shape.value.as_deref()) else { return };
        if element.kind == "structure" {
            for (key, item) in entries {
                self.value(element, item, Path { parent: Some(&path), step: Step::Entry(key) });
            }
        } else if entries.values().any(|item| constraint::breaks(self.service, element, item)) {
            let words = constraint::all(self.service, element);
            self.violation(shape, value, path, &format_args!("Map value must satisfy constraint: [{words}]"));
        }
    }

    fn element(&self, name: Option<&str>) -> Option<&'s Shape> {
        self.service.shape(name?)
    }

    fn violation(&mut self, shape: &Shape, value: &Value, path: Path<'_>, constraint: &dyn std::fmt::Display) {
        let value = echo(self.service, shape, value);
        self.found.push(format!("Value{value} at '{path}' failed to satisfy constraint: {constraint}"));
    }
}

#[cfg(test)]
mod tests;
