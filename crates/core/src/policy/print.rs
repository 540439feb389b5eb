//! Prints a policy as AWS does: the elements in the guide's order, a list of one as its only item.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Condition, Policy, PrincipalKind, Principals, Selection, Statement};

impl fmt::Display for Policy {
    /// The document on one line, without spaces.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Display for Statement {
    /// The statement alone, on one line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(version) = self.version {
            map.serialize_entry("Version", version.text())?;
        }
        if let Some(id) = &self.id {
            map.serialize_entry("Id", id)?;
        }
        map.serialize_entry("Statement", &self.statements)?;
        map.end()
    }
}

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(sid) = &self.sid {
            map.serialize_entry("Sid", sid)?;
        }
        map.serialize_entry("Effect", self.effect.text())?;
        match &self.principals {
            Some(Selection::Only(principals)) => map.serialize_entry("Principal", principals)?,
            Some(Selection::AllBut(principals)) => map.serialize_entry("NotPrincipal", principals)?,
            None => {}
        }
        selection(&mut map, Some(&self.actions), "Action", "NotAction")?;
        selection(&mut map, self.resources.as_ref(), "Resource", "NotResource")?;
        if !self.conditions.is_empty() {
            map.serialize_entry("Condition", &Conditions(&self.conditions))?;
        }
        map.end()
    }
}

fn selection<M: SerializeMap>(
    map: &mut M,
    selection: Option<&Selection<Vec<String>>>,
    name: &str,
    negated_name: &str,
) -> Result<(), M::Error> {
    match selection {
        Some(Selection::Only(items)) => map.serialize_entry(name, &OneOrMany(items)),
        Some(Selection::AllBut(items)) => map.serialize_entry(negated_name, &OneOrMany(items)),
        None => Ok(()),
    }
}

impl Serialize for Principals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let listed: &[(PrincipalKind, Vec<String>)] = match self {
            Self::Everybody => return serializer.serialize_str("*"),
            Self::Listed(listed) => listed,
        };
        serializer.collect_map(listed.iter().map(|(kind, names)| (kind.text(), OneOrMany(names))))
    }
}

struct OneOrMany<'a>(&'a [String]);

impl Serialize for OneOrMany<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => serializer.serialize_str(one),
            many => serializer.collect_seq(many),
        }
    }
}

/// All conditions, those of one operator together, in the order of each operator's first.
struct Conditions<'a>(&'a [Condition]);

impl Serialize for Conditions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, condition) in self.0.iter().enumerate() {
            if self.0[..index].iter().all(|earlier| earlier.operator != condition.operator) {
                map.serialize_entry(&condition.operator.to_string(), &Keys(&self.0[index..]))?;
            }
        }
        map.end()
    }
}

/// The conditions that share the first one's operator.
struct Keys<'a>(&'a [Condition]);

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let same = self.0.iter().filter(|condition| condition.operator == self.0[0].operator);
        serializer.collect_map(same.map(|condition| (&condition.key, OneOrMany(&condition.values))))
    }
}
