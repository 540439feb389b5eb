//! `AddPermission` and `RemovePermission`: statements of a queue's policy by their labels.

use serde_json::{Value, json};
use tindra_core::policy::Policy;
use tindra_model::ApiError;

use super::SqsService;
use super::error::{bad_attribute, bad_value, missing, text, texts};
use super::record::{Known, Queue};

/// Statements of a policy (AWS).
const STATEMENTS_MAX: usize = 20;

impl SqsService {
    pub(super) async fn add_permission(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let label = text(input, "Label")?;
        let (accounts, actions) = (texts(input, "AWSAccountIds"), texts(input, "Actions"));
        for (member, given) in [("AWSAccountIds", &accounts), ("Actions", &actions)] {
            if given.is_empty() {
                return Err(missing(member));
            }
        }
        let is_label =
            label.len() <= 80 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_label {
            return Err(bad_value(
                "Label",
                label,
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.",
            ));
        }
        let is_account = |account: &&str| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(account) = accounts.iter().find(|account| !is_account(account)) {
            return Err(bad_value("PrincipalId", account, "Unable to verify."));
        }
        let principals: Vec<Value> =
            accounts.iter().map(|account| json!(format!("arn:aws:iam::{account}:root"))).collect();
        let actions: Vec<Value> = actions.iter().map(|action| json!(format!("SQS:{action}"))).collect();
        let changed = self.change(queue, |queue| {
            let mut policy = policy_of(queue)?;
            let statements = statements(&mut policy)?;
            if statements.iter().any(|statement| statement["Sid"] == *label) {
                return Err(bad_value("Label", label, "Already exists."));
            }
            if statements.len() >= STATEMENTS_MAX {
                return Err(ApiError::new("OverLimit", format!("{STATEMENTS_MAX} statements is the maximum allowed.")));
            }
            statements.push(json!({
                "Sid": label,
                "Effect": "Allow",
                "Principal": { "AWS": one_or_all(&principals) },
                "Action": one_or_all(&actions),
                "Resource": queue.arn(),
            }));
            let text = policy.to_string();
            Policy::parse(&text).map_err(|_| bad_value("ActionName", "", "Only valid actions are allowed."))?;
            queue.settings.policy = Some(text);
            Ok(())
        });
        changed.await.map(|()| json!({}))
    }

    pub(super) async fn remove_permission(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let label = text(input, "Label")?;
        let changed = self.change(queue, |queue| {
            let mut policy = policy_of(queue)?;
            let statements = statements(&mut policy)?;
            let before = statements.len();
            statements.retain(|statement| statement["Sid"] != *label);
            if statements.len() == before {
                return Err(bad_value("Label", label, "can't find label."));
            }
            queue.settings.policy = if statements.is_empty() { None } else { Some(policy.to_string()) };
            Ok(())
        });
        changed.await.map(|()| json!({}))
    }
}

fn policy_of(queue: &Queue) -> Result<Value, ApiError> {
    match &queue.settings.policy {
        Some(text) => serde_json::from_str(text).map_err(|_| bad_attribute("Policy")),
        None => Ok(json!({
            "Version": "2012-10-17",
            "Id": format!("{}/SQSDefaultPolicy", queue.arn()),
            "Statement": [],
        })),
    }
}

/// The statements of a document, which may have one without a list around it.
fn statements(policy: &mut Value) -> Result<&mut Vec<Value>, ApiError> {
    let statement = &mut policy["Statement"];
    if statement.is_object() {
        *statement = json!([statement.take()]);
    }
    statement.as_array_mut().ok_or_else(|| bad_attribute("Policy"))
}

fn one_or_all(values: &[Value]) -> Value {
    match values {
        [one] => one.clone(),
        all => json!(all),
    }
}
