//! PutScalingPolicy, DescribeScalingPolicies and DeleteScalingPolicy: target tracking of the use of what is provisioned.
//!
//! Lambda has no other policies on AWS either, apart from metrics of the customer's own, which Tindra does not have.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use uuid::Uuid;

use super::names::{DIMENSION, Filter, NAMESPACE, Scaled, Subject};
use super::page::PageRequest;
use super::records::{Policy, Target, seconds};
use super::{AutoscalingError, AutoscalingService};

const POLICY_TYPE: &str = "TargetTrackingScaling";
const METRIC: &str = "LambdaProvisionedConcurrencyUtilization";
/// Between which the share that is to be busy lies (AWS).
const TARGETS: std::ops::RangeInclusive<f64> = 0.1..=0.9;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRequest {
    #[serde(flatten)]
    subject: Subject,
    policy_name: String,
    policy_type: Option<String>,
    step_scaling_policy_configuration: Option<Value>,
    predictive_scaling_policy_configuration: Option<Value>,
    target_tracking_scaling_policy_configuration: Option<Configuration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    target_value: f64,
    predefined_metric_specification: Option<Metric>,
    customized_metric_specification: Option<Value>,
    scale_out_cooldown: Option<i64>,
    scale_in_cooldown: Option<i64>,
    disable_scale_in: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    predefined_metric_type: String,
    resource_label: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeRequest {
    #[serde(flatten)]
    filter: Filter,
    policy_names: Option<Vec<String>>,
    #[serde(flatten)]
    page: PageRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteRequest {
    #[serde(flatten)]
    subject: Subject,
    policy_name: String,
}

impl AutoscalingService {
    pub(super) async fn put_policy(&self, scope: &Scope, request: PutRequest) -> Result<Value, AutoscalingError> {
        let name = request.subject.name()?;
        let now_ms = self.clock.unix_ms();
        let absent = || AutoscalingError::unregistered(&name);
        self.change(&name.within(scope), absent, |target| {
            let policy = request.policy(target.policy.as_ref(), now_ms)?;
            let answer = json!({
                "PolicyARN": arn(&target.scaled, &policy),
                "Alarms": alarms(&target.scaled, &policy),
            });
            target.policy = Some(policy);
            Ok(answer)
        })
        .await
    }

    pub(super) async fn describe_policies(
        &self,
        scope: &Scope,
        request: DescribeRequest,
    ) -> Result<Value, AutoscalingError> {
        let only = request.filter.name()?;
        let names = request.policy_names.as_ref();
        let targets = self.targets(scope).await?.into_iter();
        let targets = targets.filter(|one| only.as_ref().is_none_or(|only| one.value.scaled.name() == *only));
        let found = targets.filter_map(|one| {
            let policy = one.value.policy.as_ref()?;
            let is_asked = names.is_none_or(|names| names.contains(&policy.name));
            is_asked.then(|| (one.key, shown(&one.value, policy)))
        });
        request.page.cut("ScalingPolicies", found)
    }

    pub(super) async fn delete_policy(&self, scope: &Scope, request: DeleteRequest) -> Result<Value, AutoscalingError> {
        let name = request.subject.name()?;
        let absent = || {
            let more = format!(", policy name: {}", request.policy_name);
            AutoscalingError::missing("scaling policy found", &name, &more)
        };
        self.change(&name.within(scope), absent, |target| {
            let removed = target.policy.take_if(|policy| policy.name == request.policy_name);
            (target.scaled_out_ms, target.scaled_in_ms) = (None, None);
            removed.map(drop).ok_or_else(absent)
        })
        .await?;
        Ok(json!({}))
    }
}

impl PutRequest {
    /// The policy as the request wants it, in place of the one that there is.
    fn policy(&self, before: Option<&Policy>, now_ms: UnixMs) -> Result<Policy, AutoscalingError> {
        let configuration = self.configuration(before)?;
        let before = match before {
            Some(before) if before.name != self.policy_name => {
                return Err(AutoscalingError::invalid(
                    "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
                ));
            }
            before => before,
        };
        Ok(Policy {
            id: before.map_or_else(Uuid::new_v4, |before| before.id),
            name: self.policy_name.clone(),
            target: configuration.target_value,
            scale_out_cooldown_s: cooldown("ScaleOutCooldown", configuration.scale_out_cooldown)?,
            scale_in_cooldown_s: cooldown("ScaleInCooldown", configuration.scale_in_cooldown)?,
            disable_scale_in: configuration.disable_scale_in,
            high_alarm: before.map_or_else(Uuid::new_v4, |before| before.high_alarm),
            low_alarm: before.map_or_else(Uuid::new_v4, |before| before.low_alarm),
            created_ms: before.map_or(now_ms, |before| before.created_ms),
        })
    }

    /// The configuration, checked. A new policy without a type is a step-scaling policy (AWS).
    fn configuration(&self, before: Option<&Policy>) -> Result<&Configuration, AutoscalingError> {
        let usual = if before.is_some() { POLICY_TYPE } else { "StepScaling" };
        let kind = self.policy_type.as_deref().unwrap_or(usual);
        if kind != POLICY_TYPE {
            return Err(AutoscalingError::invalid(format!(
                "The policy type {kind} is not supported for Lambda functions. Specify {POLICY_TYPE}."
            )));
        }
        if self.step_scaling_policy_configuration.is_some() || self.predictive_scaling_policy_configuration.is_some() {
            return Err(AutoscalingError::invalid(format!(
                "A policy of the type {POLICY_TYPE} has a TargetTrackingScalingPolicyConfiguration and no other."
            )));
        }
        let configuration = self.target_tracking_scaling_policy_configuration.as_ref().ok_or_else(|| {
            AutoscalingError::invalid("Target tracking scaling policy configuration must not be empty.")
        })?;
        configuration.check()?;
        Ok(configuration)
    }
}

impl Configuration {
    fn check(&self) -> Result<(), AutoscalingError> {
        let invalid = |message: String| Err(AutoscalingError::invalid(message));
        if self.customized_metric_specification.is_some() {
            return invalid(format!(
                "tindra has no customized metrics. Use a PredefinedMetricSpecification with {METRIC}."
            ));
        }
        let Some(metric) = &self.predefined_metric_specification else {
            return invalid("A target tracking policy needs a PredefinedMetricSpecification.".to_owned());
        };
        if metric.predefined_metric_type != METRIC {
            return invalid(format!(
                "The metric {} is not of Lambda functions. Use {METRIC}.",
                metric.predefined_metric_type
            ));
        }
        if metric.resource_label.is_some() {
            return invalid(format!("{METRIC} has no ResourceLabel."));
        }
        if !TARGETS.contains(&self.target_value) {
            return invalid(format!(
                "The target value of {METRIC} must be between {} and {}, not {}.",
                TARGETS.start(),
                TARGETS.end(),
                self.target_value
            ));
        }
        Ok(())
    }
}

fn cooldown(which: &str, asked: Option<i64>) -> Result<Option<u32>, AutoscalingError> {
    let negative = |_| AutoscalingError::invalid(format!("{which} must be a number of seconds from 0 on."));
    asked.map(u32::try_from).transpose().map_err(negative)
}

fn arn(scaled: &Scaled, policy: &Policy) -> String {
    scaled.arn_of("scalingPolicy", policy.id, &format!("policyName/{}", policy.name))
}

fn alarms(scaled: &Scaled, policy: &Policy) -> Value {
    let shown = policy.alarms().map(|alarm| {
        let name = policy.alarm_name(scaled, alarm);
        let arn = format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", scaled.scope.region, scaled.scope.account);
        json!({ "AlarmName": name, "AlarmARN": arn })
    });
    shown.collect()
}

fn shown(target: &Target, policy: &Policy) -> Value {
    let mut configuration = json!({
        "TargetValue": policy.target,
        "PredefinedMetricSpecification": { "PredefinedMetricType": METRIC },
    });
    let members = [
        ("ScaleOutCooldown", policy.scale_out_cooldown_s.map(Value::from)),
        ("ScaleInCooldown", policy.scale_in_cooldown_s.map(Value::from)),
        ("DisableScaleIn", policy.disable_scale_in.map(Value::from)),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            configuration[name] = value;
        }
    }
    json!({
        "PolicyARN": arn(&target.scaled, policy),
        "PolicyName": policy.name,
        "ServiceNamespace": NAMESPACE,
        "ResourceId": target.scaled.resource_id(),
        "ScalableDimension": DIMENSION,
        "PolicyType": POLICY_TYPE,
        "TargetTrackingScalingPolicyConfiguration": configuration,
        "Alarms": alarms(&target.scaled, policy),
        "CreationTime": seconds(policy.created_ms),
    })
}
