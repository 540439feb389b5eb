//! Patch operations: how every update of API Gateway says what it changes.
//!
//! Each has an `op`, a `path` whose segments write a slash as `~1` and a tilde as `~0` (RFC 6901), and a `value`
//! that is always text.

use serde::Deserialize;

use super::RestApiError;

/// `op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

impl Op {
    fn text(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
            Self::Move => "move",
            Self::Copy => "copy",
            Self::Test => "test",
        }
    }
}

/// One change as it came.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PatchOperation {
    op: Option<Op>,
    #[serde(default)]
    path: String,
    value: Option<String>,
}

/// One change with its path taken apart.
#[derive(Debug)]
pub(super) struct Patch<'a> {
    pub(super) op: Op,
    pub(super) path: &'a str,
    segments: Vec<String>,
    value: Option<&'a str>,
}

impl PatchOperation {
    pub(super) fn read(&self) -> Result<Patch<'_>, RestApiError> {
        let op = self.op.ok_or_else(|| RestApiError::bad("Invalid patch operation specified."))?;
        let path = self.path.strip_prefix('/').ok_or_else(|| invalid_path(&self.path))?;
        let segments = path.split('/').map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
        Ok(Patch { op, path: &self.path, segments, value: self.value.as_deref() })
    }
}

/// Applies all of them, in their order.
pub(super) fn apply_all(
    operations: Option<&[PatchOperation]>,
    mut apply: impl FnMut(&Patch<'_>) -> Result<(), RestApiError>,
) -> Result<(), RestApiError> {
    operations.unwrap_or_default().iter().try_for_each(|operation| apply(&operation.read()?))
}

fn invalid_path(path: &str) -> RestApiError {
    RestApiError::bad(format!("Invalid patch path {path}"))
}

impl<'a> Patch<'a> {
    /// The segments of the path, for matching.
    pub(super) fn at(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The first segments as they were written.
    pub(super) fn raw(&self, segments: usize) -> String {
        self.path.split('/').skip(1).take(segments).collect::<Vec<_>>().join("/")
    }

    /// The text of the value, empty when there is none.
    pub(super) fn text(&self) -> &'a str {
        self.value.unwrap_or_default()
    }

    /// The value, none when it is missing or empty.
    pub(super) fn optional(&self) -> Option<String> {
        self.value.filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// `true` in any case; everything else is false, as AWS reads it.
    pub(super) fn flag(&self) -> bool {
        self.text().eq_ignore_ascii_case("true")
    }

    pub(super) fn number<T: std::str::FromStr>(&self) -> Result<T, RestApiError> {
        let invalid = || RestApiError::bad(format!("Invalid value '{}' specified for {}", self.text(), self.path));
        self.text().parse().map_err(|_| invalid())
    }

    /// That only a replacement is possible here.
    pub(super) fn replaces(&self) -> Result<(), RestApiError> {
        match self.op {
            Op::Replace => Ok(()),
            _ => Err(RestApiError::bad("Invalid patch operation specified. Must be one of: [replace]")),
        }
    }

    /// A path that this resource does not have; `known` are those that may be replaced.
    pub(super) fn unknown(&self, known: &str) -> RestApiError {
        let hint = match self.op {
            Op::Replace => format!("Must be one of: [{known}]"),
            _ => "Please choose supported operations".to_owned(),
        };
        RestApiError::bad(format!("Invalid patch path  '{}' specified for op '{}'. {hint}", self.path, self.op.text()))
    }

    pub(super) fn invalid_path(&self) -> RestApiError {
        invalid_path(self.path)
    }

    /// Something of AWS's that is not done here.
    pub(super) fn unsupported(&self) -> RestApiError {
        RestApiError::unsupported(format!("Setting {} to '{}' is", self.path, self.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(op: &str, path: &str, value: Option<&str>) -> PatchOperation {
        serde_json::from_value(serde_json::json!({"op": op, "path": path, "value": value})).unwrap()
    }

    #[test]
    fn a_path_is_taken_apart_with_its_escapes() {
        let operation = operation("add", "/binaryMediaTypes/image~1png/a~0b", Some("x"));
        let patch = operation.read().unwrap();
        assert_eq!(patch.at(), ["binaryMediaTypes", "image/png", "a~b"]);
        assert_eq!((patch.op, patch.text()), (Op::Add, "x"));
    }

    #[test]
    fn what_cannot_be_done_is_said_as_aws_says_it() {
        let remove = operation("remove", "/pathPart", None);
        assert_eq!(
            remove.read().unwrap().unknown("/parentId, /pathPart").message(),
            "Invalid patch path  '/pathPart' specified for op 'remove'. Please choose supported operations"
        );
        let replace = operation("replace", "/invalid", Some("x"));
        assert_eq!(
            replace.read().unwrap().unknown("/parentId, /pathPart").message(),
            "Invalid patch path  '/invalid' specified for op 'replace'. Must be one of: [/parentId, /pathPart]"
        );
        assert!(operation("replace", "name", None).read().is_err());
        assert_eq!(
            remove.read().unwrap().replaces().unwrap_err().message(),
            "Invalid patch operation specified. Must be one of: [replace]"
        );
    }
}
