//! Managed policies: CreatePolicy, GetPolicy, ListPolicies, DeletePolicy.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_store::{Batch, JsonBatch, JsonRecords, Precondition, Versioned};

use super::attachments::name_of;
use super::documents::{self, Purpose};
use super::output::{self, Detail};
use super::page::PageRequest;
use super::records::{Entity, Kind, Policy, Tag, Version};
use super::{IamError, IamService, ids, managed, tags};

/// Characters of a managed policy (AWS quota).
const SIZE_MAX: usize = 6_144;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRequest {
    policy_name: String,
    path: Option<String>,
    policy_document: String,
    description: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// A request that names a policy and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ArnRequest {
    policy_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    scope: Option<String>,
    #[serde(default)]
    only_attached: bool,
    path_prefix: Option<String>,
    policy_usage_filter: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl IamService {
    pub(super) async fn create_policy(&self, account: &str, request: CreateRequest) -> Result<Value, IamError> {
        check_managed(&request.policy_document)?;
        tags::check(&request.tags)?;
        let name = request.policy_name;
        let key = Policy::key(account, &name);
        if self.store.metadata.get(&key).await?.is_some() {
            let message = format!("A policy called {name} already exists. Duplicate names are not allowed.");
            return Err(IamError::exists(message));
        }
        let created_ms = self.clock.unix_ms();
        let policy = Policy {
            name,
            path: request.path.unwrap_or_else(|| "/".to_owned()),
            id: ids::entity("ANPA")?,
            description: request.description,
            created_ms,
            updated_ms: created_ms,
            tags: request.tags,
            versions: vec![Version { number: 1, document: request.policy_document, created_ms }],
            default_version: 1,
            next_version: 2,
            attachments: 0,
            boundaries: 0,
        };
        self.commit(Batch::default().put_json(key, Precondition::Absent, &policy)?).await?;
        Ok(json!({ "Policy": output::policy(&policy, account, Detail::All) }))
    }

    pub(super) async fn get_policy(&self, account: &str, request: ArnRequest) -> Result<Value, IamError> {
        let arn = &request.policy_arn;
        let (policy, owner) = self.find_policy(account, arn).await?;
        let mut shown = output::policy(&policy, &owner, Detail::All);
        if owner == managed::ACCOUNT {
            count_usage(&mut shown, &self.entities_of(account).await?);
        }
        Ok(json!({ "Policy": shown }))
    }

    /// The customer's policies come before those of AWS.
    pub(super) async fn list_policies(&self, account: &str, request: ListRequest) -> Result<Value, IamError> {
        let scope = request.scope.as_deref().unwrap_or("All");
        let mut shown = Vec::new();
        if scope != "AWS" {
            let own = self.all::<Policy>(&Policy::prefix(account)).await?;
            shown.extend(own.iter().map(|policy| output::policy(policy, account, Detail::Listed)));
        }
        if scope != "Local" {
            let entities = self.entities_of(account).await?;
            for policy in managed::all() {
                let mut policy = output::policy(policy, managed::ACCOUNT, Detail::Listed);
                count_usage(&mut policy, &entities);
                shown.push(policy);
            }
        }
        let prefix = request.path_prefix.unwrap_or_default();
        let usage = match request.policy_usage_filter.as_deref() {
            Some("PermissionsBoundary") => "PermissionsBoundaryUsageCount",
            _ => "AttachmentCount",
        };
        let must_be_used = request.only_attached || request.policy_usage_filter.is_some();
        shown.retain(|policy| {
            let is_used = !must_be_used || policy[usage].as_u64() > Some(0);
            is_used && policy["Path"].as_str().is_some_and(|path| path.starts_with(&prefix))
        });
        let key = |policy: &Value| {
            let text = |member: &str| policy[member].as_str().unwrap_or_default().to_ascii_lowercase();
            let is_of_aws = text("Arn").starts_with("arn:aws:iam::aws:");
            format!("{}{}", u8::from(is_of_aws), text("PolicyName"))
        };
        shown.sort_by_cached_key(key);
        request.page.cut("Policies", shown, key)
    }

    pub(super) async fn delete_policy(&self, account: &str, request: ArnRequest) -> Result<Value, IamError> {
        let policy = self.changeable_policy(account, &request.policy_arn, "DeletePolicy").await?;
        if policy.value.attachments > 0 || policy.value.boundaries > 0 {
            return Err(IamError::in_use("Cannot delete a policy attached to entities."));
        }
        if policy.value.versions.len() > 1 {
            return Err(IamError::in_use(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
            ));
        }
        self.commit(Batch::default().delete(policy.key, Precondition::Revision(policy.revision))).await
    }

    /// A policy of the account or of AWS, with whose it is.
    pub(super) async fn find_policy(&self, account: &str, arn: &str) -> Result<(Policy, String), IamError> {
        if let Some(policy) = managed::find(arn) {
            return Ok((policy.clone(), managed::ACCOUNT.to_owned()));
        }
        match self.own_policy(account, arn).await? {
            Some(policy) => Ok((policy.value, account.to_owned())),
            None => Err(no_policy(arn)),
        }
    }

    /// A policy of the account itself.
    pub(super) async fn own_policy(&self, account: &str, arn: &str) -> Result<Option<Versioned<Policy>>, IamError> {
        if !arn.starts_with("arn:aws:iam::") || !arn.contains(":policy/") {
            return Err(IamError::invalid_input(format!("ARN {arn} is not valid.")));
        }
        let found = self.store.metadata.get_json::<Policy>(&Policy::key(account, name_of(arn))).await?;
        Ok(found.filter(|policy| policy.value.arn(account) == arn))
    }

    /// A policy of the account itself, for a change; those of AWS are nobody's to change.
    pub(super) async fn changeable_policy(
        &self,
        account: &str,
        arn: &str,
        operation: &str,
    ) -> Result<Versioned<Policy>, IamError> {
        if managed::find(arn).is_some() {
            let message = format!("Policies of AWS cannot be changed: iam:{operation} on resource: policy {arn}");
            return Err(IamError::denied(message));
        }
        self.own_policy(account, arn).await?.ok_or_else(|| no_policy(arn))
    }

    async fn entities_of(&self, account: &str) -> Result<Vec<Entity>, IamError> {
        let mut entities = self.all::<Entity>(&Entity::prefix(account, Kind::User)).await?;
        entities.extend(self.all::<Entity>(&Entity::prefix(account, Kind::Role)).await?);
        Ok(entities)
    }
}

/// Counts who uses a policy of AWS, which has no record that could count.
fn count_usage(shown: &mut Value, entities: &[Entity]) {
    let arn = shown["Arn"].as_str().unwrap_or_default().to_owned();
    let count = |uses: &dyn Fn(&Entity) -> bool| entities.iter().filter(|entity| uses(entity)).count();
    shown["AttachmentCount"] = count(&|entity| entity.attached.contains(&arn)).into();
    shown["PermissionsBoundaryUsageCount"] = count(&|entity| entity.boundary.as_ref() == Some(&arn)).into();
}

/// Refuses what is no policy or too large to be managed.
pub(super) fn check_managed(document: &str) -> Result<(), IamError> {
    documents::check(document, Purpose::Identity)?;
    if documents::size(document) > SIZE_MAX {
        return Err(IamError::limit(format!("Cannot exceed quota for PolicySize: {SIZE_MAX}")));
    }
    Ok(())
}

fn no_policy(arn: &str) -> IamError {
    IamError::missing(format!("Policy {arn} was not found."))
}
