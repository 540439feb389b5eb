//! CreateUsagePlanKey, GetUsagePlanKey, GetUsagePlanKeys and DeleteUsagePlanKey: which keys are in a plan.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned};

use super::api_keys::{ApiKey, no_key};
use super::changes::all;
use super::page::PageRequest;
use super::records::key;
use super::{RestApiError, RestApiService};

pub(super) const MEMBER_PREFIX: &str = "restapi/plan-key/";

/// A key's place in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) plan_id: String,
    pub(super) key_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    usage_plan_id: String,
    key_id: String,
    key_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberRequest {
    usage_plan_id: String,
    key_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListRequest {
    usage_plan_id: String,
    name_query: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl RestApiService {
    pub(super) async fn create_plan_key(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        if request.key_type != "API_KEY" {
            return Err(RestApiError::bad("Invalid key type specified. Must be one of: [API_KEY]"));
        }
        let plan = self.plan(scope, &request.usage_plan_id).await?.value;
        let api_key = self.api_key(scope, &request.key_id).await?.value;
        let member = Member { plan_id: plan.id.clone(), key_id: api_key.id.clone() };
        let of_key =
            memberships(&self.store, scope).await?.into_iter().filter(|other| other.value.key_id == api_key.id);
        let others: Vec<String> = of_key.map(|other| other.value.plan_id).collect();
        if others.contains(&plan.id) {
            return Err(RestApiError::conflict("The API key is already in the usage plan"));
        }
        if others.len() >= limits::USAGE_PLANS_PER_KEY_MAX {
            return Err(RestApiError::limit(format!(
                "An API key can be in at most {} usage plans.",
                limits::USAGE_PLANS_PER_KEY_MAX
            )));
        }
        for other in self.plans(scope).await?.iter().filter(|other| others.contains(&other.value.id)) {
            let same = plan.stages.iter().find(|stage| {
                other.value.stages.iter().any(|known| known.api_id == stage.api_id && known.stage == stage.stage)
            });
            if let Some(stage) = same {
                return Err(RestApiError::conflict(format!(
                    "Usage Plan {} cannot be added because API Stage and Key already associated with a Usage Plan: {}:{}",
                    plan.id, stage.api_id, stage.stage
                )));
            }
        }
        let batch = Batch::default().put_json(member.key(scope), Precondition::Absent, &member)?;
        self.store.metadata.commit(batch).await?;
        Ok(shown(&api_key))
    }

    pub(super) async fn get_plan_key(&self, scope: &Scope, request: MemberRequest) -> Result<Value, RestApiError> {
        self.plan(scope, &request.usage_plan_id).await?;
        self.member(scope, &request).await?;
        Ok(shown(&self.api_key(scope, &request.key_id).await?.value))
    }

    pub(super) async fn get_plan_keys(&self, scope: &Scope, request: ListRequest) -> Result<Value, RestApiError> {
        self.plan(scope, &request.usage_plan_id).await?;
        let members: Vec<Versioned<Member>> =
            all(&self.store, &key(MEMBER_PREFIX, scope, &[&request.usage_plan_id, ""])).await?;
        let is_member = |key: &ApiKey| members.iter().any(|member| member.value.key_id == key.id);
        let begins = |key: &ApiKey| request.name_query.as_deref().is_none_or(|query| key.name.starts_with(query));
        let keys = self.keys(scope).await?;
        let found = keys.iter().map(|key| &key.value).filter(|key| is_member(key) && begins(key));
        request.page.cut(found.map(|key| (key.id.clone(), shown(key))))
    }

    pub(super) async fn delete_plan_key(&self, scope: &Scope, request: MemberRequest) -> Result<Value, RestApiError> {
        self.plan(scope, &request.usage_plan_id).await?;
        let found = self.member(scope, &request).await?;
        let batch = Batch::default().delete(found.key, Precondition::Revision(found.revision));
        self.store.metadata.commit(batch).await?;
        Ok(json!({}))
    }

    async fn member(&self, scope: &Scope, request: &MemberRequest) -> Result<Versioned<Member>, RestApiError> {
        let key = key(MEMBER_PREFIX, scope, &[&request.usage_plan_id, &request.key_id]);
        self.store.metadata.get_json(&key).await?.ok_or_else(no_key)
    }
}

impl Member {
    fn key(&self, scope: &Scope) -> String {
        key(MEMBER_PREFIX, scope, &[&self.plan_id, &self.key_id])
    }
}

/// Every key's place in every plan of an account and region.
pub(super) async fn memberships(store: &Store, scope: &Scope) -> Result<Vec<Versioned<Member>>, StoreError> {
    all(store, &key(MEMBER_PREFIX, scope, &[""])).await
}

fn shown(key: &ApiKey) -> Value {
    json!({ "id": key.id, "type": "API_KEY", "value": key.value, "name": key.name })
}
