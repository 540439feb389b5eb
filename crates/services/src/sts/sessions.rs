//! AssumeRole and GetSessionToken.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_store::{Batch, JsonBatch, Precondition};

use super::StsService;
use crate::iam::{
    Holder, IamError, Identity, Principal, Purpose, Session, Tag, Who, check_document, document_size, new_access_key,
    new_secret, new_session_token,
};

/// A session of a role when the request does not say, in seconds (AWS).
const ROLE_S_DEFAULT: u32 = 3_600;
/// A session that a session of a role makes, in seconds (AWS: "role chaining").
const CHAINED_S_MAX: u32 = 3_600;
/// A session of a user when the request does not say, in seconds (AWS).
const USER_S_DEFAULT: u32 = 43_200;
/// A session of the account itself, in seconds (AWS).
const ROOT_S_MAX: u32 = 3_600;
/// Characters of a session's policy; AWS bounds the packed form and shows it as a percentage.
const POLICY_MAX: usize = 2_048;
/// Expired sessions that one new session removes.
const REMOVED_MAX: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AssumeRequest {
    role_arn: String,
    role_session_name: String,
    #[serde(default)]
    policy_arns: Vec<PolicyArn>,
    policy: Option<String>,
    duration_seconds: Option<u32>,
    #[serde(default)]
    tags: Vec<Tag>,
    serial_number: Option<String>,
    token_code: Option<String>,
    source_identity: Option<String>,
    #[serde(default)]
    provided_contexts: Vec<Value>,
    #[serde(default)]
    transitive_tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct PolicyArn {
    arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TokenRequest {
    duration_seconds: Option<u32>,
    serial_number: Option<String>,
    token_code: Option<String>,
}

impl StsService {
    pub(super) async fn assume_role(&self, caller: &Identity, request: AssumeRequest) -> Result<Value, IamError> {
        refuse_devices(request.serial_number.as_deref(), request.token_code.as_deref())?;
        refuse_unsupported(&request)?;
        let role = self.role(caller, &request.role_arn).await?;
        let duration_s = duration(caller, &request, role.max_session_s)?;
        if let Some(policy) = &request.policy {
            check_document(policy, Purpose::Identity)?;
        }
        let packed_percent = request.policy.as_deref().map(|policy| document_size(policy) * 100 / POLICY_MAX);
        if packed_percent.is_some_and(|percent| percent > 100) {
            let message = "PackedPolicySize: the policy of the session is too large.";
            return Err(IamError::new("PackedPolicyTooLargeException", message));
        }
        let session_name = request.role_session_name;
        let arn = format!("arn:aws:sts::{}:assumed-role/{}/{session_name}", role.account, role.name);
        let user = json!({ "AssumedRoleId": format!("{}:{session_name}", role.id), "Arn": arn });
        let session = Session {
            account: role.account,
            secret: new_secret()?,
            token: new_session_token()?,
            expires_ms: self.after(duration_s),
            holder: Holder::Role { name: role.name, id: role.id, session_name },
            policies: request.policy.into_iter().collect(),
            policy_arns: request.policy_arns.into_iter().filter_map(|policy| policy.arn).collect(),
            tags: request.tags,
            source_identity: request.source_identity.clone(),
        };
        let mut output = json!({ "Credentials": self.keep(session).await?, "AssumedRoleUser": user });
        if let Some(percent) = packed_percent {
            output["PackedPolicySize"] = percent.into();
        }
        if let Some(identity) = request.source_identity {
            output["SourceIdentity"] = identity.into();
        }
        Ok(output)
    }

    pub(super) async fn session_token(&self, caller: &Identity, request: TokenRequest) -> Result<Value, IamError> {
        refuse_devices(request.serial_number.as_deref(), request.token_code.as_deref())?;
        if caller.is_temporary {
            return Err(IamError::denied("Cannot call GetSessionToken with session credentials"));
        }
        let asked_s = request.duration_seconds.unwrap_or(USER_S_DEFAULT);
        let (holder, duration_s) = match &caller.who {
            Who::Root => (Holder::Root, asked_s.min(ROOT_S_MAX)),
            Who::User(name) => {
                let (id, _) = self.iam.id_and_arn(caller).await?;
                (Holder::User { name: name.clone(), id }, asked_s)
            }
            Who::Role { .. } => return Err(IamError::denied("Cannot call GetSessionToken with session credentials")),
        };
        let session = Session {
            account: caller.account.clone(),
            secret: new_secret()?,
            token: new_session_token()?,
            expires_ms: self.after(duration_s),
            holder,
            policies: Vec::new(),
            policy_arns: Vec::new(),
            tags: Vec::new(),
            source_identity: None,
        };
        Ok(json!({ "Credentials": self.keep(session).await? }))
    }

    /// The role of an ARN. Who asks for a role that is not there learns only that it is not theirs.
    async fn role(&self, caller: &Identity, arn: &str) -> Result<Role, IamError> {
        let denied = || {
            let message =
                format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn());
            IamError::denied(message)
        };
        let principal = Principal::role(arn).ok_or_else(|| IamError::invalid(format!("{arn} is invalid")))?;
        // Another account's trust counts only where it can be verified who asks.
        if caller.is_verified && principal.account != caller.account {
            return Err(denied());
        }
        let role = self.iam.assumable(&principal).await?;
        let role = role.filter(|role| role.arn == arn).ok_or_else(denied)?;
        Ok(Role { account: principal.account, name: principal.name, id: role.id, max_session_s: role.max_session_s })
    }

    fn after(&self, duration_s: u32) -> UnixMs {
        self.clock.unix_ms() + UnixMs::from(duration_s) * 1_000
    }

    /// Stores a session, removes some that have ended, and shows the `Credentials` of the new one.
    async fn keep(&self, session: Session) -> Result<Value, IamError> {
        let id = new_access_key("ASIA")?;
        let ending = Session::ending(session.expires_ms, &id);
        let batch = Batch::default().put_json(Session::key(&id), Precondition::Absent, &session)?.put_json(
            ending,
            Precondition::Absent,
            &id,
        )?;
        let batch = self.without_ended(batch).await?;
        self.store.metadata.commit(batch).await?;
        Ok(json!({
            "AccessKeyId": id,
            "SecretAccessKey": session.secret,
            "SessionToken": session.token,
            "Expiration": session.expires_ms / 1_000,
        }))
    }

    async fn without_ended(&self, mut batch: Batch) -> Result<Batch, IamError> {
        let now = Session::ending(self.clock.unix_ms(), "");
        for record in self.store.metadata.list(Session::ENDINGS, None, REMOVED_MAX).await? {
            if record.key >= now {
                break;
            }
            let id = record.key.rsplit('/').next().unwrap_or_default();
            batch = batch.delete(Session::key(id), Precondition::None).delete(record.key, Precondition::None);
        }
        Ok(batch)
    }
}

/// A role as it is assumed.
#[derive(Debug)]
struct Role {
    account: String,
    name: String,
    id: String,
    max_session_s: u32,
}

fn duration(caller: &Identity, request: &AssumeRequest, max_s: u32) -> Result<u32, IamError> {
    let asked_s = request.duration_seconds.unwrap_or(ROLE_S_DEFAULT);
    if asked_s > max_s {
        return Err(IamError::invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if matches!(caller.who, Who::Role { .. }) && asked_s > CHAINED_S_MAX {
        return Err(IamError::invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    Ok(asked_s)
}

fn refuse_devices(serial_number: Option<&str>, token_code: Option<&str>) -> Result<(), IamError> {
    if serial_number.is_none() && token_code.is_none() {
        return Ok(());
    }
    Err(IamError::denied("MultiFactorAuthentication failed: tindra knows no MFA devices."))
}

fn refuse_unsupported(request: &AssumeRequest) -> Result<(), IamError> {
    if !request.provided_contexts.is_empty() {
        return Err(IamError::invalid("tindra does not support ProvidedContexts."));
    }
    if !request.transitive_tag_keys.is_empty() {
        return Err(IamError::invalid("tindra does not support TransitiveTagKeys."));
    }
    if request.policy_arns.len() > 10 {
        return Err(IamError::invalid("A session can have at most 10 managed policies."));
    }
    Ok(())
}
