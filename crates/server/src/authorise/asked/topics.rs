//! The topic that a request of SNS is about.

use tindra_core::function::Scope;
use tindra_model::Call;

use super::text;

/// Where requests name a topic, or at last a subscription of one.
const MEMBERS: [&str; 4] = ["TopicArn", "TargetArn", "ResourceArn", "SubscriptionArn"];

/// The resource in policies, and the ARN of the topic that has a say in it.
pub(super) fn resource(call: &Call, scope: &Scope) -> (String, Option<String>) {
    if let Some(topic) = topic(call) {
        return (topic.clone(), Some(topic));
    }
    let named = text(&call.input, "Name").map(|name| format!("arn:aws:sns:{}:{}:{name}", scope.region, scope.account));
    (named.unwrap_or_else(|| "*".to_owned()), None)
}

/// Whose topic it is; the caller's account where none is named.
pub(super) fn owner(call: &Call, scope: &Scope) -> Scope {
    let account = topic(call).and_then(|arn| arn.split(':').nth(4).map(str::to_owned));
    let account = account.filter(|account| account.len() == 12).unwrap_or_else(|| scope.account.clone());
    Scope { account, region: scope.region.clone() }
}

/// Whether it is a topic of another account. Without a copy, for it is asked of every request.
pub(super) fn is_foreign(call: &Call, scope: &Scope) -> bool {
    let mut named = MEMBERS.iter().filter_map(|member| text(&call.input, member));
    let arn = named.find(|arn| arn.starts_with("arn:aws:sns:"));
    arn.and_then(|arn| arn.split(':').nth(4)).is_some_and(|account| account != scope.account)
}

/// The subscription that is named.
pub(super) fn subscription(call: &Call) -> Option<String> {
    text(&call.input, "SubscriptionArn").map(str::to_owned)
}

/// The ARN of the topic that is named, perhaps by one of its subscriptions.
fn topic(call: &Call) -> Option<String> {
    let named = MEMBERS[..3].iter().find_map(|member| text(&call.input, member)).map(str::to_owned);
    let of_subscription = || {
        let (topic, _) = text(&call.input, "SubscriptionArn")?.rsplit_once(':')?;
        Some(topic.to_owned())
    };
    named.or_else(of_subscription).filter(|arn| arn.starts_with("arn:aws:sns:"))
}
