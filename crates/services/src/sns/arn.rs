//! The ARNs of topics and subscriptions.

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;
use tindra_model::ApiError;

use super::error::invalid;

/// What the keys of topics begin with.
pub(super) const TOPICS: &str = "sns/topics/";
/// What the keys of subscriptions begin with.
pub(super) const SUBSCRIPTIONS: &str = "sns/subscriptions/";
const NAME_MAX: usize = 256;

/// A topic, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct TopicName {
    pub(super) scope: Scope,
    pub(super) name: String,
}

impl TopicName {
    /// Reads `arn:aws:sns:REGION:ACCOUNT:NAME`; `member` is what carries it.
    pub(super) fn parse(arn: &str, member: &str) -> Result<Self, ApiError> {
        let fields: Vec<&str> = arn.split(':').collect();
        if fields.len() < 6 {
            let count = fields.len();
            return Err(invalid(format_args!("{member} Reason: An ARN must have at least 6 elements, not {count}")));
        }
        match fields[..] {
            ["arn", "aws", "sns", region, account, name] if is_name(name) => {
                Ok(Self { scope: scope(account, region), name: name.to_owned() })
            }
            _ => Err(invalid(member)),
        }
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:sns:{}:{}:{}", self.scope.region, self.scope.account, self.name)
    }

    pub(super) fn key(&self) -> String {
        format!("{}{}", topics_of(&self.scope), self.name)
    }

    /// What the keys of its subscriptions begin with.
    pub(super) fn subscriptions(&self) -> String {
        format!("{}{}/", subscriptions_of(&self.scope), self.name)
    }
}

/// The topic of a subscription's ARN, and its own id.
pub(super) fn subscription(arn: &str) -> Result<(TopicName, &str), ApiError> {
    let bad = || invalid(format_args!("SubscriptionArn Reason: {arn} is not the ARN of a subscription"));
    let (topic, id) = arn.rsplit_once(':').ok_or_else(bad)?;
    let topic = TopicName::parse(topic, "SubscriptionArn").map_err(|_| bad())?;
    Ok((topic, id))
}

/// What the keys of an account's and region's topics begin with.
pub(super) fn topics_of(scope: &Scope) -> String {
    format!("{TOPICS}{}/{}/", scope.account, scope.region)
}

/// What the keys of the subscriptions of an account's and region's topics begin with.
pub(super) fn subscriptions_of(scope: &Scope) -> String {
    format!("{SUBSCRIPTIONS}{}/{}/", scope.account, scope.region)
}

/// Letters, digits, `-` and `_`, and `.fifo` behind them for topics that keep an order.
pub(super) fn is_name(name: &str) -> bool {
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    (1..=NAME_MAX).contains(&name.len())
        && !plain.is_empty()
        && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn scope(account: &str, region: &str) -> Scope {
    Scope { account: account.to_owned(), region: region.to_owned() }
}
