//! The proof that a request for a connection was understood (RFC 6455, section 4.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// What a key is in base64.
const KEY_BYTES: usize = 16;

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`; none when it is no key.
pub(super) fn accept(key: &str) -> Option<String> {
    STANDARD.decode(key).ok().filter(|decoded| decoded.len() == KEY_BYTES)?;
    Some(STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{SALT}").as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ==").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(accept("dGhlIHNhbXBsZQ=="), None);
        assert_eq!(accept("nonsense!"), None);
    }
}
