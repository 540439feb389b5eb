//! The data files as they lie on disk.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// One service model.
#[derive(Debug, Deserialize)]
pub(crate) struct ServiceData {
    pub(crate) service: String,
    pub(crate) protocol: String,
    pub(crate) target_prefix: Option<String>,
    pub(crate) operations: Vec<OperationData>,
    pub(crate) shapes: HashMap<String, Shape>,
}

/// One operation.
#[derive(Debug, Deserialize)]
pub(crate) struct OperationData {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) input: Option<String>,
    pub(crate) output: Option<String>,
}

/// One shape: a structure, list, map or scalar with its constraints.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) required: Vec<String>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) pattern: Option<String>,
    #[serde(rename = "enum")]
    pub(crate) values: Option<Vec<String>>,
    pub(crate) sensitive: bool,
    pub(crate) payload: Option<String>,
    pub(crate) exception: bool,
    /// An exception's HTTP status, where the model gives one.
    pub(crate) status: Option<u16>,
    /// An exception that is the server's fault.
    pub(crate) fault: bool,
    pub(crate) member: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) members: Vec<Member>,
    /// The pattern, compiled at its first use.
    #[serde(skip)]
    pub(crate) compiled: OnceLock<Option<fancy_regex::Regex>>,
}

/// A member of a structure.
#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) shape: String,
    #[serde(default)]
    pub(crate) location: Location,
    pub(crate) wire_name: Option<String>,
}

impl Member {
    /// The name in the header, query or body.
    pub(crate) fn wire_name(&self) -> &str {
        self.wire_name.as_deref().unwrap_or(&self.name)
    }
}

/// Where a member travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Location {
    /// In the body.
    #[default]
    Body,
    /// A label of the path.
    Uri,
    /// The query string.
    Querystring,
    /// A header.
    Header,
    /// Several headers with one prefix.
    Headers,
    /// The HTTP status itself.
    StatusCode,
}

impl Shape {
    /// The compiled pattern, anchored: a pattern describes the whole value.
    pub(crate) fn regex(&self) -> Option<&fancy_regex::Regex> {
        self.compiled
            .get_or_init(|| {
                let pattern = self.pattern.as_deref()?;
                // The models are written for Java, where `-` after a class such as `\w` needs no escape.
                fancy_regex::Regex::new(&format!("^(?:{})$", pattern.replace("9-_", "9\\-_"))).ok()
            })
            .as_ref()
    }
}
