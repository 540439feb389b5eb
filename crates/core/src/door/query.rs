//! Queries: `a=1&b=2`.

use super::percent;

/// Names and values as they came, percent-encoded. A name without `=` has the empty value.
pub(super) fn raw(query: Option<&str>) -> Vec<(String, String)> {
    parts(query).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Names and values decoded.
pub(super) fn decoded(query: Option<&str>) -> Vec<(String, String)> {
    parts(query).map(|(name, value)| (percent::decode_form(name), percent::decode_form(value))).collect()
}

fn parts(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    query
        .unwrap_or_default()
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
}
