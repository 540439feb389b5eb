//! The canonical form of a request: what a signature is made over.

use crate::decode::percent_decode;

use super::Signed;

/// A request with what of it is signed.
pub(super) struct Canonical<'a> {
    pub(super) request: &'a Signed<'a>,
    pub(super) signed_headers: &'a [String],
    pub(super) payload_hash: &'a str,
    pub(super) is_s3: bool,
}

impl Canonical<'_> {
    pub(super) fn text(&self) -> String {
        let headers: String =
            self.signed_headers.iter().map(|name| format!("{name}:{}\n", self.header(name))).collect();
        let query = canonical_query(self.request.query);
        let path = if self.is_s3 { s3_path(self.request.path) } else { canonical_path(self.request.path) };
        let names = self.signed_headers.join(";");
        format!("{}\n{path}\n{query}\n{headers}\n{names}\n{}", self.request.method, self.payload_hash)
    }

    /// All values of a header, joined, with runs of spaces as one.
    fn header(&self, name: &str) -> String {
        let values = self.request.headers.get_all(name).iter().map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        });
        values.collect::<Vec<_>>().join(",")
    }
}

/// The path encoded once more, which is what every service but S3 signs; `.` and `..` are resolved.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut canonical: String = segments.iter().map(|segment| format!("/{}", encode(segment))).collect();
    if canonical.is_empty() || path.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

/// The path as it is, every character that needs it encoded once: keys may hold empty segments and dots.
fn s3_path(path: &str) -> String {
    path.split('/').map(|segment| encode(&percent_decode(segment))).collect::<Vec<_>>().join("/")
}

/// Names and values encoded and sorted, without the signature itself.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(&percent_decode(name)), encode(&percent_decode(value))))
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The decoded value of a query parameter.
pub(super) fn query_value(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
    Some(percent_decode(pair.1).into_owned())
}

/// Percent-encodes all but the unreserved characters of RFC 3986, as signatures, paths of S3 and forms want it.
#[must_use]
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}
