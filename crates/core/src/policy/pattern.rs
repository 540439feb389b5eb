//! Patterns: text in which `*` stands for any run of characters and `?` for any one, and in which policy
//! variables were put in as plain text (so a user called `*` is only a user called `*`).

use super::Context;

/// A text to match with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// `*`
    AnyRun,
    /// `?`
    AnyOne,
    Plain(char),
}

impl Pattern {
    /// Reads a pattern without variables.
    pub(super) fn new(text: &str) -> Self {
        Self { tokens: text.chars().map(token).collect() }
    }

    /// Reads a pattern and puts in the request's values for `${key}` and `${key, 'default'}`; `${*}`, `${?}` and
    /// `${$}` are those characters. `None` when a variable has neither exactly one value nor a default.
    pub(super) fn with_variables(text: &str, context: &Context) -> Option<Self> {
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else { break };
            tokens.extend(rest[..start].chars().map(token));
            let value = variable(&rest[start + 2..start + length], context)?;
            tokens.extend(value.chars().map(Token::Plain));
            rest = &rest[start + length + 1..];
        }
        tokens.extend(rest.chars().map(token));
        Some(Self { tokens })
    }

    /// Whether the whole text matches; with `ignore_case` ASCII letters match in either case.
    ///
    /// Only the last `*` ever needs to be tried again, so the cost is at most the pattern's length times the
    /// text's, and the sum of both for patterns such as `arn:*` and `*.zip`.
    pub(super) fn matches(&self, text: &str, ignore_case: bool) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut in_text) = (0, 0);
        let mut last_run: Option<(usize, usize)> = None;
        while in_text < text.len() {
            match self.tokens.get(at) {
                Some(Token::AnyRun) => {
                    last_run = Some((at, in_text));
                    at += 1;
                }
                Some(token) if token.matches(text[in_text], ignore_case) => {
                    at += 1;
                    in_text += 1;
                }
                _ => {
                    let Some((run, taken)) = last_run else { return false };
                    last_run = Some((run, taken + 1));
                    at = run + 1;
                    in_text = taken + 1;
                }
            }
        }
        self.tokens[at..].iter().all(|token| *token == Token::AnyRun)
    }

    /// Whether the text is the pattern's own, `*` and `?` being plain characters.
    pub(super) fn equals(&self, text: &str, ignore_case: bool) -> bool {
        let mut text = text.chars();
        let same = self.tokens.iter().all(|token| {
            text.next().is_some_and(|character| Token::Plain(token.character()).matches(character, ignore_case))
        });
        same && text.next().is_none()
    }

    /// Whether an ARN matches part by part: none of the first five parts may reach over a colon. A pattern with
    /// fewer than six parts is filled up with `*`. What does not begin with `arn:` is matched as plain text.
    pub(super) fn matches_arn(&self, text: &str) -> bool {
        if !self.begins_as_arn() {
            return self.matches(text, false);
        }
        let mut parts = text.splitn(6, ':');
        let mut rest = self.tokens.as_slice();
        for index in 0..6 {
            let Some(part) = parts.next() else { return false };
            let end = if index == 5 { None } else { rest.iter().position(|token| *token == Token::Plain(':')) };
            let tokens = rest[..end.unwrap_or(rest.len())].to_vec();
            if !(Self { tokens }).matches(part, false) {
                return false;
            }
            rest = match end {
                Some(end) => &rest[end + 1..],
                None => &[Token::AnyRun],
            };
        }
        true
    }

    fn begins_as_arn(&self) -> bool {
        "arn:".chars().map(Token::Plain).eq(self.tokens.iter().copied().take(4))
    }
}

impl Token {
    fn matches(self, character: char, ignore_case: bool) -> bool {
        match self {
            Self::AnyRun => false,
            Self::AnyOne => true,
            Self::Plain(own) => own == character || (ignore_case && own.eq_ignore_ascii_case(&character)),
        }
    }

    fn character(self) -> char {
        match self {
            Self::AnyRun => '*',
            Self::AnyOne => '?',
            Self::Plain(own) => own,
        }
    }
}

fn token(character: char) -> Token {
    match character {
        '*' => Token::AnyRun,
        '?' => Token::AnyOne,
        other => Token::Plain(other),
    }
}

/// What stands between `${` and `}`.
fn variable<'a>(text: &'a str, context: &'a Context) -> Option<&'a str> {
    if matches!(text, "*" | "?" | "$") {
        return Some(text);
    }
    let (key, default) = match text.split_once(',') {
        Some((key, default)) => (key, quoted(default.trim())),
        None => (text, None),
    };
    match context.get(key.trim()) {
        Some([value]) => Some(value),
        _ => default,
    }
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.strip_suffix('\'')
}
