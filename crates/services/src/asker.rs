//! Who asks a service, and by which address they reached us.

use tindra_core::function::Scope;

use crate::iam::Identity;

/// Who asks a service, and by which address they reached us.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Account and region whose resources are meant.
    pub scope: &'a Scope,
    /// Who it is.
    pub identity: &'a Identity,
    /// For URLs in answers: scheme, host and port.
    pub endpoint: &'a str,
    /// Of the request.
    pub request_id: &'a str,
    /// `X-Amzn-Trace-Id`, which functions' SDKs send: what follows from the request goes on with it, so that loops are found.
    pub trace_id: Option<&'a str>,
}
