//! The route selection expression of WebSocket APIs.

use std::str::FromStr;

use serde_json::Value;

/// The route for messages that no other route takes.
const DEFAULT: &str = "$default";
/// What refers to the message.
const BODY: &str = "request.body.";

/// An expression such as `$request.body.action`, also `${request.body.a.b}` with text around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionExpression {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The names from the body's root down.
    Body(Vec<String>),
}

const REFERENCE: &str = "must refer to the message, such as $request.body.action";

impl Piece {
    fn reference(text: &str) -> Option<Self> {
        let names: Vec<String> = text.strip_prefix(BODY)?.split('.').map(str::to_owned).collect();
        let is_name = |name: &String| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if names.iter().all(is_name) { Some(Self::Body(names)) } else { None }
    }

    fn read(&self, message: &Value) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Body(names) => match names.iter().try_fold(message, |value, name| value.get(name))? {
                Value::String(text) => Some(text.clone()),
                value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
                _ => None,
            },
        }
    }
}

/// A text that is no route selection expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route selection expression \"{text}\" {problem}")]
pub struct SelectionError {
    /// What was given.
    pub text: String,
    /// Reads after the expression.
    pub problem: String,
}

impl FromStr for SelectionExpression {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |problem: &str| SelectionError { text: text.to_owned(), problem: problem.to_owned() };
        if let Some(reference) = text.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
            let piece = Piece::reference(reference).ok_or_else(|| error(REFERENCE))?;
            return Ok(Self { pieces: vec![piece] });
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (reference, after) = after.split_once('}').ok_or_else(|| error("has a \"${\" without its \"}\""))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::reference(reference).ok_or_else(|| error(REFERENCE))?);
            rest = after;
        }
        if pieces.is_empty() || rest.contains(['$', '{', '}']) {
            return Err(error(REFERENCE));
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self { pieces })
    }
}

impl SelectionExpression {
    /// What the expression gives for a message; none when it is no JSON or a part is missing. The route is the
    /// one with that key, or else `$default`.
    #[must_use]
    pub fn read(&self, body: &[u8]) -> Option<String> {
        let message: Value = serde_json::from_slice(body).ok()?;
        self.pieces.iter().map(|piece| piece.read(&message)).collect()
    }

    /// The route key among an API's for a message: its own, else `$default` where there is one,
    /// else none. No message reaches `$connect` or `$disconnect`.
    #[must_use]
    pub fn select<'k>(&self, body: &[u8], keys: &[&'k str]) -> Option<&'k str> {
        let listed = |wanted: &str| keys.iter().copied().find(|key| *key == wanted);
        let own = self.read(body).filter(|key| !key.starts_with('$'));
        own.and_then(|key| listed(&key)).or_else(|| listed(DEFAULT))
    }
}
