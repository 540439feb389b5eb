//! Somebody who may be answered, made out of what vouches for them.

use tindra_control::Principal;
use tindra_core::function::Scope;
use tindra_services::iam::{self, FoundKey, Identity, PolicyDocument};
use tindra_worker::EnvironmentIdentity;

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

/// Somebody with the account's own key.
pub(super) fn operator(scope: Scope, access_key_id: &str) -> Who {
    let access_key_id = (!access_key_id.is_empty()).then(|| access_key_id.to_owned());
    let identity = Identity { access_key_id, ..Identity::root(scope.account.clone()) };
    Who { scope, principal: Principal::Operator, identity, session_policies: Vec::new() }
}

/// A function, as the session of its execution role that it is on AWS.
pub(super) fn function(environment: &EnvironmentIdentity, region: String) -> Who {
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
pub(super) fn holder(key: &FoundKey, region: String, access_key_id: &str) -> Who {
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
