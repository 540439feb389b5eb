//! Who asks, and what they may do.

use std::net::IpAddr;
use std::sync::Arc;

use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::policy::{Context, Holdings, Policy, Request, Requester, authorise};

use crate::chunked::Trailers;

/// Somebody who asks.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Whose buckets are theirs, and where.
    pub scope: Scope,
    /// As notifications name them, for example `AWS:AIDA…`.
    pub principal_id: String,
    /// With which the request is to be signed: a key's id and its secret. None when nothing is verified, or nobody signed.
    pub key: Option<(String, String)>,
    /// What they may do; none when they may do everything.
    pub rights: Option<Rights>,
    /// From where.
    pub address: IpAddr,
    /// Of the request.
    pub request_id: String,
    /// `X-Amzn-Trace-Id`, for those who are told of what it changes.
    pub trace_id: Option<String>,
    /// When.
    pub now_ms: UnixMs,
    /// Whether a page of a site that is not on this machine may have had it sent.
    pub is_foreign_page: bool,
}

/// What somebody may do.
#[derive(Clone, Debug)]
pub struct Rights {
    /// Who they are, in the words of policies.
    pub requester: Requester,
    /// Of the user or role.
    pub policies: Vec<Arc<Policy>>,
    /// Of the user or role.
    pub boundary: Option<Arc<Policy>>,
    /// Of the session.
    pub session: Vec<Arc<Policy>>,
    /// What is known of them and of the moment.
    pub context: Context,
}

impl Rights {
    /// Why something may not be done to a resource of an account, which may have a policy; none when it may.
    pub(crate) fn refuse(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
        policy: Option<&Policy>,
        owner: &str,
    ) -> Option<String> {
        let request = Request { requester: &self.requester, action, resource, context };
        let holdings =
            Holdings { policies: &self.policies, boundary: self.boundary.as_deref(), session: &self.session };
        authorise(request, holdings, policy, owner).refusal(request)
    }
}

/// A visitor with one request of theirs.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) visitor: Arc<Visitor>,
    /// What comes after a body in chunks.
    pub(crate) trailers: Trailers,
}
