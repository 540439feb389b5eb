//! What authorizers answer, and whether it lets a request pass.

use serde_json::{Map, Value};

use crate::door::{Authorizer, Malformed};
use crate::policy::{Context, Policy};

/// An authorizer's answer, which may be kept and asked again for other methods of the same caller.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthorizerAnswer {
    /// A policy (REST, WebSocket, and HTTP APIs with format 1.0, or 2.0 without simple answers).
    Policy {
        /// What may be called.
        policy: Policy,
        /// What an [`Judgement::Allow`] carries on.
        grant: Grant,
    },
    /// `isAuthorized` (HTTP APIs with simple answers).
    Simple {
        /// Whether the caller may pass.
        is_authorized: bool,
        /// What an [`Judgement::Allow`] carries on.
        grant: Grant,
    },
}

/// What an authorizer tells of a caller.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grant {
    /// `principalId`; none in simple answers.
    pub principal_id: Option<String>,
    /// `context`: for REST and 1.0 strings, numbers and booleans only.
    pub context: Map<String, Value>,
    /// `usageIdentifierKey`: the API key, where the API's key source is `AUTHORIZER`.
    pub usage_key: Option<String>,
}

/// Whether a request may pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// It may.
    Allow(Grant),
    /// It may not (403).
    Deny {
        /// Whether a statement forbids it, in contrast to none allowing it: the message differs (`User is not
        /// authorized to access this resource with an explicit deny`).
        explicit: bool,
    },
}

impl AuthorizerAnswer {
    /// Reads an answer with a policy.
    ///
    /// # Errors
    /// [`Malformed`] when `principalId` or `policyDocument` is missing or wrong, or `context` holds lists or
    /// objects (500 for the client).
    pub fn parse_policy(payload: &[u8]) -> Result<Self, Malformed> {
        todo!()
    }

    /// Reads a simple answer.
    ///
    /// # Errors
    /// [`Malformed`] when `isAuthorized` is missing or no boolean, or `context` no object (500 for the client).
    pub fn parse_simple(payload: &[u8]) -> Result<Self, Malformed> {
        todo!()
    }

    /// Whether it lets a request to this method ([`execute_api_arn`](crate::door::execute_api_arn)) pass, the
    /// action being `execute-api:Invoke`. `context` is for the policy's conditions (`aws:SourceIp` and such).
    #[must_use]
    pub fn judge(&self, method_arn: &str, context: &Context) -> Judgement {
        todo!()
    }
}

impl Grant {
    /// As the events of the function behind it have it.
    #[must_use]
    pub fn authorizer(&self) -> Authorizer {
        Authorizer::Lambda { principal_id: self.principal_id.clone(), context: self.context.clone() }
    }
}
