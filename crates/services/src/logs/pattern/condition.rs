//! Comparisons joined by `&&`, `||` and parentheses, as the JSON and the column form share them.

use super::PatternError;
use super::terms::quoted_text;

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 32;

/// A condition over fields of some kind.
#[derive(Debug)]
pub(super) enum Condition<F> {
    All(Vec<Self>),
    Any(Vec<Self>),
    Test(F, Test),
}

/// What is asked of one field.
#[derive(Debug)]
pub(super) enum Test {
    Equal(Operand),
    NotEqual(Operand),
    Less(f64),
    LessOrEqual(f64),
    Greater(f64),
    GreaterOrEqual(f64),
    IsNull,
    IsTrue,
    IsFalse,
    Exists,
    NotExists,
}

/// What a field is compared with.
#[derive(Debug)]
pub(super) enum Operand {
    Number(f64),
    /// With `*` for any characters.
    Text(String),
}

impl<F> Condition<F> {
    pub(super) fn holds(&self, test: &dyn Fn(&F, &Test) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(test)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(test)),
            Self::Test(field, asked) => test(field, asked),
        }
    }
}

impl Test {
    /// The tests that compare numbers.
    pub(super) fn holds_for_number(&self, value: f64) -> bool {
        match self {
            Self::Less(bound) => value < *bound,
            Self::LessOrEqual(bound) => value <= *bound,
            Self::Greater(bound) => value > *bound,
            Self::GreaterOrEqual(bound) => value >= *bound,
            _ => false,
        }
    }
}

/// Whether a text is what a pattern with `*` says.
pub(super) fn matches_wildcards(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(index) => rest = &rest[index + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Reads conditions; `field` reads what stands left of an operator and returns the rest.
pub(super) struct Reader<'a, F> {
    rest: &'a str,
    field: fn(&'a str) -> Result<(F, &'a str), PatternError>,
    depth: usize,
}

impl<'a, F> Reader<'a, F> {
    pub(super) fn new(text: &'a str, field: fn(&'a str) -> Result<(F, &'a str), PatternError>) -> Self {
        Self { rest: text, field, depth: 0 }
    }

    /// The whole text as one condition.
    pub(super) fn whole(mut self) -> Result<Condition<F>, PatternError> {
        let condition = self.any()?;
        match self.rest.trim() {
            "" => Ok(condition),
            rest => Err(PatternError(format!("unexpected {rest}"))),
        }
    }

    fn any(&mut self) -> Result<Condition<F>, PatternError> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(joined(parts, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition<F>, PatternError> {
        let mut parts = vec![self.part()?];
        while self.take("&&") {
            parts.push(self.part()?);
        }
        Ok(joined(parts, Condition::All))
    }

    fn part(&mut self) -> Result<Condition<F>, PatternError> {
        if !self.take("(") {
            let (field, rest) = (self.field)(self.rest.trim_start())?;
            self.rest = rest;
            return Ok(Condition::Test(field, self.test()?));
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(PatternError("the parentheses nest too deeply".into()));
        }
        let inner = self.any()?;
        self.depth -= 1;
        if self.take(")") { Ok(inner) } else { Err(PatternError("a parenthesis has no end".into())) }
    }

    fn test(&mut self) -> Result<Test, PatternError> {
        if self.take("!=") {
            return self.operand().map(Test::NotEqual);
        }
        if self.take("<=") {
            return self.number().map(Test::LessOrEqual);
        }
        if self.take(">=") {
            return self.number().map(Test::GreaterOrEqual);
        }
        if self.take("<") {
            return self.number().map(Test::Less);
        }
        if self.take(">") {
            return self.number().map(Test::Greater);
        }
        if self.take("=") {
            return self.operand().map(Test::Equal);
        }
        let first = self.word();
        if first == "EXISTS" {
            return Ok(Test::Exists);
        }
        match (first, self.word()) {
            ("IS", "NULL") => Ok(Test::IsNull),
            ("IS", "TRUE") => Ok(Test::IsTrue),
            ("IS", "FALSE") => Ok(Test::IsFalse),
            ("NOT", "EXISTS") => Ok(Test::NotExists),
            (first, second) => Err(PatternError(format!("expected a comparison, found {first} {second}"))),
        }
    }

    fn operand(&mut self) -> Result<Operand, PatternError> {
        self.rest = self.rest.trim_start();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (text, rest) = quoted_text(quoted)?;
            self.rest = rest;
            return Ok(Operand::Text(text));
        }
        let word = self.word();
        if word.is_empty() {
            return Err(PatternError("a comparison has no right side".into()));
        }
        if word.starts_with('%') {
            return Err(PatternError(format!("regular expressions are not supported ({word}); use * in a text")));
        }
        Ok(word.parse().map_or_else(|_| Operand::Text(word.to_owned()), Operand::Number))
    }

    fn number(&mut self) -> Result<f64, PatternError> {
        match self.operand()? {
            Operand::Number(number) => Ok(number),
            Operand::Text(text) => Err(PatternError(format!("{text} is not a number"))),
        }
    }

    fn word(&mut self) -> &'a str {
        let text = self.rest.trim_start();
        let stops = |character: char| {
            character.is_whitespace() || matches!(character, '(' | ')' | '&' | '|' | '=' | '<' | '>' | '!')
        };
        let (word, rest) = text.split_at(text.find(stops).unwrap_or(text.len()));
        self.rest = rest;
        word
    }

    fn take(&mut self, symbol: &str) -> bool {
        match self.rest.trim_start().strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// One condition alone is itself.
fn joined<F>(mut parts: Vec<Condition<F>>, join: fn(Vec<Condition<F>>) -> Condition<F>) -> Condition<F> {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}
