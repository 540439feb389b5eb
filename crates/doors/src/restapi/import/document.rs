//! A definition as a value, with the two dialects behind one view: Swagger 2 and OpenAPI 3.

use serde_json::{Map, Value};

use super::yaml;
use crate::restapi::RestApiError;

/// References that lead to references.
const REFERENCES_MAX: usize = 16;

/// A definition.
#[derive(Debug)]
pub(super) struct Document {
    root: Value,
    is_swagger: bool,
}

impl Document {
    /// Reads JSON or YAML.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, RestApiError> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| RestApiError::bad("Invalid OpenAPI input: it is not UTF-8."))?;
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let root: Value = if text.starts_with('{') {
            match serde_json::from_str(text) {
                Ok(root) => root,
                // A YAML document may begin with a brace as well.
                Err(error) => yaml::parse(text).map_err(|_| {
                    RestApiError::bad(format!("Invalid OpenAPI input: the JSON cannot be read: {error}."))
                })?,
            }
        } else {
            yaml::parse(text)?
        };
        let version = |member: &str| {
            root.get(member).map(|version| version.as_str().map_or_else(|| version.to_string(), str::to_owned))
        };
        let is_swagger = match (version("swagger"), version("openapi")) {
            (Some(version), None) if version.starts_with('2') => true,
            (None, Some(version)) if version.starts_with("3.") => false,
            _ => {
                return Err(RestApiError::bad(
                    "Invalid OpenAPI input: it says neither swagger: \"2.0\" nor openapi: \"3.0.x\".",
                ));
            }
        };
        Ok(Self { root, is_swagger })
    }

    /// Whether bodies and parameters are written as Swagger 2 does.
    pub(super) fn is_swagger(&self) -> bool {
        self.is_swagger
    }

    /// A member of the document itself.
    pub(super) fn get(&self, member: &str) -> Option<&Value> {
        self.root.get(member)
    }

    /// The members of a part of the document, by a path of names.
    pub(super) fn members(&self, path: &[&str]) -> impl Iterator<Item = (&String, &Value)> {
        let found = path.iter().try_fold(&self.root, |here, name| here.get(*name));
        found.and_then(Value::as_object).into_iter().flatten()
    }

    /// Schemas by their names.
    pub(super) fn schemas(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.members(if self.is_swagger { &["definitions"] } else { &["components", "schemas"] })
    }

    /// What guards methods, by names.
    pub(super) fn security_schemes(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.members(if self.is_swagger { &["securityDefinitions"] } else { &["components", "securitySchemes"] })
    }

    /// The path that all paths are below, without the slash at its end.
    pub(super) fn base_path(&self) -> String {
        let path = match self.is_swagger {
            true => self.root.get("basePath").and_then(Value::as_str).unwrap_or_default().to_owned(),
            false => self.server_path().unwrap_or_default(),
        };
        path.trim_matches('/').to_owned()
    }

    /// The path of the first server, with the defaults of its variables.
    fn server_path(&self) -> Option<String> {
        let server = self.root.get("servers")?.as_array()?.first()?;
        let mut url = server.get("url")?.as_str()?.to_owned();
        for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
            let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
            url = url.replace(&format!("{{{name}}}"), default);
        }
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map(|(_, path)| path).unwrap_or_default(),
            None => &url,
        };
        Some(path.to_owned())
    }

    /// A value, or what its `$ref` leads to.
    pub(super) fn resolve<'a>(&'a self, value: &'a Value) -> Result<&'a Value, RestApiError> {
        let mut here = value;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = here.get("$ref").and_then(Value::as_str) else { return Ok(here) };
            let pointer = reference.strip_prefix('#').ok_or_else(|| {
                RestApiError::bad(format!("Invalid OpenAPI input: {reference} leads out of the document."))
            })?;
            here = self
                .root
                .pointer(pointer)
                .ok_or_else(|| RestApiError::bad(format!("Invalid OpenAPI input: {reference} leads to nothing.")))?;
        }
        Err(RestApiError::bad("Invalid OpenAPI input: references lead in a circle."))
    }
}

/// The name of the schema that a `$ref` names.
pub(super) fn schema_name(schema: &Value) -> Option<&str> {
    let reference = schema.get("$ref")?.as_str()?;
    reference.strip_prefix("#/definitions/").or_else(|| reference.strip_prefix("#/components/schemas/"))
}

/// A text member.
pub(super) fn text<'a>(object: &'a Value, member: &str) -> Option<&'a str> {
    object.get(member).and_then(Value::as_str)
}

/// Text of what may be written as a number: status codes above all.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The members of an object that is a member.
pub(super) fn entries<'a>(object: &'a Value, member: &str) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    object.get(member).and_then(Value::as_object).map(Map::iter).into_iter().flatten()
}
