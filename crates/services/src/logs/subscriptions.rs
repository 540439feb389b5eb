//! PutSubscriptionFilter, DescribeSubscriptionFilters and DeleteSubscriptionFilter: functions that get a group's events.
//!
//! A function that would get the events of its own group is refused: each of its runs would make the next one. Two functions
//! that get each other's are not found out here, as on AWS.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::name::FunctionReference;
use tindra_store::{Batch, BoxFuture, JsonBatch as _, JsonRecords as _, Precondition, Record, StoreError, Versioned};

use super::names::{group_arn, store_scope};
use super::pattern::Pattern;
use super::{LogsError, LogsService, page};
use crate::followed::Followed;

/// What the keys of the records begin with.
pub(super) const PREFIX: &str = "log-subscription/";
/// Of one group (AWS).
const FILTERS_MAX: usize = 2;

/// Port: what the logs need to know of functions.
pub trait Destinations: Send + Sync + std::fmt::Debug {
    /// Where the function logs to, if there is one by that ARN and its policy lets the logs of `source_arn` invoke it.
    fn find<'a>(
        &'a self,
        scope: &'a Scope,
        function_arn: &'a str,
        source_arn: &'a str,
    ) -> BoxFuture<'a, Option<LogsTo>>;
}

/// Where a function logs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsTo {
    /// Its account and region.
    pub scope: Scope,
    /// The name of the group.
    pub group: String,
    /// As which principal the logs may invoke it.
    pub principal: String,
}

/// The filters of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filters {
    pub(super) scope: Scope,
    pub(super) group: String,
    pub(super) filters: Vec<Filter>,
}

/// A function that gets those events of a group that match a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filter {
    pub(super) name: String,
    pub(super) pattern: String,
    pub(super) destination_arn: String,
    /// As whom the function is invoked.
    pub(super) principal: String,
    /// Of no effect with functions, and shown as it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distribution: Option<String>,
    created_ms: UnixMs,
}

/// The filters of one group with their patterns understood.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) filters: Filters,
    pub(super) patterns: Vec<Pattern>,
}

/// The filters of all groups, as they are in memory.
pub(super) type Table = Followed<Known>;

