//! Archives: which events of a bus are kept, and for how long.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::function::Scope;
use tindra_store::{Batch, JournalChange, JsonRecords as _, Precondition, Versioned};
use uuid::Uuid;

use super::EventBridgeService;
use super::alarms::{Alarm, Named};
use super::archiving::TRIM_INTERVAL_MS;
use super::change::Beside;
use super::error::EventsError;
use super::names::{BusName, Kind};
use super::page::PageRequest;
use super::records::{Archive, ArchiveFigures};
use super::rules::check_pattern;
use crate::instant::to_seconds;
use tindra_store::following::all;

/// What every archive here is in.
const STATE: &str = "ENABLED";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRequest {
    archive_name: String,
    event_source_arn: String,
    description: Option<String>,
    event_pattern: Option<String>,
    retention_days: Option<u32>,
    kms_key_identifier: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateRequest {
    archive_name: String,
    description: Option<String>,
    event_pattern: Option<String>,
    retention_days: Option<u32>,
    kms_key_identifier: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedRequest {
    archive_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    name_prefix: Option<String>,
    event_source_arn: Option<String>,
    state: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

fn no_key(key: Option<&String>) -> Result<(), EventsError> {
    let given = key.filter(|key| !key.is_empty());
    given.map_or(Ok(()), |_| Err(EventsError::unsupported("KmsKeyIdentifier of archives")))
}

impl EventBridgeService {
    pub(super) async fn create_archive(&self, scope: &Scope, request: CreateRequest) -> Result<Value, EventsError> {
        no_key(request.kms_key_identifier.as_ref())?;
        let bus = BusName::parse_arn(&request.event_source_arn).filter(|bus| bus.scope == *scope);
        let bus = bus.ok_or_else(|| {
            EventsError::invalid(format!("Parameter EventSourceArn is not valid: {}", request.event_source_arn))
        })?;
        self.bus(&bus).await?;
        request.event_pattern.as_deref().map_or(Ok(()), check_pattern)?;
        let now_ms = self.now_ms();
        let archive = Archive {
            id: Uuid::now_v7(),
            bus,
            name: request.archive_name.clone(),
            description: request.description,
            pattern: request.event_pattern,
            retention_days: request.retention_days.unwrap_or(0),
            created_ms: now_ms,
        };
        let trim = Alarm::Trim(Named { scope: scope.clone(), name: archive.name.clone(), id: archive.id });
        let due_ms = now_ms.saturating_add(TRIM_INTERVAL_MS);
        let beside = Beside { messages: vec![trim.message(scope, due_ms, now_ms)], ..Beside::default() };
        let key = Kind::Archive.key(scope, &archive.name);
        self.create(key, &archive, beside, || Kind::Archive.exists(&archive.name)).await?;
        Ok(changed(scope, &archive))
    }

    pub(super) async fn update_archive(&self, scope: &Scope, request: UpdateRequest) -> Result<Value, EventsError> {
        no_key(request.kms_key_identifier.as_ref())?;
        request.event_pattern.as_deref().map_or(Ok(()), check_pattern)?;
        let archive = self
            .change(Kind::Archive, scope, &request.archive_name, |archive: &mut Archive| {
                if request.description.is_some() {
                    archive.description.clone_from(&request.description);
                }
                if request.event_pattern.is_some() {
                    archive.pattern.clone_from(&request.event_pattern);
                }
                archive.retention_days = request.retention_days.unwrap_or(archive.retention_days);
                Ok(archive.clone())
            })
            .await?;
        Ok(changed(scope, &archive))
    }

    pub(super) async fn describe_archive(&self, scope: &Scope, request: NamedRequest) -> Result<Value, EventsError> {
        let archive: Versioned<Archive> = self.named(Kind::Archive, scope, &request.archive_name).await?;
        let mut shown = self.shown_archive(&archive.value).await?;
        shown.insert("ArchiveArn".to_owned(), Kind::Archive.arn(scope, &request.archive_name).into());
        for (name, member) in [("Description", &archive.value.description), ("EventPattern", &archive.value.pattern)] {
            if let Some(member) = member {
                shown.insert(name.to_owned(), member.as_str().into());
            }
        }
        Ok(shown.into())
    }

    pub(super) async fn delete_archive(&self, scope: &Scope, request: NamedRequest) -> Result<Value, EventsError> {
        loop {
            let archive: Versioned<Archive> = self.named(Kind::Archive, scope, &request.archive_name).await?;
            let batch = Batch::default()
                .delete(archive.value.figures_key(), Precondition::None)
                .journal(JournalChange::Remove { journal: archive.value.journal() });
            if self.remove(&archive.key, archive.revision, batch).await? {
                return Ok(json!({}));
            }
        }
    }

    pub(super) async fn list_archives(&self, scope: &Scope, request: ListRequest) -> Result<Value, EventsError> {
        let prefix = request.name_prefix.unwrap_or_default();
        let (source, state) = (request.event_source_arn, request.state);
        let mut items = Vec::new();
        for archive in all::<Archive>(&self.around.store, &Kind::Archive.prefix(scope)).await? {
            let archive = archive.value;
            let fits = archive.name.starts_with(&prefix)
                && source.as_ref().is_none_or(|source| *source == archive.bus.arn())
                && state.as_ref().is_none_or(|state| state == STATE);
            if fits {
                items.push((archive.name.clone(), self.shown_archive(&archive).await?.into()));
            }
        }
        request.page.cut("Archives", items)
    }

    async fn shown_archive(&self, archive: &Archive) -> Result<Map<String, Value>, EventsError> {
        let figures: Option<Versioned<ArchiveFigures>> =
            self.around.store.metadata.get_json(&archive.figures_key()).await?;
        let figures = figures.map(|figures| figures.value).unwrap_or_default();
        let members = [
            ("ArchiveName", json!(archive.name)),
            ("EventSourceArn", json!(archive.bus.arn())),
            ("State", json!(STATE)),
            ("RetentionDays", json!(archive.retention_days)),
            ("SizeBytes", json!(figures.bytes)),
            ("EventCount", json!(figures.events)),
            ("CreationTime", json!(to_seconds(archive.created_ms))),
        ];
        Ok(members.into_iter().map(|(name, member)| (name.to_owned(), member)).collect())
    }
}

/// What creating and updating answer.
fn changed(scope: &Scope, archive: &Archive) -> Value {
    json!({
        "ArchiveArn": Kind::Archive.arn(scope, &archive.name), "State": STATE,
        "CreationTime": to_seconds(archive.created_ms),
    })
}
