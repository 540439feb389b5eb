//! Why a request did not succeed.

use std::error::Error;
use std::fmt;

use http::{HeaderMap, StatusCode};

use crate::exit_code::ExitCode;

type Cause = Box<dyn Error + Send + Sync>;

/// Why a request did not succeed.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Nobody answers at the address.
    Unreachable { base: String, source: Cause },
    /// The connection broke before the answer was whole.
    Broken { source: Cause },
    /// No answer in time.
    TooSlow { seconds: u64 },
    /// The server refused.
    Refused { status: StatusCode, code: String, message: String },
    /// The answer is not what it should be.
    Unintelligible { source: Cause },
    /// The request cannot be made.
    Request { source: Cause },
    /// Somebody answers at the address whose certificate nobody vouches for, or who speaks no TLS.
    Untrusted { base: String, source: Cause },
}

impl ClientError {
    /// From hyper's: whether the server was reached at all is what matters.
    pub(super) fn exchange(base: &str, source: hyper_util::client::legacy::Error) -> Self {
        let base = base.to_owned();
        if source.is_connect() {
            let innermost = innermost(&source);
            let cause = innermost.to_string().into();
            if is_of_tls(innermost) {
                Self::Untrusted { base, source: cause }
            } else {
                Self::Unreachable { base, source: cause }
            }
        } else {
            Self::Broken { source: source.into() }
        }
    }

    /// From an answer of 300 and above, in the form of Lambda (header) or CloudWatch Logs (`__type`).
    pub(super) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| json.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let code = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let code = code.or_else(|| text("__type")).unwrap_or_default();
        // Both forms may carry a namespace or an address behind or before the name.
        let code = code.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default().to_owned();
        let message = text("message").or_else(|| text("Message")).unwrap_or_default();
        Self::Refused { status, code, message }
    }

    /// The error code when the server refused.
    pub(crate) fn refusal_code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// True when the thing asked for does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.refusal_code() == Some("ResourceNotFoundException")
    }

    /// What the reader can do.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => {
                "start a server with `tindra serve`, or say where it is with --endpoint-url or AWS_ENDPOINT_URL"
            }
            Self::Untrusted { .. } => {
                "name the certificate of the authority that vouches for the server: AWS_CA_BUNDLE=FILE; `tindra dev --tls` prints its own"
            }
            Self::Broken { .. } | Self::TooSlow { .. } => "look at the server's log",
            Self::Unintelligible { .. } => "check that a Tindra server answers at this address: tindra status",
            Self::Request { .. } => return None,
            Self::Refused { code, .. } => match code.as_str() {
                "ResourceNotFoundException" => "`tindra list` shows the functions of this server and region",
                "UnrecognizedClientException" | "InvalidSignatureException" | "MissingAuthenticationTokenException" => {
                    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the server keeps the operator's in DATA/credentials"
                }
                "TooManyRequestsException" => "try again in a moment",
                _ => return None,
            },
        };
        Some(hint.to_owned())
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unreachable { .. } | Self::Untrusted { .. } => ExitCode::Unreachable,
            _ => ExitCode::Failure,
        }
    }
}

/// An error of TLS comes inside of those of input and output, which show what is in them as if it were their own.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || inside.is_some_and(|inside| is_of_tls(inside))
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { base, .. } => write!(formatter, "failed to reach a server at {base}"),
            Self::Broken { .. } => write!(formatter, "failed to get the whole answer"),
            Self::TooSlow { seconds } => write!(formatter, "failed to get an answer within {seconds} s"),
            Self::Refused { status, code, message } if code.is_empty() && message.is_empty() => {
                write!(formatter, "the server answered {status}")
            }
            Self::Refused { code, message, .. } => write!(formatter, "{code}: {message}"),
            Self::Unintelligible { .. } => write!(formatter, "failed to understand the answer"),
            Self::Request { .. } => write!(formatter, "failed to make the request"),
            Self::Untrusted { base, .. } => write!(formatter, "failed to make a TLS connection to {base}"),
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { source, .. }
            | Self::Untrusted { source, .. }
            | Self::Broken { source }
            | Self::Unintelligible { source }
            | Self::Request { source } => Some(source.as_ref()),
            Self::TooSlow { .. } | Self::Refused { .. } => None,
        }
    }
}
