//! Compares one value of a request with one of a condition: numbers, dates, addresses, bytes.
//!
//! What cannot be read as the operator's kind compares as different, so a positive condition with it fails and
//! a negated one holds.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::pattern::Pattern;
use super::{Comparison, Context};

/// The condition's value, read once for all of the key's values.
pub(super) enum Operand<'a> {
    Text(Pattern),
    Plain(&'a str),
}

impl<'a> Operand<'a> {
    /// Reads a condition's value. Variables count in strings, ARNs and booleans, and only in the version of the
    /// language that has them. `None` when a variable has no value in this request.
    pub(super) fn read(
        comparison: Comparison,
        value: &'a str,
        context: &Context,
        with_variables: bool,
    ) -> Option<Self> {
        match comparison {
            Comparison::StringEquals
            | Comparison::StringEqualsIgnoreCase
            | Comparison::StringLike
            | Comparison::ArnEquals
            | Comparison::ArnLike
            | Comparison::Bool => {
                let pattern =
                    if with_variables { Pattern::with_variables(value, context)? } else { Pattern::new(value) };
                Some(Self::Text(pattern))
            }
            _ => Some(Self::Plain(value)),
        }
    }

    /// Whether the request's value passes the comparison.
    pub(super) fn accepts(&self, comparison: Comparison, actual: &str) -> bool {
        match self {
            Self::Text(pattern) => accepts_text(comparison, pattern, actual),
            Self::Plain(expected) => accepts_plain(comparison, expected, actual),
        }
    }
}

fn accepts_text(comparison: Comparison, pattern: &Pattern, actual: &str) -> bool {
    match comparison {
        Comparison::StringEqualsIgnoreCase | Comparison::Bool => pattern.equals(actual, true),
        Comparison::StringLike => pattern.matches(actual, false),
        Comparison::ArnEquals | Comparison::ArnLike => actual.starts_with("arn:") && pattern.matches_arn(actual),
        _ => pattern.equals(actual, false),
    }
}

fn accepts_plain(comparison: Comparison, expected: &str, actual: &str) -> bool {
    match comparison {
        Comparison::NumericEquals => both(number, actual, expected, |a, b| a == b),
        Comparison::NumericLessThan => both(number, actual, expected, |a, b| a < b),
        Comparison::NumericLessThanEquals => both(number, actual, expected, |a, b| a <= b),
        Comparison::NumericGreaterThan => both(number, actual, expected, |a, b| a > b),
        Comparison::NumericGreaterThanEquals => both(number, actual, expected, |a, b| a >= b),
        Comparison::DateEquals => both(date, actual, expected, |a, b| a == b),
        Comparison::DateLessThan => both(date, actual, expected, |a, b| a < b),
        Comparison::DateLessThanEquals => both(date, actual, expected, |a, b| a <= b),
        Comparison::DateGreaterThan => both(date, actual, expected, |a, b| a > b),
        Comparison::DateGreaterThanEquals => both(date, actual, expected, |a, b| a >= b),
        Comparison::BinaryEquals => both(bytes, actual, expected, |a, b| a == b),
        Comparison::IpAddress => in_network(actual, expected),
        _ => false,
    }
}

/// Reads both texts and compares them; false when one cannot be read.
fn both<T>(read: fn(&str) -> Option<T>, actual: &str, expected: &str, compare: fn(T, T) -> bool) -> bool {
    match (read(actual), read(expected)) {
        (Some(actual), Some(expected)) => compare(actual, expected),
        _ => false,
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A date and time of ISO 8601, a date alone (its first moment in UTC), or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok();
    }
    if let Ok(timestamp) = text.parse() {
        return Some(timestamp);
    }
    let civil = match text.parse::<DateTime>() {
        Ok(civil) => civil,
        Err(_) => text.parse::<Date>().ok()?.at(0, 0, 0, 0),
    };
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Whether an address is in a network (`203.0.113.0/24`, `2001:db8::/32`) or is the one that is named.
fn in_network(address: &str, network: &str) -> bool {
    let (base, prefix) = match network.split_once('/') {
        Some((base, prefix)) => (base, Some(prefix)),
        None => (network, None),
    };
    let (address, base, width) = match (address.parse(), base.parse()) {
        (Ok(IpAddr::V4(address)), Ok(IpAddr::V4(base))) => (left_aligned(address), left_aligned(base), 32),
        (Ok(IpAddr::V6(address)), Ok(IpAddr::V6(base))) => (address.to_bits(), base.to_bits(), 128),
        _ => return false,
    };
    let prefix = prefix.map_or(Some(width), |text| text.parse().ok());
    prefix.is_some_and(|prefix| prefix <= width && same_bits(address, base, prefix))
}

fn left_aligned(address: Ipv4Addr) -> u128 {
    u128::from(address.to_bits()) << 96
}

/// Whether two addresses share their first `count` bits, at most 128.
fn same_bits(left: u128, right: u128, count: u32) -> bool {
    count == 0 || (left ^ right) >> (128 - count) == 0
}
