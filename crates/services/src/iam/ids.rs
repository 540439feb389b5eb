//! Identifiers and secrets, out of the kernel's randomness.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use sha2::{Digest as _, Sha256};

use super::IamError;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Letters after the prefix of a user's, role's or policy's id (AWS: 21 in all).
const ENTITY_LETTERS: usize = 17;
/// Letters after the prefix of an access key's id (AWS: 20 in all).
const KEY_LETTERS: usize = 16;

/// `AIDA…` for a user, `AROA…` for a role, `ANPA…` for a policy.
pub(super) fn entity(prefix: &str) -> Result<String, IamError> {
    let bytes: [u8; ENTITY_LETTERS] = random()?;
    Ok(spelled(prefix, &bytes))
}

/// An id that is always the same for a name.
pub(super) fn named(prefix: &str, name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    spelled(prefix, digest.get(..ENTITY_LETTERS).unwrap_or_default())
}

/// `AKIA…` for a key that lasts, `ASIA…` for one that expires.
pub(crate) fn access_key(prefix: &str) -> Result<String, IamError> {
    let bytes: [u8; KEY_LETTERS] = random()?;
    Ok(spelled(prefix, &bytes))
}

/// Forty characters.
pub(crate) fn secret() -> Result<String, IamError> {
    let bytes: [u8; 30] = random()?;
    Ok(STANDARD.encode(bytes))
}

/// Of the length that AWS's tokens have, because clients store them in fields of that length.
pub(crate) fn session_token() -> Result<String, IamError> {
    let bytes: [u8; 120] = random()?;
    Ok(STANDARD.encode(bytes))
}

fn spelled(prefix: &str, bytes: &[u8]) -> String {
    let letters = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    prefix.chars().chain(letters).collect()
}

fn random<const N: usize>() -> Result<[u8; N], IamError> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let read = rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty());
        filled += read.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "failed to get randomness for a key");
            IamError::failure()
        })?;
    }
    Ok(bytes)
}
