//! The targets of rules.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;

use super::EventBridgeService;
use super::error::EventsError;
use super::page::PageRequest;
use super::target::Target;

/// Targets of one rule (AWS).
const TARGETS_MAX: usize = 5;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRequest {
    rule: String,
    event_bus_name: Option<String>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemoveRequest {
    rule: String,
    event_bus_name: Option<String>,
    ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    rule: String,
    event_bus_name: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByTargetRequest {
    target_arn: String,
    event_bus_name: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl EventBridgeService {
    pub(super) async fn put_targets(&self, scope: &Scope, request: PutRequest) -> Result<Value, EventsError> {
        let bus = self.own_bus(scope, request.event_bus_name.as_deref())?;
        request.targets.iter().try_for_each(Target::check)?;
        let own = bus.arn();
        if request.targets.iter().any(|target| target.arn == own) {
            return Err(EventsError::invalid("An event bus cannot be the target of its own rules."));
        }
        self.change_rule(&bus, &request.rule, |rule| {
            for target in &request.targets {
                match rule.targets.iter_mut().find(|known| known.id == target.id) {
                    Some(known) => *known = target.clone(),
                    None => rule.targets.push(target.clone()),
                }
            }
            if rule.targets.len() > TARGETS_MAX { Err(EventsError::limit()) } else { Ok(()) }
        })
        .await?;
        Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
    }

    pub(super) async fn remove_targets(&self, scope: &Scope, request: RemoveRequest) -> Result<Value, EventsError> {
        let bus = self.own_bus(scope, request.event_bus_name.as_deref())?;
        let unknown = self
            .change_rule(&bus, &request.rule, |rule| {
                let is_known = |id: &String| rule.targets.iter().any(|target| target.id == *id);
                let unknown: Vec<String> = request.ids.iter().filter(|id| !is_known(id)).cloned().collect();
                rule.targets.retain(|target| !request.ids.contains(&target.id));
                Ok(unknown)
            })
            .await?;
        let failed: Vec<Value> = unknown
            .iter()
            .map(|id| {
                json!({
                    "TargetId": id, "ErrorCode": "ResourceNotFoundException",
                    "ErrorMessage": format!("Rule {} does not have a target with the Id {id}.", request.rule),
                })
            })
            .collect();
        Ok(json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
    }

    pub(super) async fn list_targets(&self, scope: &Scope, request: ListRequest) -> Result<Value, EventsError> {
        let bus = self.own_bus(scope, request.event_bus_name.as_deref())?;
        let mut targets = self.rule(&bus, &request.rule).await?.value.targets;
        targets.sort_by(|one, other| one.id.cmp(&other.id));
        let shown = targets.into_iter().map(|target| (target.id.clone(), json!(target)));
        request.page.cut("Targets", shown)
    }

    pub(super) async fn list_rules_by_target(
        &self,
        scope: &Scope,
        request: ByTargetRequest,
    ) -> Result<Value, EventsError> {
        let bus = self.own_bus(scope, request.event_bus_name.as_deref())?;
        self.bus(&bus).await?;
        let rules = self.rules_of(&bus).await?.into_iter();
        let rules = rules.filter(|rule| rule.targets.iter().any(|target| target.arn == request.target_arn));
        request.page.cut("RuleNames", rules.map(|rule| (rule.name.clone(), rule.name.into())))
    }
}
