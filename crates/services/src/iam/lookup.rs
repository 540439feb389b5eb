//! What the front door asks for at every request: whose an access key is, and which policies somebody has.

use std::sync::Arc;

use tindra_core::clock::UnixMs;
use tindra_store::JsonRecords;

use super::attachments::name_of;
use super::cache::LastUse;
use super::records::{Entity, Holder, Policy, Session};
use super::{IamError, IamService, Identity, Kind, Principal, Tag, Who, ids};

/// An access key that signs, with what verifies it.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundKey {
    /// The account that it acts for.
    pub account: String,
    /// What signatures are made with.
    pub secret: String,
    /// What a request must carry beside the signature, when the key is a session's.
    pub session_token: Option<String>,
    /// When it ends.
    pub expires_ms: Option<UnixMs>,
    /// Whether it may be used; a user's key can be switched off.
    pub is_active: bool,
    /// Whose it is.
    pub who: Who,
    /// Policies that bound the session, beside those of its holder.
    pub session_policies: Vec<PolicyDocument>,
    /// Tags of the session, for conditions of policies.
    pub session_tags: Vec<Tag>,
    /// The source identity of the session, for conditions of policies.
    pub source_identity: Option<String>,
}

impl std::fmt::Debug for FoundKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FoundKey")
            .field("account", &self.account)
            .field("who", &self.who)
            .field("is_active", &self.is_active)
            .field("expires_ms", &self.expires_ms)
            .finish_non_exhaustive()
    }
}

/// A policy of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDocument {
    /// Its name.
    pub name: String,
    /// Of a managed policy.
    pub arn: Option<String>,
    /// JSON.
    pub document: Arc<str>,
}

/// Every policy that says what a user or role may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// Inline and attached ones. What none of them allows is denied.
    pub identity: Vec<PolicyDocument>,
    /// What it does not allow is denied, too.
    pub boundary: Option<PolicyDocument>,
    /// Of a role: who may assume it.
    pub trust: Option<PolicyDocument>,
    /// The ARN of the user or role, with its path; none when it does not exist.
    pub arn: Option<String>,
    /// The tags of the user or role, for conditions of policies.
    pub tags: Vec<Tag>,
}

/// What STS needs of a role.
#[derive(Clone, Debug)]
pub(crate) struct Assumable {
    pub(crate) arn: String,
    pub(crate) id: String,
    pub(crate) max_session_s: u32,
}

impl IamService {
    /// A role that may be assumed, if it is there.
    pub(crate) async fn assumable(&self, principal: &Principal) -> Result<Option<Assumable>, IamError> {
        let role = match self.entity(&principal.account, Kind::Role, &principal.name).await {
            Ok(role) => role.value,
            Err(error) if error.code == "NoSuchEntityException" => return Ok(None),
            Err(error) => return Err(error),
        };
        let max_session_s = role.role.as_ref().map_or(0, |role| role.max_session_s);
        Ok(Some(Assumable { arn: role.arn(&principal.account), id: role.id, max_session_s }))
    }

    /// The unique id and the ARN of a caller. A function's role need not exist; its id is then made of its name.
    pub(crate) async fn id_and_arn(&self, caller: &Identity) -> Result<(String, String), IamError> {
        let Some(principal) = caller.principal() else { return Ok((caller.account.clone(), caller.arn())) };
        let found = self.entity(&caller.account, principal.kind, &principal.name).await;
        match (found, &caller.who) {
            (Ok(user), Who::User(_)) => Ok((user.value.id.clone(), user.value.arn(&caller.account))),
            (Ok(role), Who::Role { session_name, .. }) => {
                Ok((format!("{}:{session_name}", role.value.id), caller.arn()))
            }
            (Err(error), Who::Role { session_name, .. }) if error.code == "NoSuchEntityException" => {
                Ok((format!("{}:{session_name}", ids::named("AROA", &principal.name)), caller.arn()))
            }
            (Ok(_), Who::Root) => Ok((caller.account.clone(), caller.arn())),
            (Err(error), _) => Err(error),
        }
    }

