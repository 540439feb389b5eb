//! Identifiers, out of the kernel's randomness.

use std::io;

use super::RestApiError;

const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const MIXED: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Letters of the id of an API, an API key or a root resource (AWS).
const LONG: usize = 10;
/// Letters of everything else that has an id (AWS).
const SHORT: usize = 6;
/// Letters of a generated API key (AWS).
const KEY: usize = 40;

/// Of an API, a root resource, or an API key.
pub(super) fn long() -> Result<String, RestApiError> {
    spelled(ALPHABET, LONG)
}

/// Of a resource, a deployment, an authorizer, a usage plan.
pub(super) fn short() -> Result<String, RestApiError> {
    spelled(ALPHABET, SHORT)
}

/// The value of an API key.
pub(super) fn key_value() -> Result<String, RestApiError> {
    spelled(MIXED, KEY)
}

/// Letters drawn from an alphabet; bytes above its largest multiple are thrown away, so that all are as likely.
fn spelled(alphabet: &[u8], letters: usize) -> Result<String, RestApiError> {
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(letters);
    while text.len() < letters {
        let bytes = random()?;
        let drawn = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        text.extend(drawn.take(letters - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    Ok(text)
}

fn random() -> Result<[u8; 64], RestApiError> {
    let mut bytes = [0; 64];
    let read = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(io::Error::from);
    match read {
        Ok(64) => Ok(bytes),
        _ => Err(RestApiError::new("ServiceUnavailableException", "There is no randomness for an identifier.")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_have_the_lengths_and_letters_of_aws() {
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let (long, short, key) = (super::long().unwrap(), super::short().unwrap(), super::key_value().unwrap());
        assert!(long.len() == 10 && is_plain(&long), "{long}");
        assert!(short.len() == 6 && is_plain(&short), "{short}");
        assert!(key.len() == 40 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
        assert_ne!(long, super::long().unwrap());
    }
}
