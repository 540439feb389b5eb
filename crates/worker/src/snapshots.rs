//! The port to whoever makes the snapshots that the environments of published versions begin from.

use std::fmt::Debug;

use tindra_core::function::{Function, Reason};
use tindra_core::report::Status;
use tindra_store::BoxFuture;

/// Makes snapshots. They live in memory: after a restart of the server there are none, and they are made anew when
/// they are first needed, without the function's record changing.
pub trait Snapshots: Debug + Send + Sync {
    /// Makes the snapshot of a version whose pack and code are ready: starts it, lets it come to the end of its init
    /// phase and of its before-snapshot hooks, no longer than the larger of its timeout and
    /// [`tindra_core::limits::SNAPSHOT_INIT_TIMEOUT_MS`], and keeps what has become of it.
    ///
    /// A second call for the same deployment finds the work done. Dropped halfway, nothing is kept. The error is the
    /// version's `StateReason`; [`failed`] tells it of a function that failed.
    fn make<'a>(&'a self, function: &'a Function) -> BoxFuture<'a, Result<(), Reason>>;
}

/// Why a version has no snapshot whose own code did not come to the end of its init phase: AWS's sentence, and what
/// `INIT_REPORT` says of it.
#[must_use]
pub fn failed(status: &Status) -> Reason {
    let cause = match status {
        Status::Error(error_type) | Status::Failure(error_type) => error_type,
        Status::Timeout => "timeout",
        Status::Success => "success",
    };
    let message = format!(
        "AWS Lambda could not invoke your SnapStart function. If this error persists, check your function's CloudWatch logs for initialization errors. ({cause})"
    );
    Reason { code: "FunctionError".to_owned(), message }
}