    /// The access key of this id, of a user or of a session; an expired one until it is removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find_key(&self, id: &str) -> Result<Option<Arc<FoundKey>>, IamError> {
        let generation = match self.cache.known(|answers| answers.keys.get(id).cloned()) {
            Ok(known) => return Ok(known),
            Err(generation) => generation,
        };
        let found = self.read_key(id).await?.map(Arc::new);
        self.cache.keep(generation, |answers| {
            answers.keys.insert(id.to_owned(), found.clone());
        });
        Ok(found)
    }

    /// Remembers a use of a key, for GetAccessKeyLastUsed.
    pub fn note_use(&self, id: &str, region: &str, service: &str) {
        let last = LastUse { at_ms: self.clock.unix_ms(), region: region.to_owned(), service: service.to_owned() };
        self.cache.note_use(id, last);
    }

    /// The policies of a user or role; none when there is no such user or role.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn policies_of(&self, principal: &Principal) -> Result<Arc<Policies>, IamError> {
        let generation = match self.cache.known(|answers| answers.policies.get(principal).map(Arc::clone)) {
            Ok(known) => return Ok(known),
            Err(generation) => generation,
        };
        let policies = Arc::new(self.read_policies(principal).await?);
        self.cache.keep(generation, |answers| {
            answers.policies.insert(principal.clone(), Arc::clone(&policies));
        });
        Ok(policies)
    }

    async fn read_key(&self, id: &str) -> Result<Option<FoundKey>, IamError> {
        if let Some(key) = self.access_key(id).await? {
            let key = key.value;
            return Ok(Some(FoundKey {
                account: key.account,
                secret: key.secret,
                session_token: None,
                expires_ms: None,
                is_active: key.is_active,
                who: Who::User(key.user),
                session_policies: Vec::new(),
                session_tags: Vec::new(),
                source_identity: None,
            }));
        }
        match self.store.metadata.get_json::<Session>(&Session::key(id)).await? {
            Some(session) => self.found_session(session.value).await,
            None => Ok(None),
        }
    }

    /// A session that outlives its user or role is nobody's.
    async fn found_session(&self, session: Session) -> Result<Option<FoundKey>, IamError> {
        let who = match session.holder {
            Holder::Root => Who::Root,
            Holder::User { name, id } => {
                if !self.is_still(&session.account, Kind::User, &name, &id).await? {
                    return Ok(None);
                }
                Who::User(name)
            }
            Holder::Role { name, id, session_name } => {
                if !self.is_still(&session.account, Kind::Role, &name, &id).await? {
                    return Ok(None);
                }
                Who::Role { name, session_name }
            }
        };
        let inline = session.policies.iter();
        let mut session_policies: Vec<PolicyDocument> =
            inline.map(|document| inline_document("session", document)).collect();
        for arn in &session.policy_arns {
            session_policies.extend(self.managed_document(&session.account, arn).await?);
        }
        Ok(Some(FoundKey {
            account: session.account,
            secret: session.secret,
            session_token: Some(session.token),
            expires_ms: Some(session.expires_ms),
            is_active: true,
            who,
            session_policies,
            session_tags: session.tags,
            source_identity: session.source_identity,
        }))
    }

    async fn is_still(&self, account: &str, kind: Kind, name: &str, id: &str) -> Result<bool, IamError> {
        match self.entity(account, kind, name).await {
            Ok(entity) => Ok(entity.value.id == id),
            Err(error) if error.code == "NoSuchEntityException" => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn read_policies(&self, principal: &Principal) -> Result<Policies, IamError> {
        let Principal { account, kind, name } = principal;
        let found = self.store.metadata.get_json::<Entity>(&Entity::key(account, *kind, name)).await?;
        let Some(entity) = found.map(|found| found.value).filter(|entity| entity.name == *name) else {
            return Ok(Policies::default());
        };
        let mut identity: Vec<PolicyDocument> =
            entity.inline.iter().map(|(name, document)| inline_document(name, document)).collect();
        for arn in &entity.attached {
            identity.extend(self.managed_document(account, arn).await?);
        }
        let boundary = match &entity.boundary {
            Some(arn) => self.managed_document(account, arn).await?,
            None => None,
        };
        let trust = entity.role.as_ref().map(|role| inline_document("trust", &role.trust));
        Ok(Policies { identity, boundary, trust, arn: Some(entity.arn(account)), tags: entity.tags })
    }

    /// The version of a managed policy that acts.
    async fn managed_document(&self, account: &str, arn: &str) -> Result<Option<PolicyDocument>, IamError> {
        let policy: Policy = match self.find_policy(account, arn).await {
            Ok((policy, _)) => policy,
            Err(error) if error.code == "NoSuchEntityException" => return Ok(None),
            Err(error) => return Err(error),
        };
        let document = policy.version(policy.default_version).map(|version| version.document.as_str());
        Ok(document.map(|document| PolicyDocument {
            name: name_of(arn).to_owned(),
            arn: Some(arn.to_owned()),
            document: document.into(),
        }))
    }
}

fn inline_document(name: &str, document: &str) -> PolicyDocument {
    PolicyDocument { name: name.to_owned(), arn: None, document: document.into() }
}
