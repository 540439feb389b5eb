//! Why a server does not start, or does not go on.

use std::io;
use std::net::SocketAddr;

use crate::credentials::CredentialsError;
use crate::data_directory::DataDirectoryError;
use crate::tls::TlsError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The step of the start that failed.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// See [`DataDirectoryError`].
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    /// See [`CredentialsError`].
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// See [`TlsError`].
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be had.
    #[error("failed to listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("failed to listen for signals")]
    Signals {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The launcher process does not start.
    #[error("failed to start the sandbox launcher")]
    Launcher {
        /// Why.
        #[source]
        source: Cause,
    },
    /// Functions would be less confined than on the machine of somebody who only serves himself.
    #[error("sandbox layers are missing on this machine ({layers}), and {address} can be reached from other machines")]
    MissingLayers {
        /// Where it would listen.
        address: SocketAddr,
        /// The names of the layers.
        layers: String,
    },
    /// The storage no longer makes anything durable.
    #[error(
        "stopped, because the store {cause}; see to the disk or the database, then start the server again: everything that was answered is there"
    )]
    StoreFailed {
        /// Reads after "the store".
        cause: String,
    },
    /// Another part does not start.
    #[error("failed to start the {part}")]
    Part {
        /// For example "store".
        part: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
}

impl ServerError {
    pub(crate) fn bind(address: SocketAddr, source: io::Error) -> Self {
        Self::Bind { address, source }
    }

    /// What the operator can do about it, where there is something.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Bind { source, .. } => Some(bind_remedy(source)),
            Self::MissingLayers { .. } => {
                Some("listen on a loopback address, add what is missing, or accept it with --allow-missing-layers")
            }
            Self::DataDirectory(DataDirectoryError::InUse { .. }) => {
                Some("stop that server, or give this one its own directory with --data")
            }
            Self::DataDirectory(DataDirectoryError::Unusable { .. }) => Some("give a writable directory with --data"),
            _ => None,
        }
    }
}

/// What to do about an address that cannot be bound.
fn bind_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there: end it (`ss -ltnp` shows it), or choose another port with --listen"
        }
        io::ErrorKind::AddrNotAvailable => "the address is not of this machine: `ip address` lists those that are",
        io::ErrorKind::PermissionDenied => "ports below 1024 need root: choose a higher one with --listen",
        _ => "choose another address with --listen HOST:PORT",
    }
}
