//! CreateUsagePlan, GetUsagePlan, GetUsagePlans, UpdateUsagePlan and DeleteUsagePlan: which keys may ask which stages,
//! how fast and how often.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Versioned};

use super::changes::{all, keys};
use super::page::PageRequest;
use super::patch::{Op, Patch, PatchOperation, apply_all};
use super::plan_keys::{MEMBER_PREFIX, memberships};
use super::records::{Named, Stage, key};
use super::usage::USAGE_PREFIX;
use super::{RestApiError, RestApiService, ids, tags};

pub(super) const PLAN_PREFIX: &str = "restapi/plan/";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) stages: Vec<ApiStage>,
    pub(super) throttle: Option<Throttle>,
    pub(super) quota: Option<Quota>,
    pub(super) tags: Named<String>,
}

/// A stage of an API, as plans name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiStage {
    pub(super) api_id: String,
    pub(super) stage: String,
    /// By `/path/METHOD`.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub(super) throttle: Named<Throttle>,
}

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Throttle {
    #[serde(default)]
    pub(super) burst_limit: u32,
    #[serde(default)]
    pub(super) rate_limit: f64,
}

/// How often in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Quota {
    pub(super) limit: u32,
    /// On which day of a week or month the period begins: 0 is Sunday, or the first.
    #[serde(default)]
    pub(super) offset: u32,
    pub(super) period: Period,
}

