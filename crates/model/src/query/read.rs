//! From a form to the members of an operation's input.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::parameters;
use crate::data::{Member, Shape};
use crate::error::ApiError;
use crate::service::Service;

/// Parameters of one request. AWS names no figure; the body is bounded, this bounds the work.
const PARAMETERS_MAX: usize = 10_000;
/// Parts of one name. The models' deepest member has seven.
const DEPTH_MAX: usize = 16;

/// Parameters by the parts of their names.
#[derive(Debug, Default)]
struct Node {
    text: Option<String>,
    parts: BTreeMap<String, Node>,
}

impl Node {
    fn read(query: &str, body: &[u8]) -> Result<Self, ApiError> {
        let mut root = Self::default();
        for (count, (name, value)) in parameters(query, body).enumerate() {
            if count == PARAMETERS_MAX || name.split('.').count() > DEPTH_MAX {
                return Err(ApiError::new(
                    "SerializationException",
                    "The request has too many or too deep parameters.",
                ));
            }
            let node = name.split('.').fold(&mut root, |node, part| node.parts.entry(part.to_owned()).or_default());
            // AWS takes the first of several.
            node.text.get_or_insert_with(|| value.into_owned());
        }
        Ok(root)
    }

    /// The parts whose names are numbers, in that order; gaps do not matter.
    fn numbered(&self) -> Vec<&Self> {
        let mut found: Vec<(u32, &Self)> =
            self.parts.iter().filter_map(|(name, node)| Some((name.parse().ok()?, node))).collect();
        found.sort_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, node)| node).collect()
    }
}

impl Service {
    /// The members of a form; unknown parameters are left out, as AWS does.
    pub(crate) fn read_form(&self, shape: &Shape, query: &str, body: &[u8]) -> Result<Value, ApiError> {
        self.structure_of(shape, &Node::read(query, body)?, "")
    }

    fn structure_of(&self, shape: &Shape, node: &Node, path: &str) -> Result<Value, ApiError> {
        let mut members = Map::new();
        for member in &shape.members {
            if let Some(part) = node.parts.get(self.parameter(member)) {
                let path = if path.is_empty() { member.name.clone() } else { format!("{path}.{}", member.name) };
                members.insert(member.name.clone(), self.value_of(&member.shape, part, &path)?);
            }
        }
        Ok(Value::Object(members))
    }

    /// The name of a member in a form; a flattened list goes by the name of its elements.
    fn parameter<'a>(&'a self, member: &'a Member) -> &'a str {
        let shape = self.shape(&member.shape).filter(|shape| shape.kind == "list" && shape.flattened);
        shape.and_then(|shape| shape.member_name.as_deref()).unwrap_or_else(|| member.wire_name())
    }

    fn value_of(&self, shape: &str, node: &Node, path: &str) -> Result<Value, ApiError> {
        let shape = self.shape(shape);
        match shape.map(|shape| (shape, shape.kind.as_str())) {
            Some((shape, "structure")) => self.structure_of(shape, node, path),
            Some((shape, "list")) => self.list_of(shape, node, path),
            Some((shape, "map")) => self.map_of(shape, node, path),
            _ => self.scalar_of(shape, node.text.as_deref().unwrap_or_default(), path),
        }
    }

    /// `X.member.N`, or `X.N` where the model says so; `X=` is an empty list.
    fn list_of(&self, shape: &Shape, node: &Node, path: &str) -> Result<Value, ApiError> {
        let element = shape.member.as_deref().unwrap_or_default();
        let items = elements(shape, node, shape.member_name.as_deref().unwrap_or("member"));
        let items =
            items.iter().enumerate().map(|(index, item)| self.value_of(element, item, &format!("{path}[{index}]")));
        items.collect::<Result<_, _>>().map(Value::Array)
    }

    /// `X.entry.N.key` and `X.entry.N.value`, or without `entry` where the model says so.
    fn map_of(&self, shape: &Shape, node: &Node, path: &str) -> Result<Value, ApiError> {
        let key_name = shape.key_name.as_deref().unwrap_or("key");
        let value_name = shape.value_name.as_deref().unwrap_or("value");
        let mut entries = Map::new();
        for entry in elements(shape, node, "entry") {
            let Some(key) = entry.parts.get(key_name).and_then(|key| key.text.clone()) else { continue };
            if let Some(value) = entry.parts.get(value_name) {
                let value =
                    self.value_of(shape.value.as_deref().unwrap_or_default(), value, &format!("{path}.{key}"))?;
                entries.insert(key, value);
            }
        }
        Ok(Value::Object(entries))
    }
}

fn elements<'a>(shape: &Shape, node: &'a Node, level: &str) -> Vec<&'a Node> {
    if shape.flattened { node.numbered() } else { node.parts.get(level).map(Node::numbered).unwrap_or_default() }
}
