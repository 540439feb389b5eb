//! Texts with stars in them.

use super::PatternError;

/// A text in which a star stands for any characters, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard {
    /// What stands between the stars; one part is a text without a star.
    parts: Vec<String>,
}

impl Wildcard {
    /// Reads `\*` as a star that is meant and `\\` as a backslash.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut parts = vec![String::new()];
        let mut letters = text.chars();
        let mut was_star = false;
        while let Some(letter) = letters.next() {
            let literal = match letter {
                '*' if was_star => {
                    return Err(PatternError::new(format!("Consecutive wildcard characters in {text:?}")));
                }
                '*' => {
                    was_star = true;
                    parts.push(String::new());
                    continue;
                }
                '\\' => match letters.next() {
                    Some(escaped @ ('*' | '\\')) => escaped,
                    _ => return Err(PatternError::new(format!("Invalid escape character in {text:?}"))),
                },
                other => other,
            };
            was_star = false;
            if let Some(part) = parts.last_mut() {
                part.push(literal);
            }
        }
        Ok(Self { parts })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let (Some(first), Some(last)) = (self.parts.first(), self.parts.last()) else { return false };
        let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
        if self.parts.len() == 1 {
            return rest.is_empty();
        }
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        // The earliest place of each part leaves the most for those after it.
        for part in &self.parts[1..self.parts.len() - 1] {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }
}