/// `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Period {
    Day,
    Week,
    Month,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    name: String,
    description: Option<String>,
    api_stages: Option<Vec<ApiStage>>,
    throttle: Option<Throttle>,
    quota: Option<Quota>,
    tags: Option<Named<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanRequest {
    usage_plan_id: String,
    patch_operations: Option<Vec<PatchOperation>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListRequest {
    key_id: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl RestApiService {
    pub(super) async fn create_plan(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        let plan = Plan {
            id: ids::short()?,
            name: request.name,
            description: request.description,
            stages: request.api_stages.unwrap_or_default(),
            throttle: request.throttle,
            quota: request.quota,
            tags: tags::checked(request.tags.unwrap_or_default())?,
        };
        plan.check()?;
        self.check_stages(scope, &plan).await?;
        if self.plans(scope).await?.len() >= limits::USAGE_PLANS_MAX {
            return Err(RestApiError::limit(format!(
                "Maximum number of usage plans ({}) has been reached.",
                limits::USAGE_PLANS_MAX
            )));
        }
        let batch = Batch::default().put_json(Plan::key(scope, &plan.id), Precondition::Absent, &plan)?;
        self.store.metadata.commit(batch).await?;
        Ok(plan.shown())
    }

    pub(super) async fn plans(&self, scope: &Scope) -> Result<Vec<Versioned<Plan>>, RestApiError> {
        Ok(all(&self.store, &key(PLAN_PREFIX, scope, &[""])).await?)
    }

    pub(super) async fn plan(&self, scope: &Scope, id: &str) -> Result<Versioned<Plan>, RestApiError> {
        self.store.metadata.get_json(&Plan::key(scope, id)).await?.ok_or_else(no_plan)
    }

    /// Whether the stages of a plan are there.
    async fn check_stages(&self, scope: &Scope, plan: &Plan) -> Result<(), RestApiError> {
        for one in &plan.stages {
            if self.store.metadata.get(&Stage::key(scope, &one.api_id, &one.stage)).await?.is_none() {
                return Err(RestApiError::not_found(
                    "API Stage not found: ".to_owned() + &one.api_id + ":" + &one.stage,
                ));
            }
        }
        Ok(())
    }

    pub(super) async fn get_plan(&self, scope: &Scope, request: PlanRequest) -> Result<Value, RestApiError> {
        Ok(self.plan(scope, &request.usage_plan_id).await?.value.shown_whole())
    }

    pub(super) async fn get_plans(&self, scope: &Scope, request: ListRequest) -> Result<Value, RestApiError> {
        let plans = self.plans(scope).await?;
        let of_key: Option<Vec<String>> = match &request.key_id {
            None => None,
            Some(key) => {
                let members = memberships(&self.store, scope).await?;
                let members = members.into_iter().filter(|member| member.value.key_id == *key);
                Some(members.map(|member| member.value.plan_id).collect())
            }
        };
        let is_asked = |plan: &&Plan| of_key.as_ref().is_none_or(|plans| plans.contains(&plan.id));
        let found = plans.iter().map(|plan| &plan.value).filter(is_asked);
        request.page.cut(found.map(|plan| (plan.id.clone(), plan.shown())))
    }

    pub(super) async fn update_plan(&self, scope: &Scope, request: PlanRequest) -> Result<Value, RestApiError> {
        let key = Plan::key(scope, &request.usage_plan_id);
        self.commit(|| async {
            let found = self.plan(scope, &request.usage_plan_id).await?;
            let mut plan = found.value;
            apply_all(request.patch_operations.as_deref(), |patch| change(&mut plan, patch))?;
            plan.check()?;
            self.check_stages(scope, &plan).await?;
            let batch = Batch::default().put_json(&*key, Precondition::Revision(found.revision), &plan)?;
            Ok((batch, plan.shown_whole()))
        })
        .await
    }

    /// With its keys' places in it and what they have used.
    pub(super) async fn delete_plan(&self, scope: &Scope, request: PlanRequest) -> Result<Value, RestApiError> {
        let id = request.usage_plan_id.as_str();
        self.commit(|| async {
            let found = self.plan(scope, id).await?;
            if !found.value.stages.is_empty() {
                return Err(RestApiError::bad(format!(
                    "Cannot delete usage plan {id} while it has API stages. Remove them first."
                )));
            }
            let mut batch = Batch::default().delete(found.key, Precondition::Revision(found.revision));
            for prefix in [MEMBER_PREFIX, USAGE_PREFIX] {
                for key in keys(&self.store, &key(prefix, scope, &[id, ""])).await? {
                    batch = batch.delete(key, Precondition::None);
                }
            }
            Ok((batch, json!({})))
        })
        .await
    }
}

pub(super) fn no_plan() -> RestApiError {
    RestApiError::not_found("Invalid Usage Plan ID specified")
}

impl Plan {
    pub(super) fn key(scope: &Scope, id: &str) -> String {
        key(PLAN_PREFIX, scope, &[id])
    }

    fn check(&self) -> Result<(), RestApiError> {
        if self.name.is_empty() {
            return Err(RestApiError::bad("Usage plan name must be non-empty"));
        }
        let throttles = self.stages.iter().flat_map(|stage| stage.throttle.values()).chain(&self.throttle);
        if throttles.into_iter().any(|throttle| !(throttle.rate_limit.is_finite() && throttle.rate_limit >= 0.0)) {
            return Err(RestApiError::bad("The rate limit of a throttle must be a number from 0 up"));
        }
        let Some(quota) = self.quota else { return Ok(()) };
        let offset_max = match quota.period {
            Period::Day => 0,
            Period::Week => 6,
            Period::Month => 27,
        };
        if quota.limit == 0 {
            return Err(RestApiError::bad("Usage plan quota limit must be greater than zero"));
        }
        match quota.offset > offset_max {
            true => Err(RestApiError::bad(format!(
                "Usage Plan quota offset must be between 0 and {offset_max} for this period"
            ))),
            false => Ok(()),
        }
    }

    fn shown(&self) -> Value {
        let mut shown = json!({ "id": self.id, "name": self.name, "apiStages": self.stages });
        let members = [
            ("description", self.description.as_deref().map(Value::from)),
            ("throttle", self.throttle.map(|throttle| json!(throttle))),
            ("quota", self.quota.map(|quota| json!(quota))),
            ("tags", (!self.tags.is_empty()).then(|| json!(self.tags))),
        ];
        for (member, value) in members {
            if let Some(value) = value {
                shown[member] = value;
            }
        }
        shown
    }

    fn shown_whole(&self) -> Value {
        let mut shown = self.shown();
        shown["tags"] = json!(self.tags);
        shown
    }
}

fn change(plan: &mut Plan, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (patch.op, patch.at().as_slice()) {
        (Op::Replace, ["name"]) => plan.name = patch.text().to_owned(),
        (Op::Replace, ["description"]) => plan.description = patch.optional(),
        (Op::Add, ["apiStages"]) => {
            let stage = named_stage(patch)?;
            if plan.stages.iter().any(|known| known.api_id == stage.api_id && known.stage == stage.stage) {
                return Err(RestApiError::conflict(format!("API Stage {} is already in the usage plan", patch.text())));
            }
            plan.stages.push(stage);
        }
        (Op::Remove, ["apiStages"]) => {
            let gone = named_stage(patch)?;
            plan.stages.retain(|stage| stage.api_id != gone.api_id || stage.stage != gone.stage);
        }
        (Op::Remove, ["throttle"]) => plan.throttle = None,
        (Op::Remove, ["quota"]) => plan.quota = None,
        (Op::Replace | Op::Add, ["throttle", member]) => {
            let throttle = plan.throttle.get_or_insert(Throttle { burst_limit: 0, rate_limit: 0.0 });
            change_throttle(throttle, member, patch)?;
        }
        (Op::Replace | Op::Add, ["quota", member]) => {
            let quota = plan.quota.get_or_insert(Quota { limit: 0, offset: 0, period: Period::Month });
            change_quota(quota, member, patch)?;
        }
        (op, ["apiStages", stage, "throttle", rest @ ..]) => {
            let found = plan.stages.iter_mut().find(|known| format!("{}:{}", known.api_id, known.stage) == *stage);
            let found = found.ok_or_else(|| RestApiError::not_found(format!("API Stage not found: {stage}")))?;
            change_stage_throttle(found, op, rest, patch)?;
        }
        (_, ["productCode"]) if patch.text().is_empty() => {}
        (_, ["productCode"]) => return Err(patch.unsupported()),
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}

/// `API:STAGE`.
fn named_stage(patch: &Patch<'_>) -> Result<ApiStage, RestApiError> {
    let named = patch.text().split_once(':').filter(|(api, stage)| !api.is_empty() && !stage.is_empty());
    let (api_id, stage) = named.ok_or_else(|| RestApiError::bad("Invalid API Stage specified. Use {apiId}:{stage}"))?;
    Ok(ApiStage { api_id: api_id.to_owned(), stage: stage.to_owned(), throttle: Named::new() })
}

fn change_throttle(throttle: &mut Throttle, member: &str, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match member {
        "burstLimit" => throttle.burst_limit = patch.number()?,
        "rateLimit" => throttle.rate_limit = patch.number()?,
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}

fn change_quota(quota: &mut Quota, member: &str, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (member, patch.text()) {
        ("limit", _) => quota.limit = patch.number()?,
        ("offset", _) => quota.offset = patch.number()?,
        ("period", "DAY") => quota.period = Period::Day,
        ("period", "WEEK") => quota.period = Period::Week,
        ("period", "MONTH") => quota.period = Period::Month,
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}

/// Everything of a stage, one method of it (`/pets/GET`, escaped), or one limit of that.
fn change_stage_throttle(stage: &mut ApiStage, op: Op, rest: &[&str], patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (op, rest) {
        (Op::Remove, []) => stage.throttle.clear(),
        (Op::Remove, [method]) => drop(stage.throttle.remove(*method)),
        (Op::Replace | Op::Add, [method, member]) => {
            let unset = Throttle { burst_limit: 0, rate_limit: 0.0 };
            let throttle = stage.throttle.entry((*method).to_owned()).or_insert(unset);
            change_throttle(throttle, member, patch)?;
        }
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}
