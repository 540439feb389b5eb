//! The language of event patterns: rules of EventBridge, filters of event source mappings and of topics.
//!
//! A pattern is an object with the form of the events it lets pass: a name leads to a further object or to a list of values
//! and comparisons, of which one must fit. Rules: AWS, "Comparison operators for use in event patterns in Amazon EventBridge";
//! what that page leaves open is as in AWS's published matcher: fields of one object inside a list belong together, an empty
//! list is like a missing field, numbers are compared by value.

mod comparison;
mod parse;
#[cfg(test)]
mod tests;
mod wildcard;

use serde_json::Value;

use comparison::Comparison;
pub use parse::PatternError;

/// A pattern, ready to be matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(Fields);

/// All of them must fit.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fields {
    fields: Vec<(String, Rule)>,
    /// Of each list (`$or`), one must fit, too.
    alternatives: Vec<Vec<Fields>>,
}

/// What must hold of a field.
#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// It is an object, or a list with one, that fits.
    Object(Fields),
    /// It is a value, or a list with one, that fits one of these.
    Values(Vec<Comparison>),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        parse::pattern(text).map(Self)
    }

    /// A pattern that is JSON already.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn from_json(pattern: &Value) -> Result<Self, PatternError> {
        parse::from_json(pattern).map(Self)
    }

    /// Whether an event passes.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        fits(&self.0, Some(event), &Path { root: event, above: None })
    }

    /// The texts of which the field at the top must have one, where the pattern wants nothing but texts of it: what a table of
    /// many patterns can be ordered by.
    #[must_use]
    pub fn texts_of(&self, field: &str) -> Option<Vec<&str>> {
        let (_, rule) = self.0.fields.iter().find(|(name, _)| name == field)?;
        let Rule::Values(comparisons) = rule else { return None };
        comparisons.iter().map(Comparison::text).collect()
    }
}

/// Where in an event a rule is looked at.
struct Path<'a> {
    root: &'a Value,
    above: Option<(&'a Path<'a>, &'a str)>,
}

impl Path<'_> {
    /// Whether there is a value at a field of this place anywhere in the event: objects in lists count all together.
    fn has(&self, field: &str) -> bool {
        let mut names = vec![field];
        let mut place = self;
        while let Some((above, name)) = place.above {
            names.push(name);
            place = above;
        }
        names.reverse();
        has_value(self.root, &names)
    }
}

fn has_value(value: &Value, names: &[&str]) -> bool {
    match (value, names.split_first()) {
        (Value::Array(elements), _) => elements.iter().any(|element| has_value(element, names)),
        (Value::Object(fields), Some((name, rest))) => fields.get(*name).is_some_and(|value| has_value(value, rest)),
        (Value::Object(_), None) | (_, Some(_)) => false,
        (_, None) => true,
    }
}

/// Whether what is at a place fits; of a list, one of its elements.
fn fits(rules: &Fields, value: Option<&Value>, path: &Path<'_>) -> bool {
    if let Some(Value::Array(elements)) = value
        && !elements.is_empty()
    {
        return elements.iter().any(|element| fits(rules, Some(element), path));
    }
    let object = value.and_then(Value::as_object);
    let fields = rules.fields.iter().all(|(name, rule)| {
        let value = object.and_then(|object| object.get(name));
        match rule {
            Rule::Object(inner) => fits(inner, value, &Path { root: path.root, above: Some((path, name)) }),
            Rule::Values(comparisons) => comparisons.iter().any(|comparison| match comparison {
                Comparison::Exists(false) => !path.has(name),
                _ => value.is_some_and(|value| comparison.fits_any(value)),
            }),
        }
    });
    fields && rules.alternatives.iter().all(|or| or.iter().any(|rules| fits(rules, value, path)))
}
