//! Replays: sending events of an archive to its bus again.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tindra_core::function::Scope;
use tindra_store::Versioned;
use uuid::Uuid;

use super::EventBridgeService;
use super::alarms::{Alarm, Named};
use super::change::Beside;
use super::error::EventsError;
use super::names::{Kind, parse_rule_arn};
use super::page::PageRequest;
use super::records::{Archive, Replay, ReplayState};
use crate::instant::{from_seconds, to_seconds};
use tindra_store::following::all;

/// Replays of an account and region at once (AWS).
const RUNNING_MAX: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartRequest {
    replay_name: String,
    description: Option<String>,
    event_source_arn: String,
    event_start_time: f64,
    event_end_time: f64,
    destination: Destination,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    arn: String,
    #[serde(default)]
    filter_arns: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedRequest {
    replay_name: String,
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

impl EventBridgeService {
    pub(super) async fn start_replay(&self, scope: &Scope, request: StartRequest) -> Result<Value, EventsError> {
        let times = from_seconds(request.event_start_time).zip(from_seconds(request.event_end_time));
        let (from_ms, to_ms) = times.filter(|(from_ms, to_ms)| from_ms < to_ms).ok_or_else(|| {
            EventsError::invalid(
                "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.",
            )
        })?;
        let named = Kind::Archive.parse_arn(&request.event_source_arn).filter(|(owner, _)| owner == scope);
        let (_, name) = named.ok_or_else(|| {
            EventsError::invalid("Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN.")
        })?;
        let archive: Versioned<Archive> = self.named(Kind::Archive, scope, &name).await?;
        let archive = archive.value;
        if request.destination.arn != archive.bus.arn() {
            return Err(EventsError::invalid(
                "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.",
            ));
        }
        for filter in &request.destination.filter_arns {
            let rule = parse_rule_arn(filter).filter(|(bus, _)| *bus == archive.bus);
            let (bus, rule) = rule.ok_or_else(|| {
                EventsError::invalid(format!(
                    "Parameter Destination.FilterArns is not valid. Reason: {filter} is no rule of the event bus."
                ))
            })?;
            self.rule(&bus, &rule).await?;
        }
        let others = all::<Replay>(&self.around.store, &Kind::Replay.prefix(scope)).await?;
        if others.iter().filter(|other| !other.value.state.is_over()).count() >= RUNNING_MAX {
            return Err(EventsError::limit());
        }
        let bounds = self.around.store.journals.bounds(&archive.journal()).await?;
        let now_ms = self.now_ms();
        let replay = Replay {
            id: Uuid::now_v7(),
            name: request.replay_name.clone(),
            description: request.description,
            archive_arn: Kind::Archive.arn(scope, &archive.name),
            archive,
            filter_arns: request.destination.filter_arns,
            from_ms,
            to_ms,
            state: ReplayState::Starting,
            state_reason: None,
            started_ms: now_ms,
            ended_ms: None,
            last_replayed_ms: None,
            offset: bounds.first,
            end: bounds.end,
        };
        let alarm = Alarm::Replay(Named { scope: scope.clone(), name: replay.name.clone(), id: replay.id });
        let beside = Beside { messages: vec![alarm.message(scope, now_ms, now_ms)], ..Beside::default() };
        let key = Kind::Replay.key(scope, &replay.name);
        self.create(key, &replay, beside, || Kind::Replay.exists(&replay.name)).await?;
        Ok(json!({
            "ReplayArn": Kind::Replay.arn(scope, &replay.name), "State": replay.state.text(),
            "ReplayStartTime": to_seconds(now_ms),
        }))
    }

    pub(super) async fn describe_replay(&self, scope: &Scope, request: NamedRequest) -> Result<Value, EventsError> {
        let replay: Versioned<Replay> = self.named(Kind::Replay, scope, &request.replay_name).await?;
        let replay = replay.value;
        let mut shown = shown(&replay);
        shown.insert("ReplayArn".to_owned(), Kind::Replay.arn(scope, &replay.name).into());
        let mut destination = json!({ "Arn": replay.archive.bus.arn() });
        if !replay.filter_arns.is_empty() {
            destination["FilterArns"] = json!(replay.filter_arns);
        }
        shown.insert("Destination".to_owned(), destination);
        if let Some(description) = replay.description {
            shown.insert("Description".to_owned(), description.into());
        }
        Ok(shown.into())
    }

    pub(super) async fn list_replays(&self, scope: &Scope, request: ListRequest) -> Result<Value, EventsError> {
        let prefix = request.name_prefix.unwrap_or_default();
        let replays = all::<Replay>(&self.around.store, &Kind::Replay.prefix(scope)).await?.into_iter();
        let replays = replays.map(|replay| replay.value).filter(|replay| {
            replay.name.starts_with(&prefix)
                && request.event_source_arn.as_ref().is_none_or(|source| *source == replay.archive_arn)
                && request.state.as_ref().is_none_or(|state| state == replay.state.text())
        });
        request.page.cut("Replays", replays.map(|replay| (replay.name.clone(), shown(&replay).into())))
    }

    pub(super) async fn cancel_replay(&self, scope: &Scope, request: NamedRequest) -> Result<Value, EventsError> {
        let now_ms = self.now_ms();
        self.change(Kind::Replay, scope, &request.replay_name, |replay: &mut Replay| {
            if replay.state.is_over() {
                return Err(EventsError::new(
                    "IllegalStatusException",
                    format!("Replay {} is not in a valid state for this operation.", replay.name),
                ));
            }
            replay.state = ReplayState::Cancelled;
            replay.ended_ms = Some(now_ms);
            Ok(())
        })
        .await?;
        Ok(json!({
            "ReplayArn": Kind::Replay.arn(scope, &request.replay_name), "State": ReplayState::Cancelled.text(),
        }))
    }
}

fn shown(replay: &Replay) -> Map<String, Value> {
    let members = [
        ("ReplayName", Some(json!(replay.name))),
        ("EventSourceArn", Some(json!(replay.archive_arn))),
        ("State", Some(json!(replay.state.text()))),
        ("StateReason", replay.state_reason.as_ref().map(|reason| json!(reason))),
        ("EventStartTime", Some(json!(to_seconds(replay.from_ms)))),
        ("EventEndTime", Some(json!(to_seconds(replay.to_ms)))),
        ("EventLastReplayedTime", replay.last_replayed_ms.map(|time_ms| json!(to_seconds(time_ms)))),
        ("ReplayStartTime", Some(json!(to_seconds(replay.started_ms)))),
        ("ReplayEndTime", replay.ended_ms.map(|time_ms| json!(to_seconds(time_ms)))),
    ];
    members.into_iter().filter_map(|(name, member)| Some((name.to_owned(), member?))).collect()
}
