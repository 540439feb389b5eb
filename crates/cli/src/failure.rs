//! How a command fails: what was attempted, why it did not work, and what to do about it.

use std::io;

use crate::client::ClientError;
use crate::exit_code::ExitCode;
use crate::{output, style};

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
    code: ExitCode,
}

impl Failure {
    /// A failure with what can be told from the error itself.
    pub(crate) fn new(error: anyhow::Error) -> Self {
        let client = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>());
        let (hint, code) = match client {
            Some(client) => (client.hint(), client.exit_code()),
            None => (None, ExitCode::Failure),
        };
        Self { error, hint, code }
    }

    /// Something on the command line or in a file that cannot be used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { error: anyhow::Error::msg(message.into()), hint: None, code: ExitCode::Usage }
    }

    /// The next action for whoever reads this; a hint that is already there stays.
    pub(crate) fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The next action, if the error's own says too little.
    pub(crate) fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        if let Some(hint) = hint {
            self.hint = Some(hint.into());
        }
        self
    }

    /// Another exit code than that of the error.
    pub(crate) fn code(mut self, code: ExitCode) -> Self {
        self.code = code;
        self
    }

    /// True when the server said that the thing asked for does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.error.chain().filter_map(|cause| cause.downcast_ref::<ClientError>()).any(ClientError::is_not_found)
    }

    /// True when writing failed only because nobody reads any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
            && self.error.chain().all(|cause| cause.downcast_ref::<ClientError>().is_none())
    }

    /// Tells the reader, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        output::note(&self.text());
        self.code
    }

    fn text(&self) -> String {
        let mut text = format!("{} {}", style::error("error:"), self.error);
        for cause in self.error.chain().skip(1) {
            text.push_str(&format!("\n  because: {cause}"));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n{} {hint}", style::hint("hint:")));
        }
        text
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::new(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_failure_tells_attempt_cause_and_remedy() {
        let error = Err::<(), _>(io::Error::other("no such thing")).context("failed to read app.py").unwrap_err();
        let failure = Failure::new(error).or_hint("check the path").or_hint("not this one");
        assert_eq!(failure.text(), "error: failed to read app.py\n  because: no such thing\nhint: check the path");
        assert_eq!(failure.code, ExitCode::Failure);
    }

    #[test]
    fn only_our_own_broken_pipe_is_success() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_broken_pipe());
        assert!(!Failure::usage("no").is_broken_pipe());
    }
}
