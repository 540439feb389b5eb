//! File names for groups and streams, whose own names hold `/`, `[$LATEST]` and anything else.

use sha2::{Digest, Sha256};

/// Longest name that is encoded as it is; a file name may have 255 bytes, of which a segment needs 17 more.
const ENCODED_BYTES_MAX: usize = 180;
/// What is kept of a longer one in front of its hash, for the eye.
const PREFIX_BYTES: usize = 100;

/// One file name for one name: letters, digits, `-` and `_` stay, all else is percent-encoded, and what gets
/// too long ends in a hash. `.` is encoded too, so no result is `.` or `..`, and `.` can divide parts.
pub(super) fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    if encoded.is_empty() {
        return "%".to_owned();
    }
    if encoded.len() > ENCODED_BYTES_MAX {
        encoded.truncate(PREFIX_BYTES);
        encoded.push('~');
        encoded.push_str(&format!("{:x}", Sha256::digest(name.as_bytes())));
    }
    encoded
}

/// The file name of a segment.
pub(super) fn segment(stream: &str, base: u64) -> String {
    format!("{}.{base:016x}", encode(stream))
}

/// The encoded stream and the position of the first event of a segment's file name.
pub(super) fn parse_segment(file_name: &str) -> Option<(&str, u64)> {
    let (stream, base) = file_name.rsplit_once('.')?;
    if stream.is_empty() || base.len() != 16 {
        return None;
    }
    Some((stream, u64::from_str_radix(base, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_distinct() {
        let long = "x/".repeat(256);
        let longer = format!("{long}y");
        let names = ["", ".", "..", "/", "a/b", "a%2Fb", "2026/11/23/[$LATEST]0f", "ä", "a.b", &long, &longer];
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            let encoded = segment(name, 7);
            assert!(encoded.len() <= 255 && !encoded.contains('/') && !encoded.starts_with('.'), "{encoded}");
            let (stream, base) = parse_segment(&encoded).unwrap();
            assert_eq!((stream, base), (encode(name).as_str(), 7));
            assert!(seen.insert(encoded), "{name} is not distinct");
        }
    }
}
