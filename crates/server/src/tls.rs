//! TLS from the operator's certificate and key files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// Why the certificate and the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read or is not PEM.
    #[error("failed to read {what} from {}", path.display())]
    Pem {
        /// "a certificate" or "a private key".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PemError,
    },
    /// The file is PEM but holds no such thing.
    #[error("{} holds no {what}; a PEM block that begins with -----BEGIN {marker}----- is needed", path.display())]
    Missing {
        /// "certificate" or "private key".
        what: &'static str,
        /// `CERTIFICATE` or `PRIVATE KEY`.
        marker: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are there, but cannot be used together.
    #[error("failed to use the certificate {} with the key {}", certificate.display(), key.display())]
    Unusable {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// Why, usually a key that belongs to another certificate.
        #[source]
        source: rustls::Error,
    },
}

/// An acceptor that speaks TLS 1.2 and 1.3 with the given certificate.
///
/// # Errors
/// When a file cannot be read, holds no certificate or key, or the two do not belong together.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let unusable =
        |source| TlsError::Unusable { certificate: files.certificate.clone(), key: files.key.clone(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem { what: "a certificate", path: path.to_owned(), source };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if chain.is_empty() {
        return Err(TlsError::Missing { what: "certificate", marker: "CERTIFICATE", path: path.to_owned() });
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| match source {
        PemError::NoItemsFound => {
            TlsError::Missing { what: "private key", marker: "PRIVATE KEY", path: path.to_owned() }
        }
        source => TlsError::Pem { what: "a private key", path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_with_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty.pem");
        std::fs::write(&empty, "no pem here\n").unwrap();
        let absent = directory.path().join("absent.pem");
        for (path, expected) in [(&empty, "holds no certificate"), (&absent, "failed to read a certificate from")] {
            let files = TlsFiles { certificate: path.clone(), key: path.clone() };
            let error = acceptor(&files).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
