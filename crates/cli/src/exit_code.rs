//! What the process says when it ends. Scripts rely on these numbers; they are part of the reference.

/// Every exit code of `tindra`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// It did what was asked for.
    Success = 0,
    /// It failed; stderr says why.
    Failure = 1,
    /// The command line or the configuration cannot be used.
    Usage = 2,
    /// The function ran and answered with an error, which is on stdout.
    FunctionError = 3,
    /// The server cannot be reached.
    Unreachable = 4,
}

impl ExitCode {
    /// Number and meaning, for the reference.
    pub(crate) const TABLE: [(Self, &'static str); 5] = [
        (Self::Success, "done, or stopped as asked"),
        (Self::Failure, "failed; stderr says why"),
        (Self::Usage, "the command line or the configuration cannot be used"),
        (Self::FunctionError, "the function ran and answered with an error"),
        (Self::Unreachable, "the server cannot be reached"),
    ];
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
