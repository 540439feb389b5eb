//! TLS from the operator's certificate and key files: one certificate for whoever asks for no name, one for each
//! domain that has its own, chosen by the name in the client's hello, read anew when the files change.

pub mod development;
mod reload;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ResolvesServerCertUsingSni};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::config::{Domain, TlsFiles};
pub(crate) use reload::keep_fresh;

/// HTTP/2 first: a client that has both takes it.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

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
    /// The certificate of a domain is not for that domain.
    #[error("failed to use the certificate {} for the domain {domain}", certificate.display())]
    OtherDomain {
        /// The domain's name.
        domain: String,
        /// The certificate file.
        certificate: PathBuf,
        /// The names that it is for.
        #[source]
        source: rustls::Error,
    },
}

/// The certificates of one moment.
#[derive(Debug)]
pub struct Certificates {
    standard: Arc<CertifiedKey>,
    /// By the names of domains, in small letters.
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads them: the one for every name, and those of the domains that have their own.
    ///
    /// # Errors
    /// When a file cannot be read, holds no certificate or key, the two do not belong together, or a certificate
    /// is not for its domain.
    pub fn load(standard: &TlsFiles, domains: &[Domain]) -> Result<Self, TlsError> {
        let mut by_name = HashMap::new();
        for domain in domains {
            let Some(files) = &domain.tls else { continue };
            let key = certified_key(files)?;
            let other = |source| TlsError::OtherDomain {
                domain: domain.name.clone(),
                certificate: files.certificate.clone(),
                source,
            };
            // It is only asked whether the certificate bears the name.
            ResolvesServerCertUsingSni::new().add(&domain.name, key.clone()).map_err(other)?;
            by_name.insert(domain.name.clone(), Arc::new(key));
        }
        Ok(Self { standard: Arc::new(certified_key(standard)?), by_name })
    }

    fn choose(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let own = name.and_then(|name| self.by_name.get(&name.to_ascii_lowercase()));
        Arc::clone(own.unwrap_or(&self.standard))
    }
}

/// Chooses among the certificates that hold now.
#[derive(Debug)]
struct Chooser(watch::Receiver<Arc<Certificates>>);

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.borrow().choose(hello.server_name()))
    }
}

/// An acceptor that speaks TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, with whichever certificates hold at each handshake.
///
/// # Errors
/// When the cryptography at hand lacks one of the versions.
pub fn acceptor(certificates: watch::Receiver<Arc<Certificates>>) -> Result<TlsAcceptor, rustls::Error> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Chooser(certificates)));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certified_key(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|source| TlsError::Unusable {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })
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
            let error = Certificates::load(&files, &[]).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
