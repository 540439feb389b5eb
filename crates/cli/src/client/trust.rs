//! Which authorities the client believes when a server speaks TLS.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The variable that AWS's own tools read for the same.
const BUNDLE_VARIABLE: &str = "AWS_CA_BUNDLE";

/// Where the certificates of authorities come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Only those of this PEM file; those of the system without it.
    pub(crate) bundle: Option<PathBuf>,
}

impl Trust {
    /// The file that `AWS_CA_BUNDLE` names, if it names one.
    pub(crate) fn from_environment() -> Self {
        let bundle = std::env::var_os(BUNDLE_VARIABLE).filter(|path| !path.is_empty());
        Self { bundle: bundle.map(PathBuf::from) }
    }

    /// How a connection over TLS is made.
    pub(super) fn config(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        match &self.bundle {
            Some(path) => add_bundle(&mut roots, path)
                .with_context(|| format!("failed to read certificates from {}", path.display()))?,
            // One that cannot be read is left out; another may do.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        with_roots(roots)
    }

    /// For a connection without TLS.
    pub(super) fn nobody() -> Result<ClientConfig> {
        with_roots(RootCertStore::empty())
    }
}

fn with_roots(roots: RootCertStore) -> Result<ClientConfig> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add_bundle(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    let (added, _) = roots.add_parsable_certificates(certificates);
    ensure!(added > 0, "it holds none");
    Ok(())
}
