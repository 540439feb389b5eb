//! The operator's own access key: made at the first start, kept in the data directory.
//!
//! The file has the form of an AWS credentials file, so that `AWS_SHARED_CREDENTIALS_FILE` can name it. The
//! secret is never printed or logged, only the path.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const OWNER_ONLY: u32 = 0o600;

/// An access key id with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RootKey {
    /// `AKIA` and sixteen letters and digits.
    pub access_key_id: String,
    /// Forty characters.
    pub secret_access_key: String,
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RootKey").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Why there is no operator's key.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read or written.
    #[error("failed to {attempt} the operator's access key in {}", path.display())]
    File {
        /// "read" or "write".
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file lacks one of its two values.
    #[error("{} has no {name}; restore it, or remove the file to get a new key", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The value that is missing.
        name: &'static str,
    },
    /// The kernel gave no randomness.
    #[error("failed to get randomness for a new access key")]
    Randomness {
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Reads the operator's key, or makes and keeps a new one when there is none.
///
/// # Errors
/// When the file cannot be read, written or understood.
pub fn load_or_create(path: &Path) -> Result<RootKey, CredentialsError> {
    let failed = |attempt| move |source| CredentialsError::File { attempt, path: path.to_owned(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text).map_err(|name| CredentialsError::Incomplete { path: path.to_owned(), name }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = generate()?;
            write(path, &key).map_err(failed("write"))?;
            Ok(key)
        }
        Err(error) => Err(failed("read")(error)),
    }
}

fn parse(text: &str) -> Result<RootKey, &'static str> {
    let value = |name: &'static str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .ok_or(name)
    };
    Ok(RootKey { access_key_id: value("aws_access_key_id")?, secret_access_key: value("aws_secret_access_key")? })
}

/// Writes beside and renames, so that a crash never leaves half a key.
fn write(path: &Path, key: &RootKey) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    let _ = std::fs::remove_file(&partial);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&partial)?;
    write!(
        file,
        "# The operator's access key of this Tindra server. Keep it secret.\n[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        key.access_key_id, key.secret_access_key
    )?;
    file.sync_all()?;
    std::fs::rename(partial, path)
}

fn generate() -> Result<RootKey, CredentialsError> {
    let id: [u8; 16] = random()?;
    let secret: [u8; 30] = random()?;
    let id: String = id.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    Ok(RootKey { access_key_id: format!("AKIA{id}"), secret_access_key: STANDARD.encode(secret) })
}

fn random<const N: usize>() -> Result<[u8; N], CredentialsError> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let count = rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())
            .map_err(|error| CredentialsError::Randomness { source: error.into() })?;
        filled += count;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_only_the_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        let first = load_or_create(&path).unwrap();
        assert_eq!(first.access_key_id.len(), 20);
        assert_eq!(first.secret_access_key.len(), 40);
        assert_eq!(load_or_create(&path).unwrap(), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{first:?}").contains(&first.secret_access_key));
    }

    #[test]
    fn a_damaged_file_is_not_replaced_silently() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        std::fs::write(&path, "[default]\naws_access_key_id = AKIAX\n").unwrap();
        let error = load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("aws_secret_access_key"), "{error}");
    }
}
