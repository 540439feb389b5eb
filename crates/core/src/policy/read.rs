//! Reads a document: JSON into the values of the language, each mistake with its place.

use super::json::Json;
use super::{
    Condition, Effect, Operator, Policy, PolicyError, PrincipalKind, Principals, Selection, Statement, Version,
};

impl Policy {
    /// Reads a document. Names of elements are as in the IAM user guide, case counts in them, and elements that
    /// the language does not have are refused.
    ///
    /// # Errors
    /// [`PolicyError`] with the place of the first mistake.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let json: Json =
            serde_json::from_str(text).map_err(|error| PolicyError::Json { problem: error.to_string() })?;
        let mut policy = Self { version: None, id: None, statements: Vec::new() };
        let mut has_statements = false;
        for (name, value) in object(json, "the policy")? {
            match name.as_str() {
                "Version" => policy.version = Some(version(value)?),
                "Id" => policy.id = Some(string(value, "Id")?),
                "Statement" => {
                    policy.statements = statements(value)?;
                    has_statements = true;
                }
                _ => return Err(PolicyError::at(name, "there is no such element")),
            }
        }
        if !has_statements {
            return Err(PolicyError::at("Statement", "missing"));
        }
        check_sids(&policy.statements)?;
        Ok(policy)
    }
}

fn version(value: Json) -> Result<Version, PolicyError> {
    match string(value, "Version")?.as_str() {
        "2008-10-17" => Ok(Version::Of2008),
        "2012-10-17" => Ok(Version::Of2012),
        other => Err(PolicyError::at("Version", format!("must be \"2012-10-17\" or \"2008-10-17\", not \"{other}\""))),
    }
}

fn statements(value: Json) -> Result<Vec<Statement>, PolicyError> {
    let items = match value {
        Json::List(items) => items,
        one => vec![one],
    };
    items.into_iter().enumerate().map(|(index, item)| statement(item, &format!("Statement[{index}]"))).collect()
}

fn check_sids(statements: &[Statement]) -> Result<(), PolicyError> {
    for (index, statement) in statements.iter().enumerate() {
        let Some(sid) = &statement.sid else { continue };
        if statements[..index].iter().any(|other| other.sid.as_ref() == Some(sid)) {
            return Err(PolicyError::at(format!("Statement[{index}].Sid"), format!("\"{sid}\" is there twice")));
        }
    }
    Ok(())
}

fn statement(value: Json, place: &str) -> Result<Statement, PolicyError> {
    let (mut sid, mut effect, mut principals, mut actions, mut resources) = (None, None, None, None, None);
    let mut conditions = Vec::new();
    for (name, value) in object(value, place)? {
        let here = format!("{place}.{name}");
        match name.as_str() {
            "Sid" => sid = Some(string(value, &here)?),
            "Effect" => effect = Some(self::effect(value, &here)?),
            "Principal" => once(&mut principals, Selection::Only(self::principals(value, &here)?), &here)?,
            "NotPrincipal" => once(&mut principals, Selection::AllBut(self::principals(value, &here)?), &here)?,
            "Action" => once(&mut actions, Selection::Only(strings(value, &here)?), &here)?,
            "NotAction" => once(&mut actions, Selection::AllBut(strings(value, &here)?), &here)?,
            "Resource" => once(&mut resources, Selection::Only(strings(value, &here)?), &here)?,
            "NotResource" => once(&mut resources, Selection::AllBut(strings(value, &here)?), &here)?,
            "Condition" => conditions = self::conditions(value, &here)?,
            _ => return Err(PolicyError::at(here, "there is no such element")),
        }
    }
    let missing = |element: &str| PolicyError::at(format!("{place}.{element}"), "missing");
    let effect = effect.ok_or_else(|| missing("Effect"))?;
    let actions = actions.ok_or_else(|| missing("Action"))?;
    Ok(Statement { sid, effect, principals, actions, resources, conditions })
}

