//! The route selection expression of WebSocket APIs.

use std::str::FromStr;

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
        todo!()
    }
}

impl SelectionExpression {
    /// What the expression gives for a message; none when it is no JSON or a part is missing. The route is the
    /// one with that key, or else `$default`.
    #[must_use]
    pub fn read(&self, body: &[u8]) -> Option<String> {
        todo!()
    }

    /// The route key among an API's for a message: its own, else `$default` where there is one, else none.
    #[must_use]
    pub fn select<'k>(&self, body: &[u8], keys: &[&'k str]) -> Option<&'k str> {
        todo!()
    }
}
