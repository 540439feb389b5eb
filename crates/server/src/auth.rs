//! Who calls, and whether they may.
//!
//! With auth off the operator's address is on loopback and believes what a request says. With sigv4 every
//! signature is verified against a key that the server knows: the operator's own, those of the configuration,
//! and on a function's endpoint the temporary ones of that environment, and no others.

use std::collections::HashMap;

use bytes::Bytes;
use http::request::Parts;
use tindra_control::Principal;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_model::signing::{self, Presented, SignatureError};
use tindra_model::{ApiError, Operation, Service};
use tindra_worker::EnvironmentIdentity;

use crate::config::{AccessKey, Auth};
use crate::credentials::RootKey;
use crate::edge::{Claim, Peer, claimed_scope, region};

/// Somebody who may be answered.
#[derive(Clone, Debug)]
pub struct Who {
    /// Account and region that they mean.
    pub scope: Scope,
    /// The operator, or an execution role.
    pub principal: Principal,
}

/// Decides who a request comes from.
#[derive(Debug)]
pub struct Authenticator {
    default_scope: Scope,
    /// `None` with auth off.
    keys: Option<HashMap<String, Key>>,
}

struct Key {
    secret: String,
    account: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Key").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Believes what a request says. Only for an address that nobody else can reach.
    #[must_use]
    pub fn off(default_scope: Scope) -> Self {
        Self { default_scope, keys: None }
    }

    /// Verifies signatures against the operator's key and the configured ones.
    #[must_use]
    pub fn sigv4(default_scope: Scope, root: RootKey, others: Vec<AccessKey>) -> Self {
        let default_account = default_scope.account.clone();
        let mut keys: HashMap<String, Key> = others
            .into_iter()
            .map(|key| {
                let account = key.account.unwrap_or_else(|| default_account.clone());
                (key.access_key_id, Key { secret: key.secret_access_key, account })
            })
            .collect();
        keys.insert(root.access_key_id, Key { secret: root.secret_access_key, account: default_account });
        Self { default_scope, keys: Some(keys) }
    }

    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> Auth {
        if self.keys.is_some() { Auth::SigV4 } else { Auth::Off }
    }

    /// Refuses strangers by their head alone, before anything of their body is kept.
    pub(crate) fn recognise(&self, parts: &Parts, claim: Option<Claim<'_>>, peer: &Peer) -> Result<(), ApiError> {
        let Some(keys) = &self.keys else { return Ok(()) };
        let Some(claim) = claim else { return Err(unsigned(parts)) };
        let is_known = match peer {
            Peer::Operator => keys.contains_key(claim.access_key_id),
            Peer::Environment(identity) => identity.access_key_id == claim.access_key_id,
        };
        if is_known { Ok(()) } else { Err(unrecognised()) }
    }

    /// Finds out who sent a request, and verifies that they did.
    pub(crate) fn authenticate(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        body: &Bytes,
        service: &Service,
        peer: &Peer,
        now_ms: UnixMs,
    ) -> Result<Who, ApiError> {
        let Some(keys) = &self.keys else { return Ok(self.believe(claim, peer)) };
        let Some(claim) = claim else { return Err(unsigned(parts)) };
        let (secret, account, principal) = match peer {
            Peer::Operator => {
                let key = keys.get(claim.access_key_id).ok_or_else(unrecognised)?;
                (&key.secret, &key.account, Principal::Operator)
            }
            Peer::Environment(identity) => {
                check_session(parts, identity)?;
                (&identity.secret_access_key, &identity.scope.account, Principal::Role(identity.role_arn.clone()))
            }
        };
        verify(parts, body, secret, service, now_ms)?;
        let scope = Scope { account: account.clone(), region: region(Some(claim), &self.default_scope) };
        Ok(Who { scope, principal })
    }

