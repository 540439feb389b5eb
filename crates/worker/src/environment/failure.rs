//! The platform's error objects, byte for byte as callers of Lambda see them.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tindra_core::report::Status;
use tindra_sandbox::Exit;

const EXIT_ERROR: &str = "Runtime.ExitError";
const OUT_OF_MEMORY: &str = "Runtime.OutOfMemory";

/// Why an invoke or an init phase has no good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The runtime told: a handler's error in an invoke, an import error in the init phase.
    Reported { error_type: String, body: Bytes },
    /// The process ended.
    Exited { exit: Exit, out_of_memory: bool },
    /// The time was up.
    TimedOut,
    /// There is nothing to start.
    InvalidEntrypoint(String),
    /// The result has this many bytes, more than it may.
    TooLarge { bytes: u64, bytes_max: u64 },
    /// The result broke off.
    Truncated,
    /// The response-mode header has a value that means nothing.
    InvalidMode,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    #[serde(rename = "errorType")]
    error_type: &'a str,
    #[serde(rename = "errorMessage")]
    error_message: &'a str,
}

impl Failure {
    /// The error object that the caller gets.
    pub(crate) fn body(&self, request_id: &str, timeout: Duration) -> Bytes {
        let (error_type, message) = match self {
            Self::Reported { body, .. } => return body.clone(),
            Self::Exited { exit, out_of_memory } => (EXIT_ERROR, exit_message(*exit, *out_of_memory)),
            Self::TimedOut => {
                ("Sandbox.Timedout", format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()))
            }
            Self::InvalidEntrypoint(message) => ("Runtime.InvalidEntrypoint", message.clone()),
            Self::TooLarge { bytes, bytes_max } => {
                let message = format!(
                    "Response payload size ({bytes} bytes) exceeded maximum allowed payload size ({bytes_max} bytes)."
                );
                return object("Function.ResponseSizeTooLarge", &message);
            }
            Self::Truncated => ("Runtime.TruncatedResponse", "The response ended too early".to_owned()),
            Self::InvalidMode => ("Runtime.InvalidResponseModeHeader", "Invalid function response mode".to_owned()),
        };
        object(error_type, &format!("RequestId: {request_id} Error: {message}"))
    }

    /// How `REPORT` and `INIT_REPORT` tell it.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Reported { error_type, .. } => Status::Error(error_type.clone()),
            Self::Exited { out_of_memory: true, .. } => Status::Error(OUT_OF_MEMORY.to_owned()),
            Self::Exited { .. } => Status::Error(EXIT_ERROR.to_owned()),
            Self::TimedOut => Status::Timeout,
            Self::InvalidEntrypoint(_) => Status::Error("Runtime.InvalidEntrypoint".to_owned()),
            Self::TooLarge { .. } => Status::Error("Function.ResponseSizeTooLarge".to_owned()),
            Self::Truncated => Status::Error("Runtime.TruncatedResponse".to_owned()),
            Self::InvalidMode => Status::Error("Runtime.InvalidResponseModeHeader".to_owned()),
        }
    }

    /// Whether the process is still good after an invoke that ended so. A client whose answer was refused gives
    /// up, and may do so only when it has taken the next event.
    pub(crate) fn leaves_process(&self) -> bool {
        matches!(self, Self::Reported { .. })
    }
}

fn object(error_type: &str, error_message: &str) -> Bytes {
    serde_json::to_vec(&ErrorObject { error_type, error_message }).unwrap_or_default().into()
}

fn exit_message(exit: Exit, out_of_memory: bool) -> String {
    match exit {
        _ if out_of_memory => "Runtime exited with error: signal: killed".to_owned(),
        Exit::Code(0) => "Runtime exited without providing a reason".to_owned(),
        Exit::Code(code) => format!("Runtime exited with error: exit status {code}"),
        Exit::Signal(number) => format!("Runtime exited with error: signal: {}", signal_name(number)),
        Exit::Lost => "Runtime exited with error: signal: killed".to_owned(),
    }
}

/// The words of Go's `syscall.Signal`, which is what AWS's platform prints, with a core dump's suffix left out.
fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        16 => "stack fault",
        17 => "child exited",
        18 => "continued",
        19 => "stopped (signal)",
        20 => "stopped",
        21 => "stopped (tty input)",
        22 => "stopped (tty output)",
        23 => "urgent I/O condition",
        24 => "CPU time limit exceeded",
        25 => "file size limit exceeded",
        26 => "virtual timer expired",
        27 => "profiling timer expired",
        28 => "window changed",
        29 => "I/O possible",
        30 => "power failure",
        31 => "bad system call",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_of_lambda() {
        let exited = |exit| Failure::Exited { exit, out_of_memory: false };
        for (failure, expected) in [
            (
                Failure::TimedOut,
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 1.00 seconds"}"#,
            ),
            (
                exited(Exit::Code(127)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 127"}"#,
            ),
            (
                exited(Exit::Code(0)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited without providing a reason"}"#,
            ),
            (
                exited(Exit::Signal(9)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: signal: killed"}"#,
            ),
            (
                Failure::TooLarge { bytes: 6_300_002, bytes_max: 6_291_556 },
                r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size (6300002 bytes) exceeded maximum allowed payload size (6291556 bytes)."}"#,
            ),
        ] {
            assert_eq!(failure.body("ID", Duration::from_secs(1)), expected);
        }
    }
}
