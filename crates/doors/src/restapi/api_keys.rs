//! CreateApiKey, GetApiKey, GetApiKeys, UpdateApiKey and DeleteApiKey: what callers show to be told apart.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_store::{Batch, JsonBatch as _, Precondition, Versioned};

use super::changes::all;
use super::page::PageRequest;
use super::patch::{Op, PatchOperation, apply_all};
use super::plan_keys::memberships;
use super::records::{Named, key, seconds};
use super::{RestApiError, RestApiService, ids, tags};

pub(super) const KEY_PREFIX: &str = "restapi/key/";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ApiKey {
    pub(super) id: String,
    pub(super) value: String,
    pub(super) name: String,
    pub(super) customer_id: Option<String>,
    pub(super) description: Option<String>,
    pub(super) is_enabled: bool,
    pub(super) created_ms: UnixMs,
    pub(super) updated_ms: UnixMs,
    pub(super) tags: Named<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    name: Option<String>,
    description: Option<String>,
    enabled: Option<bool>,
    generate_distinct_id: Option<bool>,
    value: Option<String>,
    stage_keys: Option<Vec<Value>>,
    customer_id: Option<String>,
    tags: Option<Named<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyRequest {
    api_key: String,
    include_value: Option<bool>,
    patch_operations: Option<Vec<PatchOperation>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListRequest {
    name_query: Option<String>,
    customer_id: Option<String>,
    include_values: Option<bool>,
    #[serde(flatten)]
    page: PageRequest,
}

impl RestApiService {
    pub(super) async fn create_key(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        let (now_ms, id) = (self.clock.unix_ms(), ids::long()?);
        if request.stage_keys.is_some_and(|keys| !keys.is_empty()) {
            return Err(RestApiError::unsupported("Stage keys (usage plans are in their place) are"));
        }
        let value = match request.value.filter(|value| !value.is_empty()) {
            Some(value) => checked_value(value)?,
            None => ids::key_value()?,
        };
        // A key without an id of its own has its value for one (API reference).
        let id = if request.generate_distinct_id == Some(false) { value.clone() } else { id };
        let key = ApiKey {
            id,
            value,
            name: request.name.unwrap_or_default(),
            customer_id: request.customer_id,
            description: request.description,
            is_enabled: request.enabled.unwrap_or(false),
            created_ms: now_ms,
            updated_ms: now_ms,
            tags: tags::checked(request.tags.unwrap_or_default())?,
        };
        let keys = self.keys(scope).await?;
        if keys.iter().any(|known| known.value.value == key.value || known.value.id == key.id) {
            return Err(RestApiError::conflict("API Key already exists"));
        }
        if keys.len() >= limits::API_KEYS_MAX {
            return Err(RestApiError::limit(format!("Maximum number of API keys ({}) has been reached.", keys.len())));
        }
        let batch = Batch::default().put_json(ApiKey::key(scope, &key.id), Precondition::Absent, &key)?;
        self.store.metadata.commit(batch).await?;
        Ok(key.shown(true))
    }

    pub(super) async fn keys(&self, scope: &Scope) -> Result<Vec<Versioned<ApiKey>>, RestApiError> {
        Ok(all(&self.store, &key(KEY_PREFIX, scope, &[""])).await?)
    }

    pub(super) async fn api_key(&self, scope: &Scope, id: &str) -> Result<Versioned<ApiKey>, RestApiError> {
        use tindra_store::JsonRecords as _;
        self.store.metadata.get_json(&ApiKey::key(scope, id)).await?.ok_or_else(no_key)
    }

    pub(super) async fn get_key(&self, scope: &Scope, request: KeyRequest) -> Result<Value, RestApiError> {
        let key = self.api_key(scope, &request.api_key).await?.value;
        let mut shown = key.shown(request.include_value == Some(true));
        shown["tags"] = json!(key.tags);
        Ok(shown)
    }

    pub(super) async fn get_keys(&self, scope: &Scope, request: ListRequest) -> Result<Value, RestApiError> {
        let keys = self.keys(scope).await?;
        let begins = |key: &ApiKey| request.name_query.as_deref().is_none_or(|query| key.name.starts_with(query));
        let is_of = |key: &ApiKey| request.customer_id.is_none() || request.customer_id == key.customer_id;
        let found = keys.iter().map(|key| &key.value).filter(|key| begins(key) && is_of(key));
        let shows_value = request.include_values == Some(true);
        request.page.cut(found.map(|key| (key.id.clone(), key.shown(shows_value))))
    }

    pub(super) async fn update_key(&self, scope: &Scope, request: KeyRequest) -> Result<Value, RestApiError> {
        let now_ms = self.clock.unix_ms();
        self.change(&ApiKey::key(scope, &request.api_key), no_key, |key: &mut ApiKey| {
            apply_all(request.patch_operations.as_deref(), |patch| {
                match (patch.op, patch.at().as_slice()) {
                    (Op::Replace, ["name"]) => key.name = patch.text().to_owned(),
                    (Op::Replace, ["description"]) => key.description = patch.optional(),
                    (Op::Replace, ["enabled"]) => key.is_enabled = patch.flag(),
                    (Op::Replace, ["customerId"]) => key.customer_id = patch.optional(),
                    (Op::Add | Op::Remove, ["stages"]) => return Err(patch.unsupported()),
                    _ => return Err(patch.unknown("/name, /description, /enabled, /customerId")),
                }
                Ok(())
            })?;
            key.updated_ms = now_ms;
            let mut shown = key.shown(true);
            shown["tags"] = json!(key.tags);
            Ok(shown)
        })
        .await
    }

    /// With its places in usage plans.
    pub(super) async fn delete_key(&self, scope: &Scope, request: KeyRequest) -> Result<Value, RestApiError> {
        self.commit(|| async {
            let found = self.api_key(scope, &request.api_key).await?;
            let mut batch = Batch::default().delete(found.key, Precondition::Revision(found.revision));
            for member in memberships(&self.store, scope).await? {
                if member.value.key_id == request.api_key {
                    batch = batch.delete(member.key, Precondition::None);
                }
            }
            Ok((batch, json!({})))
        })
        .await
    }
}

pub(super) fn no_key() -> RestApiError {
    RestApiError::not_found("Invalid API Key identifier specified")
}

/// 20 to 128 letters and digits (developer guide); a few signs are usual.
fn checked_value(value: String) -> Result<String, RestApiError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match value.len() {
        0..20 => Err(RestApiError::bad("API Key value should be at least 20 characters")),
        20..=128 if value.bytes().all(is_allowed) => Ok(value),
        20..=128 => Err(RestApiError::bad("API Key value should be alphanumeric")),
        _ => Err(RestApiError::bad("API Key value exceeds maximum size of 128 characters")),
    }
}

impl ApiKey {
    pub(super) fn key(scope: &Scope, id: &str) -> String {
        key(KEY_PREFIX, scope, &[id])
    }

    pub(super) fn shown(&self, shows_value: bool) -> Value {
        let mut shown = json!({
            "id": self.id,
            "name": self.name,
            "enabled": self.is_enabled,
            "createdDate": seconds(self.created_ms),
            "lastUpdatedDate": seconds(self.updated_ms),
            "stageKeys": [],
        });
        let members = [
            ("value", shows_value.then_some(self.value.as_str()).map(Value::from)),
            ("description", self.description.as_deref().map(Value::from)),
            ("customerId", self.customer_id.as_deref().map(Value::from)),
            ("tags", (!self.tags.is_empty()).then(|| json!(self.tags))),
        ];
        for (member, value) in members {
            if let Some(value) = value {
                shown[member] = value;
            }
        }
        shown
    }
}