fn once<T>(slot: &mut Option<T>, value: T, place: &str) -> Result<(), PolicyError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(PolicyError::at(place, "must not stand beside its negated form")),
    }
}

fn effect(value: Json, place: &str) -> Result<Effect, PolicyError> {
    match string(value, place)?.as_str() {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        other => Err(PolicyError::at(place, format!("must be \"Allow\" or \"Deny\", not \"{other}\""))),
    }
}

fn principals(value: Json, place: &str) -> Result<Principals, PolicyError> {
    let members = match value {
        Json::Text(text) if text == "*" => return Ok(Principals::Everybody),
        Json::Text(text) => {
            return Err(PolicyError::at(place, format!("must be \"*\" or an object, not \"{text}\"")));
        }
        other => object(other, place)?,
    };
    let mut listed = Vec::with_capacity(members.len());
    for (name, value) in members {
        let here = format!("{place}.{name}");
        let Some(kind) = PrincipalKind::ALL.into_iter().find(|kind| kind.text() == name) else {
            return Err(PolicyError::at(here, "must be AWS, Service, Federated or CanonicalUser"));
        };
        listed.push((kind, strings(value, &here)?));
    }
    if listed.is_empty() {
        return Err(PolicyError::at(place, "names nobody"));
    }
    Ok(Principals::Listed(listed))
}

fn conditions(value: Json, place: &str) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions: Vec<Condition> = Vec::new();
    for (name, keys) in object(value, place)? {
        let here = format!("{place}.{name}");
        let operator = Operator::parse(&name).ok_or_else(|| PolicyError::at(&here, "there is no such operator"))?;
        if conditions.iter().any(|condition| condition.operator == operator) {
            return Err(PolicyError::at(&here, "the operator is there twice"));
        }
        for (key, values) in object(keys, &here)? {
            let values = scalars(values, &format!("{here}.{key}"))?;
            conditions.push(Condition { operator, key, values });
        }
    }
    Ok(conditions)
}

fn object(value: Json, place: &str) -> Result<Vec<(String, Json)>, PolicyError> {
    match value {
        Json::Object(members) => Ok(members),
        other => Err(PolicyError::at(place, format!("must be an object, not {}", other.kind()))),
    }
}

fn string(value: Json, place: &str) -> Result<String, PolicyError> {
    match value {
        Json::Text(text) => Ok(text),
        other => Err(PolicyError::at(place, format!("must be a string, not {}", other.kind()))),
    }
}

/// One string or a list of at least one.
fn strings(value: Json, place: &str) -> Result<Vec<String>, PolicyError> {
    let items = match value {
        Json::List(items) => items,
        one => return Ok(vec![non_empty(one, place)?]),
    };
    if items.is_empty() {
        return Err(PolicyError::at(place, "must not be empty"));
    }
    items.into_iter().enumerate().map(|(index, item)| non_empty(item, &format!("{place}[{index}]"))).collect()
}

fn non_empty(value: Json, place: &str) -> Result<String, PolicyError> {
    let text = string(value, place)?;
    if text.is_empty() { Err(PolicyError::at(place, "must not be empty")) } else { Ok(text) }
}

/// The values of a condition: strings, and numbers and booleans as their texts; one or a list.
fn scalars(value: Json, place: &str) -> Result<Vec<String>, PolicyError> {
    let items = match value {
        Json::List(items) => items,
        one => return Ok(vec![scalar(one, place)?]),
    };
    items.into_iter().enumerate().map(|(index, item)| scalar(item, &format!("{place}[{index}]"))).collect()
}

fn scalar(value: Json, place: &str) -> Result<String, PolicyError> {
    match value {
        Json::Text(text) | Json::Number(text) => Ok(text),
        Json::Bool(value) => Ok(value.to_string()),
        other => Err(PolicyError::at(place, format!("must be a string, a number or a boolean, not {}", other.kind()))),
    }
}
