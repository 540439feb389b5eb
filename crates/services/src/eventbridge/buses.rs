//! Event buses.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::function::Scope;

use super::EventBridgeService;
use super::change::Beside;
use super::error::EventsError;
use super::names::{BUS_PREFIX, BusName, in_scope};
use super::page::PageRequest;
use super::records::{Bus, Rule};
use super::tags::{Tag, merged};
use crate::instant::to_seconds;
use tindra_store::following::all;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BusRequest {
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    /// What would do nothing here.
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedRequest {
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    name_prefix: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl BusRequest {
    fn check(&self) -> Result<(), EventsError> {
        self.others
            .keys()
            .next()
            .map_or(Ok(()), |other| Err(EventsError::unsupported(&format!("{other} of event buses"))))
    }
}

impl EventBridgeService {
    pub(super) async fn create_bus(&self, scope: &Scope, request: BusRequest) -> Result<Value, EventsError> {
        request.check()?;
        let name = BusName::new(scope, request.name.as_deref().unwrap_or_default());
        let exists = || EventsError::exists(format!("Event bus {} already exists.", name.name));
        if name.is_default() {
            return Err(exists());
        }
        if name.name.contains('/') || name.name.starts_with("aws.") {
            return Err(EventsError::invalid(format!("{} is no name for an event bus of one's own.", name.name)));
        }
        let mut bus = Bus::new(name.clone(), self.now_ms());
        bus.description.clone_from(&request.description);
        bus.tags = merged(bus.tags, request.tags)?;
        self.create(name.key(), &bus, Beside::default(), exists).await?;
        let mut output = json!({ "EventBusArn": name.arn() });
        if let Some(description) = request.description {
            output["Description"] = description.into();
        }
        Ok(output)
    }

    pub(super) async fn update_bus(&self, scope: &Scope, request: BusRequest) -> Result<Value, EventsError> {
        request.check()?;
        let name = BusName::read(scope, request.name.as_deref())?;
        self.change_bus(&name, |bus| {
            bus.description.clone_from(&request.description);
            Ok(())
        })
        .await?;
        let mut output = json!({ "Arn": name.arn(), "Name": name.name });
        if let Some(description) = request.description {
            output["Description"] = description.into();
        }
        Ok(output)
    }

    pub(super) async fn delete_bus(&self, scope: &Scope, request: NamedRequest) -> Result<Value, EventsError> {
        let name = BusName::read(scope, request.name.as_deref())?;
        if name.is_default() {
            return Err(EventsError::invalid("Cannot delete event bus default."));
        }
        loop {
            // One that is not there is deleted.
            let Ok(bus) = self.bus(&name).await else { return Ok(json!({})) };
            let rules = self.around.store.metadata.list(&name.rules_prefix(), None, 1).await?;
            if !rules.is_empty() {
                return Err(EventsError::invalid("Event bus can't be deleted since it has rules."));
            }
            if self.remove(&bus.key, bus.revision, tindra_store::Batch::default()).await? {
                return Ok(json!({}));
            }
        }
    }

    pub(super) async fn describe_bus(&self, scope: &Scope, request: NamedRequest) -> Result<Value, EventsError> {
        let name = BusName::read(scope, request.name.as_deref())?;
        Ok(shown(&self.bus(&name).await?.value))
    }

    pub(super) async fn list_buses(&self, scope: &Scope, request: ListRequest) -> Result<Value, EventsError> {
        let mut buses: Vec<Bus> =
            all(&self.around.store, &in_scope(BUS_PREFIX, scope)).await?.into_iter().map(|bus| bus.value).collect();
        if !buses.iter().any(|bus| bus.name.is_default()) {
            buses.push(self.bus(&BusName::read(scope, None)?).await?.value);
        }
        buses.sort_by(|one, other| one.name.cmp(&other.name));
        let prefix = request.name_prefix.unwrap_or_default();
        let buses = buses.into_iter().filter(|bus| bus.name.name.starts_with(&prefix));
        request.page.cut("EventBuses", buses.map(|bus| (bus.name.name.clone(), shown(&bus))))
    }

    /// Every rule of a bus, by name.
    pub(super) async fn rules_of(&self, bus: &BusName) -> Result<Vec<Rule>, EventsError> {
        let rules = all(&self.around.store, &bus.rules_prefix()).await?;
        Ok(rules.into_iter().map(|rule| rule.value).collect())
    }
}

fn shown(bus: &Bus) -> Value {
    let mut shown = json!({ "Name": bus.name.name, "Arn": bus.name.arn() });
    if let Some(description) = &bus.description {
        shown["Description"] = description.as_str().into();
    }
    if let Some(policy) = &bus.policy {
        shown["Policy"] = policy.as_str().into();
    }
    if !bus.name.is_default() {
        shown["CreationTime"] = to_seconds(bus.created_ms).into();
        shown["LastModifiedTime"] = to_seconds(bus.modified_ms).into();
    }
    shown
}
