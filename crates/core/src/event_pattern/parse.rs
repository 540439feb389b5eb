//! Reading patterns, with the reasons that AWS gives for those it does not take.

use serde_json::{Map, Value};

use super::comparison::{Comparison, Network, Range, Text};
use super::wildcard::Wildcard;
use super::{Fields, Rule};

/// The largest number that a comparison may name (AWS).
const NUMBER_MAX: f64 = 5e9;
/// Combinations that the alternatives of a pattern may have (AWS).
const COMBINATIONS_MAX: usize = 1_000;

/// Why something is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    reason: String,
}

impl PatternError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

pub(super) fn pattern(text: &str) -> Result<Fields, PatternError> {
    let pattern: Value = serde_json::from_str(text).map_err(|error| PatternError::new(error.to_string()))?;
    from_json(&pattern)
}

pub(super) fn from_json(pattern: &Value) -> Result<Fields, PatternError> {
    let object = pattern.as_object().ok_or_else(|| PatternError::new("Filter is not an object"))?;
    let fields = fields(object)?;
    if fields.combinations() > COMBINATIONS_MAX {
        return Err(PatternError::new(format!(
            "The alternatives of $or have more than {COMBINATIONS_MAX} combinations"
        )));
    }
    Ok(fields)
}

impl Fields {
    /// How many patterns without alternatives it stands for.
    fn combinations(&self) -> usize {
        let inner = self.fields.iter().map(|(_, rule)| match rule {
            Rule::Object(fields) => fields.combinations(),
            Rule::Values(_) => 1,
        });
        let or = self.alternatives.iter().map(|or| or.iter().map(Self::combinations).fold(0, usize::saturating_add));
        inner.chain(or).fold(1, usize::saturating_mul)
    }
}

fn fields(object: &Map<String, Value>) -> Result<Fields, PatternError> {
    if object.is_empty() {
        return Err(PatternError::new("Empty objects are not allowed"));
    }
    let mut read = Fields::default();
    for (name, value) in object {
        match value {
            Value::Array(alternatives) if name == "$or" => read.alternatives.push(or(alternatives)?),
            Value::Object(inner) => read.fields.push((name.clone(), Rule::Object(fields(inner)?))),
            Value::Array(values) if values.is_empty() => {
                return Err(PatternError::new("Empty arrays are not allowed"));
            }
            Value::Array(values) => {
                let comparisons = values.iter().map(comparison).collect::<Result<_, _>>()?;
                read.fields.push((name.clone(), Rule::Values(comparisons)));
            }
            _ => return Err(PatternError::new(format!("\"{name}\" must be an object or an array"))),
        }
    }
    Ok(read)
}

fn or(alternatives: &[Value]) -> Result<Vec<Fields>, PatternError> {
    if alternatives.len() < 2 {
        return Err(PatternError::new("There must have at least 2 Objects in $or relationship."));
    }
    let one = |alternative: &Value| match alternative {
        Value::Object(object) => fields(object),
        _ => Err(PatternError::new("Only objects are allowed in array which value is $or relationship.")),
    };
    alternatives.iter().map(one).collect()
}

fn comparison(value: &Value) -> Result<Comparison, PatternError> {
    match value {
        Value::Object(object) => {
            let mut members = object.iter();
            let (Some((operator, operand)), None) = (members.next(), members.next()) else {
                return Err(PatternError::new("Only one key allowed in match expression"));
            };
            operation(operator, operand)
        }
        Value::Array(_) => Err(PatternError::new("Match value must be String, number, true, false, or null")),
        value => literal(value),
    }
}

fn literal(value: &Value) -> Result<Comparison, PatternError> {
    match value {
        Value::Number(_) => Ok(Comparison::Number(number(value)?)),
        _ => Ok(Comparison::Same(value.clone())),
    }
}

fn number(value: &Value) -> Result<f64, PatternError> {
    let number = value.as_f64().filter(|number| number.abs() <= NUMBER_MAX);
    number.ok_or_else(|| {
        PatternError::new("Value must be between -5.0E9 and 5.0E9, inclusive, with up to 6 decimal places")
    })
}

fn operation(operator: &str, operand: &Value) -> Result<Comparison, PatternError> {
    match operator {
        "exists" => {
            let exists = operand.as_bool();
            exists
                .map(Comparison::Exists)
                .ok_or_else(|| PatternError::new("exists match pattern must be either true or false."))
        }
        "prefix" | "suffix" => affix(operator, operand).map(Comparison::Text),
        "equals-ignore-case" => text(operator, operand).map(|text| Comparison::Text(Text::Same(text.to_owned()))),
        "wildcard" => wildcard(operand).map(Comparison::Text),
        "numeric" => numeric(operand).map(Comparison::Numeric),
        "cidr" => cidr(text(operator, operand)?).map(Comparison::Network),
        "anything-but" => anything_but(operand).map(Comparison::Neither),
        other => Err(PatternError::new(format!("Unrecognized match type {other}"))),
    }
}

