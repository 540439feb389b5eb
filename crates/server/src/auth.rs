//! Who calls.
//!
//! With auth off the operator's address is on loopback and believes what a request says. With sigv4 every
//! signature is verified against a key that the server knows: the operator's own, those of the configuration,
//! those of IAM's users and sessions, and on a function's endpoint the temporary ones of that environment, and no
//! others.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use tindra_control::Principal;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_model::signing::{self, Presented, SignatureError};
use tindra_model::{ApiError, Service, percent_decode};
use tindra_services::iam::{self, FoundKey, Identity, Policies, PolicyDocument};
use tindra_store::BoxFuture;
use tindra_worker::EnvironmentIdentity;

use crate::config::{AccessKey, Auth};
use crate::credentials::RootKey;
use crate::edge::{Claim, Peer, claimed_scope, region};

/// What the front door needs to know of IAM.
pub trait Identities: Send + Sync + std::fmt::Debug {
    /// The access key of this id.
    fn find_key<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Arc<FoundKey>>, ApiError>>;

    /// The policies of a user or role.
    fn policies_of<'a>(&'a self, principal: &'a iam::Principal) -> BoxFuture<'a, Result<Arc<Policies>, ApiError>>;

    /// Remembers that a key was used.
    fn note_use(&self, id: &str, region: &str, service: &str);
}

/// Somebody who may be answered.
#[derive(Clone, Debug)]
pub struct Who {
    /// Account and region that they mean.
    pub scope: Scope,
    /// The operator, or an execution role.
    pub principal: Principal,
    /// As IAM and STS see them.
    pub identity: Identity,
    /// Policies that bound a session beside those of its holder.
    pub session_policies: Vec<PolicyDocument>,
}

/// Decides who a request comes from.
#[derive(Debug)]
pub struct Authenticator {
    default_scope: Scope,
    /// `None` with auth off.
    keys: Option<HashMap<String, Key>>,
    /// Keys beside those; none in tests.
    identities: Option<Arc<dyn Identities>>,
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
        Self { default_scope, keys: None, identities: None }
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
        Self { default_scope, keys: Some(keys), identities: None }
    }

    /// Knows the keys of IAM, too.
    #[must_use]
    pub fn with_identities(mut self, identities: Arc<dyn Identities>) -> Self {
        self.identities = Some(identities);
        self
    }

    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> Auth {
        if self.keys.is_some() { Auth::SigV4 } else { Auth::Off }
    }

    /// The operator's account, with the region of requests that name none.
    pub(crate) fn default_scope(&self) -> &Scope {
        &self.default_scope
    }

    /// Refuses strangers by their head alone, before anything of their body is kept.
    pub(crate) async fn recognise(&self, parts: &Parts, claim: Option<Claim<'_>>, peer: &Peer) -> Result<(), ApiError> {
        let Some(keys) = &self.keys else { return Ok(()) };
        let Some(claim) = claim else { return Err(unsigned(parts)) };
        let is_known = match peer {
            Peer::Operator { .. } => {
                keys.contains_key(claim.access_key_id) || self.find_key(claim.access_key_id).await?.is_some()
            }
            Peer::Environment(identity) => identity.access_key_id == claim.access_key_id,
        };
        if is_known { Ok(()) } else { Err(unrecognised()) }
    }

    /// Finds out who sent a request, and verifies that they did.
    pub(crate) async fn authenticate(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        body: &Bytes,
        service: &Service,
        peer: &Peer,
        now_ms: UnixMs,
    ) -> Result<Who, ApiError> {
        let Some(keys) = &self.keys else { return self.believe(claim, peer, now_ms).await };
        let Some(claim) = claim else { return Err(unsigned(parts)) };
        let region = region(Some(claim), &self.default_scope);
        let mut who = match peer {
            Peer::Environment(environment) => {
                check_session(parts, &environment.session_token)?;
                verify(parts, body, &environment.secret_access_key, service, now_ms)?;
                function(environment, region)
            }
            Peer::Operator { .. } => match keys.get(claim.access_key_id) {
                Some(key) => {
                    verify(parts, body, &key.secret, service, now_ms)?;
                    let scope = Scope { account: key.account.clone(), region };
                    operator(scope, claim.access_key_id)
                }
                None => {
                    let key = self.find_key(claim.access_key_id).await?.ok_or_else(unrecognised)?;
                    check_key(parts, &key, now_ms)?;
                    verify(parts, body, &key.secret, service, now_ms)?;
                    self.note_use(claim, service);
                    holder(&key, region, claim.access_key_id)
                }
            },
        };
        who.identity.is_verified = true;
        Ok(who)
    }

    /// Who a request says that it comes from, and the key that it has to be signed with: for a service that verifies
    /// signatures itself. No key with auth off, and for somebody who did not sign.
    pub(crate) async fn key_of(
        &self,
        parts: &Parts,
        claim: Option<Claim<'_>>,
        peer: &Peer,
        now_ms: UnixMs,
    ) -> Result<(Who, Option<(String, String)>), ApiError> {
        let Some(keys) = &self.keys else { return Ok((self.believe(claim, peer, now_ms).await?, None)) };
        let region = region(claim, &self.default_scope);
        let Some(claim) = claim else {
            let scope = Scope { account: self.default_scope.account.clone(), region };
            return Ok((operator(scope, ""), None));
        };
        let id = claim.access_key_id;
        let (mut who, secret) = match peer {
            Peer::Environment(environment) if environment.access_key_id == id => {
                check_session(parts, &environment.session_token)?;
                (function(environment, region), environment.secret_access_key.clone())
            }
            Peer::Environment(_) => return Err(unrecognised()),
            Peer::Operator { .. } => match keys.get(id) {
                Some(key) => (operator(Scope { account: key.account.clone(), region }, id), key.secret.clone()),
                None => {
                    let key = self.find_key(id).await?.ok_or_else(unrecognised)?;
                    check_key(parts, &key, now_ms)?;
                    (holder(&key, region, id), key.secret.clone())
                }
            },
        };
        who.identity.is_verified = true;
        Ok((who, Some((id.to_owned(), secret))))
    }

    /// Remembers that a key was used with a service that verifies signatures itself.
    pub(crate) fn note_use_of(&self, id: &str, region: &str, service: &str) {
        if let Some(identities) = self.identities.as_ref().filter(|_| is_key_of_iam(id)) {
            identities.note_use(id, region, service);
        }
    }

    /// The policies of a user or role; none without IAM.
    pub(crate) async fn policies_of(&self, principal: &iam::Principal) -> Result<Arc<Policies>, ApiError> {
        match &self.identities {
            Some(identities) => identities.policies_of(principal).await,
            None => Ok(Arc::default()),
        }
    }

    /// A key of IAM still tells whose it is.
    async fn believe(&self, claim: Option<Claim<'_>>, peer: &Peer, now_ms: UnixMs) -> Result<Who, ApiError> {
        if let Peer::Environment(environment) = peer {
            return Ok(function(environment, region(claim, &environment.scope)));
        }
        if let Some(claim) = claim.filter(|claim| is_key_of_iam(claim.access_key_id))
            && let Some(key) = self.find_key(claim.access_key_id).await?
            && key.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms)
        {
            return Ok(holder(&key, region(Some(claim), &self.default_scope), claim.access_key_id));
        }
        let access_key_id = claim.map(|claim| claim.access_key_id).unwrap_or_default();
        Ok(operator(claimed_scope(claim, &self.default_scope), access_key_id))
    }

    async fn find_key(&self, id: &str) -> Result<Option<Arc<FoundKey>>, ApiError> {
        match &self.identities {
            Some(identities) if is_key_of_iam(id) => identities.find_key(id).await,
            _ => Ok(None),
        }
    }

    fn note_use(&self, claim: Claim<'_>, service: &Service) {
        if let Some(identities) = &self.identities {
            identities.note_use(claim.access_key_id, claim.region, service.signing_name());
        }
    }
}

