//! Path patterns: `/pets/{id}`, `/files/{proxy+}`.

use std::fmt;
use std::str::FromStr;

use crate::door::percent;

/// A path with variables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    /// The text itself, percent-encoded as it was given.
    Literal(String),
    /// `{name}`: one segment.
    Variable(String),
    /// `{name+}`: all that follows.
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
        let error = |problem: &str| PathError { path: path.to_owned(), problem: problem.to_owned() };
        let Some(rest) = path.strip_prefix('/') else { return Err(error("must begin with \"/\"")) };
        if rest.is_empty() {
            return Ok(Self { parts: Vec::new() });
        }
        let texts: Vec<&str> = rest.split('/').collect();
        let mut parts = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let part = Part::parse(text).map_err(error)?;
            let is_last = index + 1 == texts.len();
            match &part {
                Part::Literal(text) if text.is_empty() && !is_last => return Err(error("has an empty part")),
                Part::Greedy(_) if !is_last => return Err(error("must have its greedy variable at the end")),
                Part::Variable(name) | Part::Greedy(name) if named(&parts, name) => {
                    return Err(error("has two variables of one name"));
                }
                _ => parts.push(part),
            }
        }
        Ok(Self { parts })
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(inner) = text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) else {
            let is_plain = !text.bytes().any(|byte| byte.is_ascii_control() || b"{}?# ".contains(&byte));
            let problem = "must have braces around whole parts, such as \"/{id}\", and no space, \"?\" or \"#\"";
            return if is_plain { Ok(Self::Literal(text.to_owned())) } else { Err(problem) };
        };
        let name = inner.strip_suffix('+').unwrap_or(inner);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            return Err("must have variables named by letters, digits, \".\", \"_\" and \"-\"");
        }
        Ok(if name == inner { Self::Variable(name.to_owned()) } else { Self::Greedy(name.to_owned()) })
    }

    /// How general it is.
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Variable(_) => 1,
            Self::Greedy(_) => 2,
        }
    }
}

fn named(parts: &[Part], name: &str) -> bool {
    parts.iter().any(|part| matches!(part, Part::Variable(other) | Part::Greedy(other) if other == name))
}

impl fmt::Display for PathPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts.is_empty() {
            return formatter.write_str("/");
        }
        self.parts.iter().try_for_each(|part| match part {
            Part::Literal(text) => write!(formatter, "/{text}"),
            Part::Variable(name) => write!(formatter, "/{{{name}}}"),
            Part::Greedy(name) => write!(formatter, "/{{{name}+}}"),
        })
    }
}

impl PathPattern {
    /// The variables' values in a path (percent-encoded, as it came), decoded, in order; none when the path does
    /// not match. A variable takes one part that is not empty; a greedy one all that is left, which is empty
    /// where the path ends with the slash before it (HTTP APIs were seen to answer so).
    #[must_use]
    pub fn matches(&self, path: &str) -> Option<Vec<(String, String)>> {
        let mut rest = Some(path.strip_prefix('/')?);
        let mut values = Vec::new();
        if self.parts.is_empty() {
            return if path == "/" { Some(values) } else { None };
        }
        for part in &self.parts {
            let (text, after) = match part {
                Part::Greedy(_) => (rest?, None),
                _ => rest?.split_once('/').map_or((rest?, None), |(text, after)| (text, Some(after))),
            };
            match part {
                Part::Literal(own) if percent::decode(own) == percent::decode(text) => {}
                Part::Literal(_) => return None,
                Part::Variable(_) if text.is_empty() => return None,
                Part::Variable(name) | Part::Greedy(name) => values.push((name.clone(), percent::decode(text))),
            }
            rest = after;
        }
        if rest.is_none() { Some(values) } else { None }
    }

    /// Whether it ends with a greedy variable.
    pub(super) fn is_greedy(&self) -> bool {
        matches!(self.parts.last(), Some(Part::Greedy(_)))
    }

    /// How general each part is: of two patterns that match a path, the one with the lesser ranks is the more
    /// specific.
    pub(super) fn ranks(&self) -> Vec<u8> {
        self.parts.iter().map(Part::rank).collect()
    }
}