fn text<'a>(operator: &str, operand: &'a Value) -> Result<&'a str, PatternError> {
    operand.as_str().ok_or_else(|| PatternError::new(format!("{operator} match pattern must be a string")))
}

/// `{"prefix": "a"}` or `{"prefix": {"equals-ignore-case": "a"}}`.
fn affix(operator: &str, operand: &Value) -> Result<Text, PatternError> {
    let (text, ignores_case) = match operand.as_object().filter(|object| object.len() == 1) {
        Some(object) => match object.get("equals-ignore-case") {
            Some(inner) => (text(operator, inner)?, true),
            None => return Err(PatternError::new(format!("Unsupported operation inside {operator}"))),
        },
        None => (text(operator, operand)?, false),
    };
    let text = text.to_owned();
    Ok(match operator {
        "prefix" => Text::Prefix { prefix: text, ignores_case },
        _ => Text::Suffix { suffix: text, ignores_case },
    })
}

fn wildcard(operand: &Value) -> Result<Text, PatternError> {
    Wildcard::parse(text("wildcard", operand)?).map(Text::Wildcard)
}

/// `["=", 1]`, `[">", 0]`, or a lower bound followed by an upper one.
fn numeric(operand: &Value) -> Result<Range, PatternError> {
    let wrong = || PatternError::new("Value of numeric must be an array.");
    let parts = operand.as_array().ok_or_else(wrong)?;
    if parts.is_empty() || parts.len() % 2 != 0 || parts.len() > 4 {
        return Err(PatternError::new("Invalid member in numeric match: operators and numbers take turns"));
    }
    let mut range = Range { from: None, to: None };
    for pair in parts.chunks(2) {
        let operator = pair[0].as_str().ok_or_else(|| PatternError::new("Invalid member in numeric match"))?;
        if !pair[1].is_number() {
            return Err(PatternError::new(format!("Value of {operator} must be numeric")));
        }
        let bound = number(&pair[1])?;
        match operator {
            "=" if parts.len() == 2 => range = Range { from: Some((bound, true)), to: Some((bound, true)) },
            ">" | ">=" if range.from.is_none() && range.to.is_none() => range.from = Some((bound, operator == ">=")),
            "<" | "<=" if range.to.is_none() => range.to = Some((bound, operator == "<=")),
            _ => return Err(PatternError::new(format!("Unrecognized numeric range operator: {operator}"))),
        }
    }
    if let (Some((from, from_is_inside)), Some((to, to_is_inside))) = (range.from, range.to)
        && (from > to || (from == to && !(from_is_inside && to_is_inside)))
    {
        return Err(PatternError::new("Bottom must be less than top"));
    }
    Ok(range)
}

fn cidr(text: &str) -> Result<Network, PatternError> {
    let wrong = || PatternError::new(format!("Malformed CIDR, one '/' required: {text:?}"));
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(bits_max), str::parse).map_err(|_| wrong())?;
    match bits <= bits_max {
        true => Ok(Network { address, bits }),
        false => Err(PatternError::new(format!("Illegal mask: {text:?}"))),
    }
}

fn anything_but(operand: &Value) -> Result<Vec<Comparison>, PatternError> {
    match operand {
        Value::Array(values) => several(values, anything_but_value),
        Value::Object(object) => {
            let mut members = object.iter();
            let (Some((operator, inner)), None) = (members.next(), members.next()) else {
                return Err(PatternError::new("Only one key allowed in match expression"));
            };
            let one: fn(&str, &Value) -> Result<Text, PatternError> = match operator.as_str() {
                "prefix" | "suffix" => |operator, inner| match inner {
                    Value::String(_) => affix(operator, inner),
                    _ => Err(PatternError::new(format!("{operator} match pattern must be a string"))),
                },
                "equals-ignore-case" => |operator, inner| Ok(Text::Same(text(operator, inner)?.to_owned())),
                "wildcard" => |_, inner| wildcard(inner),
                other => return Err(PatternError::new(format!("Unsupported anything-but pattern: {other}"))),
            };
            let one = |inner: &Value| one(operator, inner).map(Comparison::Text);
            match inner {
                Value::Array(values) => several(values, one),
                inner => Ok(vec![one(inner)?]),
            }
        }
        value => Ok(vec![anything_but_value(value)?]),
    }
}

fn anything_but_value(value: &Value) -> Result<Comparison, PatternError> {
    match value {
        Value::String(_) | Value::Number(_) => literal(value),
        _ => Err(PatternError::new("Value of anything-but must be an array or single string/number value.")),
    }
}

fn several(
    values: &[Value],
    one: impl Fn(&Value) -> Result<Comparison, PatternError>,
) -> Result<Vec<Comparison>, PatternError> {
    if values.is_empty() {
        return Err(PatternError::new("Empty arrays are not allowed"));
    }
    if values.iter().any(Value::is_number) && values.iter().any(Value::is_string) {
        return Err(PatternError::new(
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ));
    }
    values.iter().map(one).collect()
}
