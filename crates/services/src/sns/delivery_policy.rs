//! How often and how long a message is tried: AWS's table for functions and queues, delivery policies for HTTP endpoints
//! (AWS, "Amazon SNS message delivery retries", "Creating a delivery policy").

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::push::{Backoff, Growth, PushPolicy};

use super::records::{Subscription, Topic};

const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";
/// An HTTP endpoint is tried for that long at most (AWS).
const HTTP_S_MAX: u64 = 3_600;
const DAY_MS: u64 = 86_400_000;

/// The members of a subscription's delivery policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeliveryPolicy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    healthy_retry_policy: Option<RetryPolicy>,
    /// Of old; AWS answers it as null and does nothing with it.
    #[serde(default, skip_serializing)]
    sickly_retry_policy: Option<Nothing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    throttle_policy: Option<ThrottlePolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_policy: Option<RequestPolicy>,
    #[serde(default, skip_serializing)]
    guaranteed: Option<bool>,
}

/// Something that can only be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Nothing {}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTopic {
    http: Option<HttpOfTopic>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HttpOfTopic {
    default_healthy_retry_policy: Option<RetryPolicy>,
    default_sickly_retry_policy: Option<Nothing>,
    default_throttle_policy: Option<ThrottlePolicy>,
    default_request_policy: Option<RequestPolicy>,
    #[serde(default)]
    disable_subscription_overrides: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct RetryPolicy {
    min_delay_target: u64,
    max_delay_target: u64,
    num_retries: u32,
    num_max_delay_retries: u32,
    num_no_delay_retries: u32,
    num_min_delay_retries: u32,
    backoff_function: Growth,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            min_delay_target: 20,
            max_delay_target: 20,
            num_retries: 3,
            num_max_delay_retries: 0,
            num_no_delay_retries: 0,
            num_min_delay_retries: 0,
            backoff_function: Growth::Linear,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ThrottlePolicy {
    max_receives_per_second: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RequestPolicy {
    header_content_type: String,
}

impl RetryPolicy {
    /// The retries of the phases that have a number of their own.
    fn phases(&self) -> u32 {
        self.num_no_delay_retries.saturating_add(self.num_min_delay_retries).saturating_add(self.num_max_delay_retries)
    }

    fn check(&self) -> Result<(), String> {
        let phases = self.phases();
        let problem = match self {
            Self { num_retries: 101.., .. } => "numRetries must be between 0 and 100",
            Self { min_delay_target: 0, .. } => "minDelayTarget must be at least 1",
            _ if self.max_delay_target > HTTP_S_MAX => "maxDelayTarget must be at most 3600",
            _ if self.min_delay_target > self.max_delay_target => "maxDelayTarget must not be less than minDelayTarget",
            _ if phases > self.num_retries => "numRetries must not be less than the retries of its phases",
            _ => return Ok(()),
        };
        Err(problem.to_owned())
    }

    fn push_policy(&self) -> PushPolicy {
        let phases = self.phases();
        let backoff = Backoff::Phases {
            at_once: self.num_no_delay_retries,
            before: self.num_min_delay_retries,
            growing: self.num_retries.saturating_sub(phases),
            growth: self.backoff_function,
            least_ms: self.min_delay_target * 1_000,
            most_ms: self.max_delay_target * 1_000,
        };
        PushPolicy { retries_max: self.num_retries, age_ms_max: HTTP_S_MAX * 1_000, backoff }
    }
}

/// What holds for the messages of an HTTP subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effective {
    retry: RetryPolicy,
    /// Messages in a second; no limit without it.
    pub(super) receives_per_s_max: Option<u32>,
    pub(super) content_type: String,
}

impl Effective {
    /// What the policies of topic and subscription say together. They were checked when they were set.
    pub(super) fn of(topic: &Topic, subscription: &Subscription) -> Self {
        let of_topic = topic.attribute("DeliveryPolicy").and_then(|text| serde_json::from_str::<OfTopic>(text).ok());
        let topic = of_topic.and_then(|policy| policy.http).unwrap_or_default();
        let own = subscription.attribute("DeliveryPolicy").filter(|_| !topic.disable_subscription_overrides);
        let own: DeliveryPolicy = own.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let throttle = own.throttle_policy.or(topic.default_throttle_policy);
        let request = own.request_policy.or(topic.default_request_policy);
        Self {
            retry: own.healthy_retry_policy.or(topic.default_healthy_retry_policy).unwrap_or_default(),
            receives_per_s_max: throttle.and_then(|throttle| throttle.max_receives_per_second),
            content_type: request.map_or_else(|| CONTENT_TYPE.to_owned(), |request| request.header_content_type),
        }
    }

    pub(super) fn push_policy(&self) -> PushPolicy {
        self.retry.push_policy()
    }

    /// `EffectiveDeliveryPolicy` of a subscription.
    pub(super) fn shown(&self) -> Value {
        json!({
            "healthyRetryPolicy": self.retry,
            "sicklyRetryPolicy": null,
            "throttlePolicy": self.receives_per_s_max.map(|most| json!({ "maxReceivesPerSecond": most })),
            "requestPolicy": { "headerContentType": self.content_type },
            "guaranteed": false,
        })
    }
}

/// `EffectiveDeliveryPolicy` of a topic.
pub(super) fn effective_of_topic(topic: &Topic) -> Value {
    let of_topic = topic.attribute("DeliveryPolicy").and_then(|text| serde_json::from_str::<OfTopic>(text).ok());
    let http = of_topic.and_then(|policy| policy.http).unwrap_or_default();
    let request =
        http.default_request_policy.map_or_else(|| CONTENT_TYPE.to_owned(), |policy| policy.header_content_type);
    let mut shown = json!({
        "defaultHealthyRetryPolicy": http.default_healthy_retry_policy.unwrap_or_default(),
        "disableSubscriptionOverrides": http.disable_subscription_overrides,
        "defaultRequestPolicy": { "headerContentType": request },
    });
    if let Some(throttle) = http.default_throttle_policy {
        shown["defaultThrottlePolicy"] = json!(throttle);
    }
    json!({ "http": shown })
}

/// Checks the policy of a subscription.
pub(super) fn check(text: &str) -> Result<(), String> {
    let policy: DeliveryPolicy = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if policy.guaranteed == Some(true) {
        return Err("guaranteed must be false".to_owned());
    }
    check_parts(policy.healthy_retry_policy.as_ref(), policy.throttle_policy, policy.request_policy.as_ref())
}

/// Checks the policy of a topic.
pub(super) fn check_of_topic(text: &str) -> Result<(), String> {
    let policy: OfTopic = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let http = policy.http.unwrap_or_default();
    let retry = http.default_healthy_retry_policy.as_ref();
    check_parts(retry, http.default_throttle_policy, http.default_request_policy.as_ref())
}

fn check_parts(
    retry: Option<&RetryPolicy>,
    throttle: Option<ThrottlePolicy>,
    request: Option<&RequestPolicy>,
) -> Result<(), String> {
    retry.map_or(Ok(()), RetryPolicy::check)?;
    if throttle.and_then(|throttle| throttle.max_receives_per_second) == Some(0) {
        return Err("maxReceivesPerSecond must be at least 1".to_owned());
    }
    match request {
        Some(request) if http::HeaderValue::from_str(&request.header_content_type).is_err() => {
            Err("headerContentType must be a media type".to_owned())
        }
        _ => Ok(()),
    }
}

/// Of functions and queues: 100,015 attempts over 23 days (AWS).
pub(super) fn of_aws_endpoints() -> PushPolicy {
    PushPolicy {
        retries_max: 100_015,
        age_ms_max: 23 * DAY_MS,
        backoff: Backoff::Phases {
            at_once: 3,
            before: 2,
            growing: 10,
            growth: Growth::Exponential,
            least_ms: 1_000,
            most_ms: 20_000,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_functions_and_queues() {
        let policy = of_aws_endpoints();
        let waits: Vec<_> = (1..=20).map(|attempts| policy.backoff.wait_ms(attempts)).collect();
        assert_eq!(waits[..5], [0, 0, 0, 1_000, 1_000]);
        assert!(waits[5..15].is_sorted() && waits[14] == 20_000 && waits[19] == 20_000, "{waits:?}");
    }

    #[test]
    fn policies_that_cannot_be() {
        for text in [
            "nonsense",
            r#"{"nonsense": 1}"#,
            r#"{"healthyRetryPolicy": {"numRetries": 101}}"#,
            r#"{"healthyRetryPolicy": {"minDelayTarget": 0}}"#,
            r#"{"healthyRetryPolicy": {"minDelayTarget": 30, "maxDelayTarget": 20}}"#,
            r#"{"healthyRetryPolicy": {"maxDelayTarget": 3601}}"#,
            r#"{"healthyRetryPolicy": {"numRetries": 2, "numNoDelayRetries": 3}}"#,
            r#"{"healthyRetryPolicy": {"backoffFunction": "quadratic"}}"#,
            r#"{"throttlePolicy": {"maxReceivesPerSecond": 0}}"#,
            r#"{"requestPolicy": {"headerContentType": "a\nb"}}"#,
            r#"{"sicklyRetryPolicy": {}}"#,
            r#"{"guaranteed": true}"#,
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        check(r#"{"sicklyRetryPolicy": null, "guaranteed": false, "throttlePolicy": null}"#).unwrap();
    }
}
