//! The queue that an operation of SQS is about, and the action that policies call it by.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tindra_core::function::Scope;
use tindra_model::Call;
use tindra_services::sqs;

use super::text;

/// What no policy of a queue opens to other accounts ("Limitations of custom policies" of the SQS developer guide).
const OF_THE_OWNER: [&str; 10] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "CreateQueue",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "RemovePermission",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
];

/// Operations on several messages are the actions on one (service authorization reference).
pub(super) fn action(call: &Call) -> &str {
    let name = call.operation.name();
    name.strip_suffix("Batch").unwrap_or(name)
}

/// Whose the queue is, and its name.
pub(super) fn queue(call: &Call, scope: &Scope) -> Option<(Scope, String)> {
    let of = |account: &str, name: &str| {
        (Scope { account: account.to_owned(), region: scope.region.clone() }, name.to_owned())
    };
    let (owner, name) = named(&call.input, scope).map(|(account, name)| of(account, name)).or_else(|| of_task(call))?;
    match OF_THE_OWNER.contains(&call.operation.name()) {
        true => Some((scope.clone(), name)),
        false => Some((owner, name)),
    }
}

fn named<'a>(input: &'a Value, scope: &'a Scope) -> Option<(&'a str, &'a str)> {
    if let Some(url) = text(input, "QueueUrl") {
        return sqs::queue_of_url(url);
    }
    let owner = text(input, "QueueOwnerAWSAccountId").unwrap_or(&scope.account);
    text(input, "QueueName").map(|name| (owner, name))
}

/// The queue that a task moves messages of.
fn of_task(call: &Call) -> Option<(Scope, String)> {
    let of_handle = || {
        let bytes = STANDARD.decode(text(&call.input, "TaskHandle")?).ok()?;
        let handle: Value = serde_json::from_slice(&bytes).ok()?;
        handle["sourceArn"].as_str().map(str::to_owned)
    };
    let is_of_sqs = call.operation.name().contains("MessageMoveTask");
    let arn = text(&call.input, "SourceArn").map(str::to_owned).or_else(of_handle).filter(|_| is_of_sqs)?;
    sqs::queue_of_arn(&arn).map(|(owner, name)| (owner, name.to_owned()))
}

/// Whether a request names a queue of another account than its own. Cheap, for it is asked of every request.
pub(super) fn is_foreign(call: &Call, scope: &Scope) -> bool {
    let is_other = |account: &str| account != scope.account;
    let url = text(&call.input, "QueueUrl").and_then(sqs::queue_of_url);
    let owner = || text(&call.input, "QueueOwnerAWSAccountId");
    url.map_or_else(|| owner().is_some_and(is_other), |(account, _)| is_other(account))
}
