//! DescribeLogGroups.

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;

use super::names::{group_arn, store_scope};
use super::{LogsError, LogsService, page};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    log_group_class: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Request {
    /// Every group here is of the standard class, and of the caller's own account.
    fn asks_for(&self, scope: &Scope, group: &str) -> bool {
        let named = |identifier: &String| identifier == group || *identifier == group_arn(scope, group);
        self.log_group_class.as_deref().is_none_or(|class| class == CLASS)
            && self.log_group_identifiers.as_ref().is_none_or(|identifiers| identifiers.iter().any(named))
            && group.starts_with(self.log_group_name_prefix.as_deref().unwrap_or_default())
            && group.contains(self.log_group_name_pattern.as_deref().unwrap_or_default())
    }
}

const CLASS: &str = "STANDARD";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    log_groups: Vec<Group>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    log_group_name: String,
    creation_time: u64,
    metric_filter_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_in_days: Option<u32>,
    arn: String,
    stored_bytes: u64,
    log_group_class: &'static str,
    log_group_arn: String,
}

impl LogsService {
    pub(super) async fn describe_groups(&self, scope: &Scope, request: Request) -> Result<Response, LogsError> {
        if request.log_group_name_prefix.is_some() && request.log_group_name_pattern.is_some() {
            return Err(LogsError::invalid(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        let limit = page::limit(request.limit, page::NAMES_MAX)?;
        let groups = self.store.logs.groups(&store_scope(scope)).await?;
        let asked = groups.into_iter().filter(|group| {
            let later = request.next_token.as_ref().is_none_or(|token| group.name > *token);
            later && request.asks_for(scope, &group.name)
        });
        let (groups, next_token) = page::cut(asked, limit, |group| group.name.clone());
        let mut log_groups = Vec::with_capacity(groups.len());
        for group in groups {
            let retention_in_days = self.settings(scope, &group.name).await?.retention_days;
            log_groups.push(Group {
                retention_in_days,
                arn: format!("{}:*", group_arn(scope, &group.name)),
                log_group_arn: group_arn(scope, &group.name),
                log_group_name: group.name,
                creation_time: group.created_ms,
                metric_filter_count: 0,
                stored_bytes: group.stored_bytes,
                log_group_class: CLASS,
            });
        }
        Ok(Response { log_groups, next_token })
    }
}
