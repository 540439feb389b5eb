//! Who asks.

use tindra_core::function::Scope;

/// On whose behalf a request comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Somebody with an access key of the account.
    Operator,
    /// A function, as its execution role (the ARN).
    Role(String),
}

/// A caller who has been authenticated, and how the request came.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Account and region of the request.
    pub scope: Scope,
    /// On whose behalf.
    pub principal: Principal,
    /// The request's id.
    pub request_id: String,
    /// The server as the client reached it, for links in answers: `http://127.0.0.1:4566`.
    pub endpoint: String,
}
