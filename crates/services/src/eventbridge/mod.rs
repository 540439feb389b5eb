//! EventBridge: buses, rules and events.
//!
//! An event comes by PutEvents ([`put_events`]), from another service or bus ([`receive`]), from the clock ([`timers`]) or out
//! of an archive ([`replaying`]). All go the same way: the table in memory ([`table`]) tells which rules it is for,
//! [`deliver`] makes a push for each of their targets with what the target is to get ([`input`]), and one commit makes them
//! durable. Whoever changes a rule writes a record, which the table follows. What waits for its time is an alarm
//! ([`alarms`]).

mod alarms;
mod archives;
mod archiving;
mod buses;
mod change;
mod connections;
mod deliver;
mod destinations;
mod error;
mod event;
mod input;
mod live;
mod names;
mod oauth;
mod page;
mod permissions;
mod put_events;
mod receive;
mod records;
mod replaying;
mod replays;
mod rule_targets;
mod rules;
mod secrets;
mod sending;
mod table;
mod tags;
mod target;
#[cfg(test)]
mod tests;
mod timers;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tindra_core::clock::UnixMs;
use tindra_model::{ApiError, Call, Reply};
use tindra_store::StoreError;

use crate::{Asker, Surroundings};

use error::EventsError;
use oauth::Tokens;
use sending::Paces;
use table::Table;

pub use alarms::ALARM_PREFIX;

/// EventBridge of every account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventBridgeService {
    around: Surroundings,
    table: Arc<Table>,
    tokens: Arc<Tokens>,
    paces: Arc<Paces>,
}

impl EventBridgeService {
    /// Over a store, whose rules are read and then followed.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn start(around: Surroundings) -> Result<Self, StoreError> {
        let table = Arc::new(Table::start(around.store.clone()).await?);
        Ok(Self { around, table, tokens: Arc::default(), paces: Arc::default() })
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, asker: Asker<'_>, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(asker, call.operation.name(), call.input).await?))
    }

    async fn answer(&self, asker: Asker<'_>, operation: &str, input: Value) -> Result<Value, EventsError> {
        let scope = asker.scope;
        match operation {
            "PutEvents" => Box::pin(self.put_events(asker, parse(input)?)).await,
            "TestEventPattern" => put_events::test_pattern(&parse(input)?),
            "CreateEventBus" => self.create_bus(scope, parse(input)?).await,
            "UpdateEventBus" => self.update_bus(scope, parse(input)?).await,
            "DeleteEventBus" => self.delete_bus(scope, parse(input)?).await,
            "DescribeEventBus" => self.describe_bus(scope, parse(input)?).await,
            "ListEventBuses" => self.list_buses(scope, parse(input)?).await,
            "PutPermission" => self.put_permission(scope, parse(input)?).await,
            "RemovePermission" => self.remove_permission(scope, parse(input)?).await,
            "PutRule" => self.put_rule(scope, parse(input)?).await,
            "DeleteRule" => self.delete_rule(scope, parse(input)?).await,
            "DescribeRule" => self.describe_rule(scope, parse(input)?).await,
            "ListRules" => self.list_rules(scope, parse(input)?).await,
            "EnableRule" => self.switch_rule(scope, parse(input)?, true).await,
            "DisableRule" => self.switch_rule(scope, parse(input)?, false).await,
            "PutTargets" => self.put_targets(scope, parse(input)?).await,
            "RemoveTargets" => self.remove_targets(scope, parse(input)?).await,
            "ListTargetsByRule" => self.list_targets(scope, parse(input)?).await,
            "ListRuleNamesByTarget" => self.list_rules_by_target(scope, parse(input)?).await,
            "ListTagsForResource" => self.list_tags(scope, parse(input)?).await,
            "TagResource" => self.tag(scope, parse(input)?).await,
            "UntagResource" => self.untag(scope, parse(input)?).await,
            _ => self.answer_others(asker, operation, input).await,
        }
    }

    /// Archives, replays, connections and API destinations.
    async fn answer_others(&self, asker: Asker<'_>, operation: &str, input: Value) -> Result<Value, EventsError> {
        let scope = asker.scope;
        match operation {
            "CreateArchive" => self.create_archive(scope, parse(input)?).await,
            "UpdateArchive" => self.update_archive(scope, parse(input)?).await,
            "DescribeArchive" => self.describe_archive(scope, parse(input)?).await,
            "DeleteArchive" => self.delete_archive(scope, parse(input)?).await,
            "ListArchives" => self.list_archives(scope, parse(input)?).await,
            "StartReplay" => self.start_replay(scope, parse(input)?).await,
            "DescribeReplay" => self.describe_replay(scope, parse(input)?).await,
            "ListReplays" => self.list_replays(scope, parse(input)?).await,
            "CancelReplay" => self.cancel_replay(scope, parse(input)?).await,
            "CreateConnection" => self.create_connection(scope, parse(input)?).await,
            "UpdateConnection" => self.update_connection(scope, parse(input)?).await,
            "DescribeConnection" => self.describe_connection(scope, parse(input)?).await,
            "DeleteConnection" => self.delete_connection(scope, parse(input)?).await,
            "DeauthorizeConnection" => self.deauthorize_connection(scope, parse(input)?).await,
            "ListConnections" => self.list_connections(scope, parse(input)?).await,
            "CreateApiDestination" => self.create_destination(scope, parse(input)?).await,
            "UpdateApiDestination" => self.update_destination(scope, parse(input)?).await,
            "DescribeApiDestination" => self.describe_destination(scope, parse(input)?).await,
            "DeleteApiDestination" => self.delete_destination(scope, parse(input)?).await,
            "ListApiDestinations" => self.list_destinations(scope, parse(input)?).await,
            _ => Err(EventsError::new(
                "UnknownOperationException",
                format!("tindra does not serve {operation} of EventBridge."),
            )),
        }
    }

    fn now_ms(&self) -> UnixMs {
        self.around.timer.unix_ms()
    }
}

fn parse<T: DeserializeOwned>(input: Value) -> Result<T, EventsError> {
    serde_json::from_value(input).map_err(|error| EventsError::new("SerializationException", error.to_string()))
}
