//! The operators of conditions and their names: a comparison, whether it is negated, over which of a key's
//! values it goes, and whether a missing key lets it pass.

use std::fmt;

/// An operator, for example `ForAnyValue:StringNotLikeIfExists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Over which of the key's values it goes.
    pub(super) quantifier: Option<Quantifier>,
    /// What is compared.
    pub(super) comparison: Comparison,
    /// The comparison must fail.
    pub(super) negated: bool,
    /// A missing key lets it pass.
    pub(super) if_exists: bool,
}

/// How an operator treats a key with several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// Each of the request's values must pass; with none it holds.
    ForAllValues,
    /// One of the request's values must pass; with none it fails.
    ForAnyValue,
}

impl Quantifier {
    fn prefix(self) -> &'static str {
        match self {
            Self::ForAllValues => "ForAllValues:",
            Self::ForAnyValue => "ForAnyValue:",
        }
    }
}

/// What is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the operator of the same name in the IAM user guide")]
pub enum Comparison {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    NumericEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    ArnEquals,
    ArnLike,
    Null,
}

/// Every operator's name without prefix and suffix, with what it compares and whether it is negated.
const NAMES: &[(&str, Comparison, bool)] = &[
    ("StringEquals", Comparison::StringEquals, false),
    ("StringNotEquals", Comparison::StringEquals, true),
    ("StringEqualsIgnoreCase", Comparison::StringEqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Comparison::StringEqualsIgnoreCase, true),
    ("StringLike", Comparison::StringLike, false),
    ("StringNotLike", Comparison::StringLike, true),
    ("NumericEquals", Comparison::NumericEquals, false),
    ("NumericNotEquals", Comparison::NumericEquals, true),
    ("NumericLessThan", Comparison::NumericLessThan, false),
    ("NumericLessThanEquals", Comparison::NumericLessThanEquals, false),
    ("NumericGreaterThan", Comparison::NumericGreaterThan, false),
    ("NumericGreaterThanEquals", Comparison::NumericGreaterThanEquals, false),
    ("DateEquals", Comparison::DateEquals, false),
    ("DateNotEquals", Comparison::DateEquals, true),
    ("DateLessThan", Comparison::DateLessThan, false),
    ("DateLessThanEquals", Comparison::DateLessThanEquals, false),
    ("DateGreaterThan", Comparison::DateGreaterThan, false),
    ("DateGreaterThanEquals", Comparison::DateGreaterThanEquals, false),
    ("Bool", Comparison::Bool, false),
    ("BinaryEquals", Comparison::BinaryEquals, false),
    ("IpAddress", Comparison::IpAddress, false),
    ("NotIpAddress", Comparison::IpAddress, true),
    ("ArnEquals", Comparison::ArnEquals, false),
    ("ArnNotEquals", Comparison::ArnEquals, true),
    ("ArnLike", Comparison::ArnLike, false),
    ("ArnNotLike", Comparison::ArnLike, true),
    ("Null", Comparison::Null, false),
];

impl Operator {
    /// The plain operator of a comparison: neither negated nor `IfExists`.
    #[must_use]
    pub fn plain(comparison: Comparison) -> Self {
        Self { quantifier: None, comparison, negated: false, if_exists: false }
    }

    /// Reads an operator's name; case counts in none of its parts, as on AWS. `None` when there is no such
    /// operator (`Null` has no `IfExists` form).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (quantifier, rest) = split_quantifier(text);
        let (name, if_exists) = match split_suffix(rest, "IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (_, comparison, negated) = NAMES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
        if if_exists && *comparison == Comparison::Null {
            return None;
        }
        Some(Self { quantifier, comparison: *comparison, negated: *negated, if_exists })
    }

    fn name(self) -> &'static str {
        let found =
            NAMES.iter().find(|(_, comparison, negated)| (*comparison, *negated) == (self.comparison, self.negated));
        found.map_or_else(|| unreachable!("operators are made from their names only"), |(name, ..)| name)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.quantifier.map_or("", Quantifier::prefix))?;
        formatter.write_str(self.name())?;
        formatter.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

fn split_quantifier(text: &str) -> (Option<Quantifier>, &str) {
    for quantifier in [Quantifier::ForAllValues, Quantifier::ForAnyValue] {
        let prefix = quantifier.prefix();
        if text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            return (Some(quantifier), &text[prefix.len()..]);
        }
    }
    (None, text)
}

fn split_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    text.get(at..)?.eq_ignore_ascii_case(suffix).then(|| &text[..at])
}
