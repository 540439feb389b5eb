//! Why a deployment failed, as `StateReason` and `StateReasonCode` tell it.

use tindra_core::function::{Code, Reason};

use crate::code_cache::CodeError;
use crate::packs::PackError;

pub(super) fn pack_reason(error: &PackError) -> Reason {
    let code = match error {
        PackError::Unsupported { .. } | PackError::NoInterpreter { .. } | PackError::WrongVersion { .. } => {
            "InvalidRuntime"
        }
        PackError::Command { .. } | PackError::Io { .. } | PackError::Crashed { .. } => "InternalError",
    };
    reason(code, with_causes(error))
}

pub(super) fn code_reason(error: &CodeError, code: &Code) -> Reason {
    match error {
        CodeError::Package(cause) => {
            reason("InvalidZipFileException", format!("The code package cannot be used: {cause}."))
        }
        _ => {
            tracing::error!(
                sha256 = code.sha256,
                error = with_causes(error),
                "the code of a deployment could not be had"
            );
            reason("InternalError", with_causes(error))
        }
    }
}

/// Unseen: the semaphores are never closed.
pub(super) fn stopping() -> Reason {
    reason("InternalError", "The server is stopping.".to_owned())
}

pub(super) fn reason(code: &str, message: String) -> Reason {
    Reason { code: code.to_owned(), message }
}

/// The error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
