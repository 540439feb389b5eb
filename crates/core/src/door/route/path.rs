//! Path patterns: `/pets/{id}`, `/files/{proxy+}`.

use std::fmt;
use std::str::FromStr;

/// A path with variables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// The text itself.
    Literal(String),
    /// `{name}`: one segment.
    Variable(String),
    /// `{name+}`: all segments that follow, at least one.
    Greedy(String),
}

/// A text that is no path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path \"{path}\" {problem}")]
pub struct PathError {
    /// What was given.
    pub path: String,
    /// Reads after the path, for example `must begin with "/"`.
    pub problem: String,
}

impl FromStr for PathPattern {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        todo!()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl PathPattern {
    /// The variables' values in a path (percent-encoded, as it came), decoded, in order; none when the path does
    /// not match.
    #[must_use]
    pub fn matches(&self, path: &str) -> Option<Vec<(String, String)>> {
        todo!()
    }
}
