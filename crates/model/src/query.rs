//! The query protocol: a form in, XML out.
//!
//! `Action` and `Version` name the operation. A member is a parameter; inside structures, lists and maps the
//! names are joined with dots: `Tags.member.1.Key`.

mod read;
mod write;

use std::borrow::Cow;

use crate::decode::percent_decode;

/// The parameters of a request: those of its query string, then those of its body.
fn parameters<'a>(query: &'a str, body: &'a [u8]) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
    let body = std::str::from_utf8(body).unwrap_or_default().trim_end_matches(['\r', '\n']);
    query.split('&').chain(body.split('&')).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (plain(name), plain(value))
    })
}

/// A name or value of a form, in which a plus is a space.
fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        Cow::Owned(percent_decode(&text.replace('+', " ")).into_owned())
    } else {
        percent_decode(text)
    }
}

/// What a form asks for: its `Action`, and its `Version` when it says one.
pub(crate) fn action<'a>(query: &'a str, body: &'a [u8]) -> Option<(Cow<'a, str>, Option<Cow<'a, str>>)> {
    let find = |wanted: &str| parameters(query, body).find(|(name, _)| name == wanted).map(|(_, value)| value);
    Some((find("Action")?, find("Version")))
}

#[cfg(test)]
mod tests;
