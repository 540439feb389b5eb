//! AddPermission and RemovePermission: statements of a topic's policy.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_model::ApiError;

use super::error::{invalid, no_resource};
use super::{SnsService, parse};
use crate::Asker;

/// What others can be let do by AddPermission (AWS).
const ACTIONS: [&str; 8] = [
    "AddPermission",
    "DeleteTopic",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "Publish",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    topic_arn: String,
    label: String,
    #[serde(default, rename = "AWSAccountId")]
    accounts: Vec<String>,
    #[serde(default, rename = "ActionName")]
    actions: Vec<String>,
}

impl SnsService {
    pub(super) async fn add_permission(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: Request = parse(input)?;
        if let Some(action) = request.actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
            let message = format!("Policy statement action out of service scope! ({action})");
            return Err(invalid(message));
        }
        let is_account = |account: &String| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if request.accounts.is_empty() || !request.accounts.iter().all(is_account) {
            return Err(invalid("AWSAccountId"));
        }
        if request.actions.is_empty() {
            return Err(invalid("ActionName"));
        }
        let edit = |arn: &str, policy: &mut Value| {
            let Some(statements) = policy["Statement"].as_array_mut() else { return Err(invalid("Policy")) };
            if statements.iter().any(|statement| statement["Sid"] == request.label.as_str()) {
                return Err(invalid("Statement already exists"));
            }
            let principals = request.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root"));
            let actions = request.actions.iter().map(|action| format!("SNS:{action}"));
            statements.push(json!({
                "Sid": request.label,
                "Effect": "Allow",
                "Principal": { "AWS": one_or_all(principals.collect()) },
                "Action": one_or_all(actions.collect()),
                "Resource": arn,
            }));
            Ok(())
        };
        self.change_policy(asker, &request.topic_arn, edit).await
    }

    pub(super) async fn remove_permission(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: Request = parse(input)?;
        let edit = |_: &str, policy: &mut Value| {
            let Some(statements) = policy["Statement"].as_array_mut() else { return Err(invalid("Policy")) };
            let before = statements.len();
            statements.retain(|statement| statement["Sid"] != request.label.as_str());
            if statements.len() < before { Ok(()) } else { Err(no_resource()) }
        };
        self.change_policy(asker, &request.topic_arn, edit).await
    }

    async fn change_policy(
        &self,
        asker: Asker<'_>,
        arn: &str,
        edit: impl Fn(&str, &mut Value) -> Result<(), ApiError>,
    ) -> Result<Value, ApiError> {
        self.change_topic(asker, arn, |topic| {
            let text = topic.attribute("Policy").unwrap_or_default();
            let mut policy: Value = serde_json::from_str(text).map_err(|_| invalid("Policy"))?;
            // A single statement need not be in a list.
            if policy["Statement"].is_object() {
                policy["Statement"] = json!([policy["Statement"].take()]);
            }
            edit(&topic.name.arn(), &mut policy)?;
            topic.attributes.insert("Policy".to_owned(), policy.to_string());
            Ok(())
        })
        .await?;
        Ok(json!({}))
    }
}

fn one_or_all(mut values: Vec<String>) -> Value {
    if values.len() == 1 { Value::from(values.remove(0)) } else { Value::from(values) }
}
