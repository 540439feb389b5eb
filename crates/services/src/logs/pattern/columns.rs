//! The column form: `[ip, ..., status = 4*, bytes > 1000]`, over words divided by spaces. What stands in
//! brackets or quotes is one word.

use super::PatternError;
use super::condition::{Condition, Operand, Reader, Test, matches_wildcards};

#[derive(Debug)]
pub(in crate::logs) struct Columns {
    before: Vec<Column>,
    /// Those after `...`; without it the number of words must agree.
    after: Option<Vec<Column>>,
}

#[derive(Debug)]
struct Column {
    condition: Option<Condition<()>>,
}

impl Columns {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let inner = inner.ok_or_else(|| PatternError("a pattern of columns ends with ]".into()))?;
        let mut columns = Self { before: Vec::new(), after: None };
        for column in split_commas(inner) {
            match (column.trim(), &mut columns.after) {
                ("...", None) => columns.after = Some(Vec::new()),
                ("...", Some(_)) => return Err(PatternError("... may stand only once".into())),
                (column, None) => columns.before.push(Column::parse(column)?),
                (column, Some(after)) => after.push(Column::parse(column)?),
            }
        }
        Ok(columns)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let words = words(message);
        let hold =
            |columns: &[Column], words: &[&str]| columns.iter().zip(words).all(|(column, word)| column.holds(word));
        let Some(after) = &self.after else {
            return words.len() == self.before.len() && hold(&self.before, &words);
        };
        words.len() >= self.before.len() + after.len()
            && hold(&self.before, &words)
            && hold(after, &words[words.len() - after.len()..])
    }
}

impl Column {
    /// A name alone, or a condition over the name. Each part of it speaks of this column.
    fn parse(text: &str) -> Result<Self, PatternError> {
        let is_name = !text.is_empty() && text.chars().all(|character| character.is_alphanumeric() || character == '_');
        let condition = if is_name { None } else { Some(Reader::new(text, name).whole()?) };
        Ok(Self { condition })
    }

    fn holds(&self, word: &str) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(&|(), test| holds(word, test)))
    }
}

fn name(text: &str) -> Result<((), &str), PatternError> {
    let stops = |character: char| !(character.is_alphanumeric() || character == '_');
    match text.find(stops).unwrap_or(text.len()) {
        0 => Err(PatternError(format!("expected the name of a column at {text}"))),
        end => Ok(((), &text[end..])),
    }
}

fn holds(word: &str, test: &Test) -> bool {
    let equal = |operand: &Operand| match operand {
        Operand::Number(number) => word.parse() == Ok(*number),
        Operand::Text(pattern) => matches_wildcards(pattern, word),
    };
    match test {
        Test::Equal(operand) => equal(operand),
        Test::NotEqual(operand) => !equal(operand),
        Test::Exists => true,
        Test::IsNull | Test::IsTrue | Test::IsFalse | Test::NotExists => false,
        _ => word.parse().is_ok_and(|number| test.holds_for_number(number)),
    }
}

/// Divides at commas that are not inside quotes.
fn split_commas(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let divides = |character: char| {
        quoted ^= character == '"';
        character == ',' && !quoted
    };
    text.split(divides).collect()
}

fn words(message: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = message.trim_start();
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '"' => rest[1..].find('"'),
            '[' => rest[1..].find(']'),
            _ => None,
        };
        let (word, after) = match close {
            Some(length) => (&rest[1..=length], &rest[length + 2..]),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}
