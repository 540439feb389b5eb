//! Terms: all the plain ones must be in the message, none of those after `-`, and one of those after `?`.
//!
//! As on AWS, terms after `?` count only when there are no others.

use super::PatternError;

#[derive(Debug, Default)]
pub(in crate::logs) struct Terms {
    required: Vec<String>,
    excluded: Vec<String>,
    optional: Vec<String>,
}

impl Terms {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut terms = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (list, word) = match rest.as_bytes()[0] {
                b'-' => (&mut terms.excluded, &rest[1..]),
                b'?' => (&mut terms.optional, &rest[1..]),
                _ => (&mut terms.required, rest),
            };
            let (term, after) = term(word)?;
            list.push(term);
            rest = after.trim_start();
        }
        Ok(terms)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term.as_str());
        if self.required.is_empty() && self.excluded.is_empty() {
            return self.optional.is_empty() || self.optional.iter().any(has);
        }
        self.required.iter().all(has) && !self.excluded.iter().any(has)
    }
}

fn term(text: &str) -> Result<(String, &str), PatternError> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_text(quoted);
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if word.is_empty() {
        return Err(PatternError("a term is missing after - or ?".into()));
    }
    if word.starts_with('%') {
        return Err(PatternError(format!("regular expressions are not supported ({word}); use terms")));
    }
    Ok((word.to_owned(), rest))
}

/// The text up to the closing quote, with `\"` and `\\` unescaped, and what follows it.
pub(super) fn quoted_text(text: &str) -> Result<(String, &str), PatternError> {
    let mut unquoted = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Ok((unquoted, &text[index + 1..])),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => unquoted.push(escaped),
                Some((_, other)) => unquoted.extend(['\\', other]),
                None => {}
            },
            other => unquoted.push(other),
        }
    }
    Err(PatternError("a quoted phrase has no end".into()))
}
