//! Custom domains: names of the operator's own that lead to a function or an API.

use std::path::PathBuf;

use serde::Deserialize;

use super::TlsFiles;

/// A custom domain as `[[domains]]` of the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainSettings {
    /// The host name, for example `api.example.com`.
    pub name: String,
    /// The function whose URL it leads to.
    pub function: Option<String>,
    /// With `function`: the alias whose URL it leads to. Default: the URL of the function itself.
    pub alias: Option<String>,
    /// The id of the API that it leads to.
    pub api: Option<String>,
    /// With `api`: the stage. Default `$default`.
    pub stage: Option<String>,
    /// PEM file with the certificate chain for this name; needs `tls_key`. Default: the server's.
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the private key for this name; needs `tls_cert`.
    pub tls_key: Option<PathBuf>,
}

/// A custom domain, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The host name, in small letters, without a port.
    pub name: String,
    /// Where it leads, in the server's `account` and `region`.
    pub target: DomainTarget,
    /// Its own certificate; none for the server's.
    pub tls: Option<TlsFiles>,
}

/// Where a custom domain leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainTarget {
    /// The URL of a function.
    Function {
        /// Its name.
        name: String,
        /// Whose URL it is, if not the function's own.
        alias: Option<String>,
    },
    /// A stage of an API.
    Api {
        /// Its id.
        id: String,
        /// The stage's name.
        stage: String,
    },
}