/// The form of the ids that IAM gives out; no other is looked up.
fn is_key_of_iam(id: &str) -> bool {
    id.len() == 20
        && (id.starts_with("AKIA") || id.starts_with("ASIA"))
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Somebody with the account's own key.
fn operator(scope: Scope, access_key_id: &str) -> Who {
    let access_key_id = (!access_key_id.is_empty()).then(|| access_key_id.to_owned());
    let identity = Identity { access_key_id, ..Identity::root(scope.account.clone()) };
    Who { scope, principal: Principal::Operator, identity, session_policies: Vec::new() }
}

/// A function, as the session of its execution role that it is on AWS.
fn function(environment: &EnvironmentIdentity, region: String) -> Who {
    let role = environment.role_arn.rsplit('/').next().unwrap_or_default();
    let account = environment.role_arn.split(':').nth(4).unwrap_or(&environment.scope.account);
    let who = iam::Who::Role { name: role.to_owned(), session_name: environment.function_name.clone() };
    let identity = Identity {
        who,
        is_temporary: true,
        access_key_id: Some(environment.access_key_id.clone()),
        ..Identity::root(account)
    };
    Who {
        scope: Scope { account: environment.scope.account.clone(), region },
        principal: Principal::Role(environment.role_arn.clone()),
        identity,
        session_policies: Vec::new(),
    }
}

/// The user or the session that a key of IAM belongs to.
fn holder(key: &FoundKey, region: String, access_key_id: &str) -> Who {
    let principal = match &key.who {
        iam::Who::Root | iam::Who::User(_) => Principal::Operator,
        iam::Who::Role { name, .. } => Principal::Role(format!("arn:aws:iam::{}:role/{name}", key.account)),
    };
    let identity = Identity {
        who: key.who.clone(),
        is_temporary: key.session_token.is_some(),
        access_key_id: Some(access_key_id.to_owned()),
        ..Identity::root(key.account.clone())
    };
    let scope = Scope { account: key.account.clone(), region };
    Who { scope, principal, identity, session_policies: key.session_policies.clone() }
}

/// Whether a key of IAM may be used now, and with this request.
fn check_key(parts: &Parts, key: &FoundKey, now_ms: UnixMs) -> Result<(), ApiError> {
    if !key.is_active {
        return Err(unrecognised());
    }
    if let Some(token) = &key.session_token {
        check_session(parts, token)?;
    }
    if key.expires_ms.is_some_and(|expires_ms| now_ms >= expires_ms) {
        let message = "The security token included in the request is expired";
        return Err(ApiError::new("ExpiredTokenException", message));
    }
    Ok(())
}

/// The token of a session travels in a header or, with a presigned URL, in the query.
fn check_session(parts: &Parts, expected: &str) -> Result<(), ApiError> {
    let in_header = parts.headers.get("x-amz-security-token").and_then(|token| token.to_str().ok());
    let mut pairs = parts.uri.query().unwrap_or_default().split('&');
    let in_query = || pairs.find_map(|pair| pair.strip_prefix("X-Amz-Security-Token=")).map(percent_decode);
    let token = in_header.map(Cow::Borrowed).or_else(in_query);
    match token {
        Some(token) if signing::equal_in_constant_time(token.as_bytes(), expected.as_bytes()) => Ok(()),
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
