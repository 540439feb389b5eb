//! What the front door asks for at every request: whose an access key is, and which policies somebody has.
//!
//! Answers are kept in memory until anything of IAM changes in the store, which is seldom.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::task::{Context, Poll, Waker};

use tindra_core::clock::UnixMs;
use tindra_store::{JsonRecords, Progress, Watch};

use super::attachments::name_of;
use super::records::{Entity, Holder, Policy, Session};
use super::{IamError, IamService, Identity, Kind, Principal, Tag, Who, ids};

/// Answers kept of each kind. Strangers can ask for any key, so it must end somewhere.
const KEPT_MAX: usize = 10_000;

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
}

/// When and for what a key was used last.
#[derive(Clone, Debug)]
pub(super) struct LastUse {
    pub(super) at_ms: UnixMs,
    pub(super) region: String,
    pub(super) service: String,
}

/// Answers until the next change. Reading one costs no exclusive lock, because invokes do it.
#[derive(Debug)]
pub(super) struct Cache {
    progress: Progress,
    answers: RwLock<Answers>,
    uses: Mutex<HashMap<String, LastUse>>,
}

#[derive(Debug)]
struct Answers {
    changes: Watch,
    /// Grows with every change, so that what was read before one is not kept after it.
    generation: u64,
    keys: HashMap<String, Option<Arc<FoundKey>>>,
    policies: HashMap<Principal, Arc<Policies>>,
}

impl Cache {
    pub(super) fn new(changes: Watch) -> Self {
        let progress = changes.progress();
        let answers = Answers { changes, generation: 0, keys: HashMap::new(), policies: HashMap::new() };
        Self { progress, answers: RwLock::new(answers), uses: Mutex::new(HashMap::new()) }
    }

    pub(super) fn last_use(&self, id: &str) -> Option<LastUse> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// An answer that holds now, or the generation of which none is known.
    fn known<T>(&self, pick: impl FnOnce(&Answers) -> Option<T>) -> Result<T, u64> {
        if self.progress.is_behind() {
            self.write().forget_what_changed();
        }
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        pick(&answers).ok_or(answers.generation)
    }

    /// Keeps an answer, unless something has changed since `generation`.
    fn keep(&self, generation: u64, put: impl FnOnce(&mut Answers)) {
        let mut answers = self.write();
        answers.forget_what_changed();
        if answers.generation == generation {
            if answers.keys.len() >= KEPT_MAX || answers.policies.len() >= KEPT_MAX {
                answers.forget();
            }
            put(&mut answers);
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Answers> {
        self.answers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    fn forget(&mut self) {
        self.keys.clear();
        self.policies.clear();
    }

    /// Takes every notice that has come, without waiting. The store sends them before a commit returns.
    fn forget_what_changed(&mut self) {
        loop {
            // Without a budget, because one that is used up looks as if nothing had come.
            let notice =
                pin!(tokio::task::unconstrained(self.changes.changed())).poll(&mut Context::from_waker(Waker::noop()));
            match notice {
                Poll::Pending => return,
                Poll::Ready(Some(keys)) if keys.is_empty() => return,
                Poll::Ready(_) => {
                    self.generation += 1;
                    self.forget();
                }
            }
        }
    }
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
        self.cache.uses.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), last);
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
            Some(session) => Ok(Some(self.found_session(session.value).await?)),
            None => Ok(None),
        }
    }

    async fn found_session(&self, session: Session) -> Result<FoundKey, IamError> {
        let inline = session.policies.iter();
        let mut session_policies: Vec<PolicyDocument> =
            inline.map(|document| inline_document("session", document)).collect();
        for arn in &session.policy_arns {
            session_policies.extend(self.managed_document(&session.account, arn).await?);
        }
        Ok(FoundKey {
            account: session.account,
            secret: session.secret,
            session_token: Some(session.token),
            expires_ms: Some(session.expires_ms),
            is_active: true,
            who: match session.holder {
                Holder::Root => Who::Root,
                Holder::User(name) => Who::User(name),
                Holder::Role { name, session_name } => Who::Role { name, session_name },
            },
            session_policies,
            session_tags: session.tags,
            source_identity: session.source_identity,
        })
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
        Ok(Policies { identity, boundary })
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
