//! Why a pack could not be had, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// What making or opening a pack fails with.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The runtime is known to the API and cannot be run here at all.
    #[error(
        "the runtime {runtime} cannot be run by this version of Tindra; it runs python3.N, nodejsN.x, javaN, provided.al2 and provided.al2023"
    )]
    Unsupported {
        /// The `Runtime` value.
        runtime: String,
    },
    /// No interpreter of that version was found.
    #[error(
        "no {language} was found on this machine for the runtime {runtime}; install one, or name it with: tindra runtime install {runtime} --from-host PATH"
    )]
    NoInterpreter {
        /// The `Runtime` value.
        runtime: String,
        /// For example `Python 3.14`.
        language: String,
    },
    /// The interpreter named is not of the runtime's version.
    #[error("{} is {found}, and the runtime {runtime} needs {needed}", path.display())]
    WrongVersion {
        /// The `Runtime` value.
        runtime: String,
        /// The interpreter.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it should be.
        needed: String,
    },
    /// A command that the making needs did not work.
    #[error("failed to {attempt}: {output}\nhint: {hint}")]
    Command {
        /// What was attempted.
        attempt: String,
        /// The last lines that it wrote.
        output: String,
        /// What to do.
        hint: String,
    },
    /// The file system refused.
    #[error("failed to {attempt} {}", path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The making thread ended without an answer.
    #[error("the making of the pack ended unexpectedly")]
    Crashed {
        /// The cause.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl PackError {
    /// An I/O error with what was attempted on which path.
    pub(crate) fn io(attempt: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { attempt, path: path.to_owned(), source }
    }
}
