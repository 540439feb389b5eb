//! Route keys of HTTP APIs: `GET /pets/{id}`, `ANY /{proxy+}`, `$default`.

use std::fmt;
use std::str::FromStr;

use super::{PathError, PathPattern};

/// Stands for every method.
pub(super) const ANY: &str = "ANY";
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// A route key; its text is what events have as `routeKey`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RouteKey {
    /// `$default`: whatever no other route takes.
    Default,
    /// A method and a path.
    Path {
        /// In capitals; none for `ANY`.
        method: Option<String>,
        /// The path within the stage.
        path: PathPattern,
    },
}

/// A text that is no route key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteKeyError {
    /// Neither `$default` nor two words.
    #[error("the route key \"{key}\" must be $default or a method and a path, such as \"GET /pets/{{id}}\"")]
    Form {
        /// What was given.
        key: String,
    },
    /// No method that HTTP APIs know.
    #[error("the method \"{method}\" must be one of ANY, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")]
    Method {
        /// What was given.
        method: String,
    },
    /// No path pattern.
    #[error(transparent)]
    Path(PathError),
}

impl FromStr for RouteKey {
    type Err = RouteKeyError;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        if key == "$default" {
            return Ok(Self::Default);
        }
        let Some((method, path)) = key.split_once(' ') else {
            return Err(RouteKeyError::Form { key: key.to_owned() });
        };
        if method != ANY && !METHODS.contains(&method) {
            return Err(RouteKeyError::Method { method: method.to_owned() });
        }
        let path = path.parse().map_err(RouteKeyError::Path)?;
        Ok(Self::Path { method: if method == ANY { None } else { Some(method.to_owned()) }, path })
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("$default"),
            Self::Path { method, path } => write!(formatter, "{} {path}", method.as_deref().unwrap_or(ANY)),
        }
    }
}

impl RouteKey {
    /// Reads a route key.
    ///
    /// # Errors
    /// [`RouteKeyError`] with what is wrong.
    pub fn parse(key: &str) -> Result<Self, RouteKeyError> {
        key.parse()
    }
}