    /// What may be done. A role may do nothing yet where signatures count, because there are no policies that
    /// could allow it; where they do not count, nothing is refused to anybody.
    pub(crate) fn authorise(
        &self,
        who: &Who,
        service: &Service,
        operation: &Operation,
        path: &str,
        peer: &Peer,
    ) -> Result<(), ApiError> {
        match (peer, &self.keys) {
            (Peer::Operator, _) | (Peer::Environment(_), None) => Ok(()),
            (Peer::Environment(identity), Some(_)) => {
                let action = format!("{}:{}", service.signing_name(), action(operation));
                let message = format!(
                    "User: {} is not authorized to perform: {action} on resource: {} because no identity-based policy allows the {action} action",
                    assumed_role(identity),
                    resource(service, path, &who.scope),
                );
                Err(ApiError::new("AccessDeniedException", message))
            }
        }
    }

    fn believe(&self, claim: Option<Claim<'_>>, peer: &Peer) -> Who {
        match peer {
            Peer::Operator => Who { scope: claimed_scope(claim, &self.default_scope), principal: Principal::Operator },
            Peer::Environment(identity) => Who {
                scope: Scope { account: identity.scope.account.clone(), region: region(claim, &identity.scope) },
                principal: Principal::Role(identity.role_arn.clone()),
            },
        }
    }
}

/// The action of an operation in policies, where it is not called as the operation.
fn action(operation: &Operation) -> &str {
    match operation.name() {
        "Invoke" | "InvokeWithResponseStream" => "InvokeFunction",
        name => name,
    }
}

/// What an operation is about: the function in its path, else everything.
fn resource(service: &Service, path: &str, scope: &Scope) -> String {
    let Scope { account, region } = scope;
    if service.signing_name() == "logs" {
        return format!("arn:aws:logs:{region}:{account}:log-group::log-stream:*");
    }
    let mut segments = path.split('/').skip_while(|segment| *segment != "functions").skip(1);
    match segments.next().filter(|name| !name.is_empty()) {
        Some(name) => {
            let name = name.replace("%3A", ":").replace("%3a", ":");
            match name.starts_with("arn:") {
                true => name,
                false => format!("arn:aws:lambda:{region}:{account}:function:{name}"),
            }
        }
        None => "*".to_owned(),
    }
}

/// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`, as AWS names the user that a function is.
fn assumed_role(identity: &EnvironmentIdentity) -> String {
    let role = identity.role_arn.rsplit('/').next().unwrap_or_default();
    let account = identity.role_arn.split(':').nth(4).unwrap_or(&identity.scope.account);
    format!("arn:aws:sts::{account}:assumed-role/{role}/{}", identity.function_name)
}

fn check_session(parts: &Parts, identity: &EnvironmentIdentity) -> Result<(), ApiError> {
    let token = parts.headers.get("x-amz-security-token").map(|token| token.as_bytes());
    match token {
        Some(token) if signing::equal_in_constant_time(token, identity.session_token.as_bytes()) => Ok(()),
        _ => Err(unrecognised()),
    }
}

fn unsigned(parts: &Parts) -> ApiError {
    if parts.headers.contains_key(http::header::AUTHORIZATION) {
        return ApiError::new(
            "IncompleteSignatureException",
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
        );
    }
    ApiError::new("MissingAuthenticationTokenException", "Missing Authentication Token")
}

fn unrecognised() -> ApiError {
    ApiError::new("UnrecognizedClientException", "The security token included in the request is invalid.")
}

/// Verifies that the request was signed with this secret, for this service, recently.
fn verify(parts: &Parts, body: &Bytes, secret: &str, service: &Service, now_ms: UnixMs) -> Result<(), ApiError> {
    let request = signing::Signed {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body,
    };
    let refuse = |error: SignatureError| ApiError::new(error.code(), error.message());
    let presented = Presented::read(&request).map_err(refuse)?.ok_or_else(|| unsigned(parts))?;
    if presented.service != service.signing_name() {
        let message = format!("Credential should be scoped to correct service: '{}'.", service.signing_name());
        return Err(ApiError::new("InvalidSignatureException", message));
    }
    presented.verify(&request, secret, now_ms).map_err(refuse)
}
