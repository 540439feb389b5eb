//! Why a configuration cannot be used.

use std::path::PathBuf;

/// A setting that cannot be used: which, where it came from, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML, or holds a name or a type that is not known.
    #[error("failed to understand the configuration file {}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, column and problem.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// One setting is wrong.
    #[error("{setting} ({origin}) {problem}")]
    Invalid {
        /// The setting as the file calls it.
        setting: &'static str,
        /// `--listen`, `TINDRA_LISTEN`, `in /etc/tindra.toml` or `default`.
        origin: String,
        /// What is wrong, so that it reads after the setting.
        problem: String,
        /// What to do.
        remedy: String,
    },
}

impl ConfigError {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        match self {
            Self::Unreadable { .. } => "check the path given with --config and its permissions",
            Self::Malformed { .. } => "correct the line; `tindra serve --help` lists the settings",
            Self::Invalid { remedy, .. } => remedy,
        }
    }
}
