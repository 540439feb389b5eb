//! What can go wrong, one name for each step.

use std::io;
use std::path::PathBuf;

/// Why a sandbox, or something that it needs, could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The launcher process could not be started.
    #[error("failed to start the sandbox launcher: {attempt}")]
    Launcher {
        /// What was attempted.
        attempt: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The launcher process has ended, so that nothing can be started any more.
    #[error("the sandbox launcher has ended; restart the server")]
    LauncherGone,
    /// A step inside the launcher or the new sandbox failed.
    #[error("failed to {step}: {cause}")]
    Step {
        /// What was attempted, as it reads after "failed to".
        step: String,
        /// The system's answer; it comes from another process, so that it is text here.
        cause: String,
    },
    /// A file of a control group could not be read or written.
    #[error("failed to use the control-group file {}", path.display())]
    ControlGroup {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// A failed step on its way to another process.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Failure {
    pub(crate) step: String,
    pub(crate) cause: String,
}

impl From<Failure> for SandboxError {
    fn from(failure: Failure) -> Self {
        Self::Step { step: failure.step, cause: failure.cause }
    }
}

/// Names the step that an I/O result belongs to.
pub(crate) trait Step<T> {
    /// `step` reads after "failed to".
    fn step(self, step: &str) -> Result<T, Failure>;
}

impl<T, E: std::fmt::Display> Step<T> for Result<T, E> {
    fn step(self, step: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure { step: step.to_owned(), cause: error.to_string() })
    }
}