/// Reads a record.
pub(super) fn known(record: Record) -> Result<Known, StoreError> {
    let filters = Versioned::<Filters>::decode(record)?.value;
    let patterns = filters.filters.iter().map(|filter| Pattern::parse(&filter.pattern));
    // They were checked when they were set; what a newer server took and this one does not, takes everything.
    let patterns = patterns.map(|pattern| pattern.or_else(|_| Pattern::parse("")));
    let patterns = patterns.collect::<Result<Vec<_>, _>>();
    let failed = |error: super::pattern::PatternError| StoreError::Storage {
        attempt: "understand a filter pattern".to_owned(),
        source: error.into(),
    };
    Ok(Known { filters, patterns: patterns.map_err(failed)? })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutRequest {
    log_group_name: String,
    filter_name: String,
    filter_pattern: String,
    destination_arn: String,
    role_arn: Option<String>,
    distribution: Option<String>,
    #[serde(default)]
    apply_on_transformed_logs: bool,
    field_selection_criteria: Option<String>,
    #[serde(default)]
    emit_system_fields: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeRequest {
    log_group_name: String,
    filter_name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteRequest {
    log_group_name: String,
    filter_name: String,
}

pub(super) fn key(scope: &Scope, group: &str) -> String {
    format!("{PREFIX}{}/{group}", store_scope(scope))
}

impl LogsService {
    pub(super) async fn put_filter(&self, scope: &Scope, request: PutRequest) -> Result<(), LogsError> {
        self.check_group(scope, &request.log_group_name).await?;
        check(&request)?;
        let principal = self.check_destination(scope, &request).await?;
        let PutRequest { log_group_name: group, filter_name, filter_pattern, destination_arn, distribution, .. } =
            request;
        let created_ms = self.clock.unix_ms();
        let pattern = filter_pattern;
        let filter = Filter { name: filter_name, pattern, destination_arn, principal, distribution, created_ms };
        self.change_filters(scope, &group, |filters| {
            match filters.iter().position(|existing| existing.name == filter.name) {
                Some(place) => filters[place] = Filter { created_ms: filters[place].created_ms, ..filter.clone() },
                None if filters.len() >= FILTERS_MAX => {
                    return Err(LogsError::new("LimitExceededException", "Resource limit exceeded."));
                }
                None => filters.push(filter.clone()),
            }
            filters.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(())
        })
        .await
    }

    /// A function that is there, lets the logs invoke it, and does not log to the same group.
    async fn check_destination(&self, scope: &Scope, request: &PutRequest) -> Result<String, LogsError> {
        let source = format!("{}:*", group_arn(scope, &request.log_group_name));
        let found = match self.delivery() {
            Some(delivery) => delivery.destinations.find(scope, &request.destination_arn, &source).await,
            None => None,
        };
        let Some(logs_to) = found else {
            return Err(LogsError::invalid(
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.",
            ));
        };
        if logs_to.scope == *scope && logs_to.group == request.log_group_name {
            return Err(LogsError::invalid(
                "The function logs to this log group: it would be run for the logs of its own runs, without end.",
            ));
        }
        Ok(logs_to.principal)
    }

    pub(super) async fn describe_filters(&self, scope: &Scope, request: DescribeRequest) -> Result<Value, LogsError> {
        self.check_group(scope, &request.log_group_name).await?;
        let record: Option<Versioned<Filters>> =
            self.store.metadata.get_json(&key(scope, &request.log_group_name)).await?;
        let filters = record.map(|record| record.value.filters).unwrap_or_default();
        let prefix = request.filter_name_prefix.unwrap_or_default();
        let asked = filters.into_iter().filter(|filter| {
            filter.name.starts_with(&prefix) && request.next_token.as_ref().is_none_or(|token| filter.name > *token)
        });
        let limit = page::limit(request.limit, page::NAMES_MAX)?;
        let (filters, next_token) = page::cut(asked, limit, |filter| filter.name.clone());
        let shown = filters.iter().map(|filter| {
            json!({
                "filterName": filter.name,
                "logGroupName": request.log_group_name,
                "filterPattern": filter.pattern,
                "destinationArn": filter.destination_arn,
                "distribution": filter.distribution.as_deref().unwrap_or("ByLogStream"),
                "applyOnTransformedLogs": false,
                "creationTime": filter.created_ms,
            })
        });
        let mut answer = json!({ "subscriptionFilters": shown.collect::<Vec<_>>() });
        if let Some(token) = next_token {
            answer["nextToken"] = Value::from(token);
        }
        Ok(answer)
    }

    pub(super) async fn delete_filter(&self, scope: &Scope, request: DeleteRequest) -> Result<(), LogsError> {
        self.check_group(scope, &request.log_group_name).await?;
        self.change_filters(scope, &request.log_group_name, |filters| {
            let before = filters.len();
            filters.retain(|filter| filter.name != request.filter_name);
            let missing = "The specified subscription filter does not exist.";
            if filters.len() < before { Ok(()) } else { Err(LogsError::new("ResourceNotFoundException", missing)) }
        })
        .await
    }

    /// Forgets the filters of a group.
    pub(super) async fn forget_filters(&self, scope: &Scope, group: &str) -> Result<(), LogsError> {
        self.store.metadata.commit(Batch::default().delete(key(scope, group), Precondition::None)).await?;
        Ok(())
    }

    async fn change_filters(
        &self,
        scope: &Scope,
        group: &str,
        edit: impl Fn(&mut Vec<Filter>) -> Result<(), LogsError>,
    ) -> Result<(), LogsError> {
        let key = key(scope, group);
        loop {
            let record: Option<Versioned<Filters>> = self.store.metadata.get_json(&key).await?;
            let precondition =
                record.as_ref().map_or(Precondition::Absent, |record| Precondition::Revision(record.revision));
            let mut filters = record.map(|record| record.value.filters).unwrap_or_default();
            edit(&mut filters)?;
            let batch = match filters.is_empty() {
                true => Batch::default().delete(&key, precondition),
                false => {
                    let filters = Filters { scope: scope.clone(), group: group.to_owned(), filters };
                    Batch::default().put_json(&key, precondition, &filters)?
                }
            };
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. } | StoreError::OutcomeUnknown { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn check(request: &PutRequest) -> Result<(), LogsError> {
    Pattern::parse(&request.filter_pattern).map_err(|error| LogsError::invalid(error.to_string()))?;
    let arn = &request.destination_arn;
    let is_function = arn.starts_with("arn:aws:lambda:") && FunctionReference::parse(arn).is_ok();
    if !is_function {
        let service = arn.split(':').nth(2).unwrap_or_default();
        return Err(match service {
            "kinesis" | "firehose" | "logs" => {
                LogsError::invalid(format!("tindra delivers to functions alone, not to destinations of {service}."))
            }
            _ => LogsError::invalid("destinationArn for vendor lambda cannot be parsed."),
        });
    }
    if request.role_arn.is_some() {
        return Err(LogsError::invalid("destinationArn for vendor lambda cannot be used with roleArn"));
    }
    let unsupported = [
        (request.apply_on_transformed_logs, "applyOnTransformedLogs"),
        (request.field_selection_criteria.is_some(), "fieldSelectionCriteria"),
        (!request.emit_system_fields.is_empty(), "emitSystemFields"),
    ];
    match unsupported.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, member)) => Err(LogsError::invalid(format!("tindra does not support {member}."))),
        None => Ok(()),
    }
}
