//! What a single value is compared with.

use std::net::IpAddr;

use serde_json::Value;

use super::wildcard::Wildcard;

/// What a single value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comparison {
    /// The same text, truth value, or null.
    Same(Value),
    /// The same number, however it is written.
    Number(f64),
    /// There is a value (true), or there is none.
    Exists(bool),
    Text(Text),
    /// Between bounds.
    Numeric(Range),
    Network(Network),
    /// Any value but these.
    Neither(Vec<Comparison>),
}

/// What a text is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Without regard of upper and lower case.
    Same(String),
    Prefix {
        prefix: String,
        ignores_case: bool,
    },
    Suffix {
        suffix: String,
        ignores_case: bool,
    },
    Wildcard(Wildcard),
}

/// A range of numbers; a bound with `true` is inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) from: Option<(f64, bool)>,
    pub(super) to: Option<(f64, bool)>,
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) address: IpAddr,
    /// Bits of the address that must be the same.
    pub(super) bits: u32,
}

impl Comparison {
    /// The text that is wanted, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Same(value) => value.as_str(),
            _ => None,
        }
    }

    /// Whether a value fits; of a list, one of its elements. Objects are no values.
    pub(super) fn fits_any(&self, value: &Value) -> bool {
        match value {
            Value::Array(elements) => elements.iter().any(|element| self.fits_any(element)),
            Value::Object(_) => false,
            value => self.fits(value),
        }
    }

    fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Same(wanted) => value == wanted,
            Self::Number(wanted) => value.as_f64() == Some(*wanted),
            Self::Exists(exists) => *exists,
            Self::Text(text) => value.as_str().is_some_and(|value| text.fits(value)),
            Self::Numeric(range) => value.as_f64().is_some_and(|value| range.has(value)),
            Self::Network(network) => value.as_str().is_some_and(|value| network.has(value)),
            Self::Neither(unwanted) => !unwanted.iter().any(|unwanted| unwanted.fits(value)),
        }
    }
}

impl Text {
    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Same(wanted) => is_same(value, wanted),
            Self::Prefix { prefix, ignores_case: false } => value.starts_with(prefix.as_str()),
            Self::Suffix { suffix, ignores_case: false } => value.ends_with(suffix.as_str()),
            Self::Prefix { prefix, ignores_case: true } => lower(value).starts_with(&lower(prefix)),
            Self::Suffix { suffix, ignores_case: true } => lower(value).ends_with(&lower(suffix)),
            Self::Wildcard(wildcard) => wildcard.matches(value),
        }
    }
}

fn is_same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right) || lower(left) == lower(right)
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

impl Range {
    fn has(&self, value: f64) -> bool {
        let from = self.from.is_none_or(|(bound, is_inside)| value > bound || (is_inside && value == bound));
        let to = self.to.is_none_or(|(bound, is_inside)| value < bound || (is_inside && value == bound));
        from && to
    }
}

impl Network {
    fn has(&self, text: &str) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let Ok(address) = text.parse::<IpAddr>() else { return false };
        let ((given, given_length), (wanted, wanted_length)) = (bits(address), bits(self.address));
        given_length == wanted_length && (given ^ wanted).checked_shr(128 - self.bits).unwrap_or(0) == 0
    }
}
