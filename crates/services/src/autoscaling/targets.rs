//! RegisterScalableTarget, DescribeScalableTargets and DeregisterScalableTarget.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::alias::Alias;
use tindra_core::clock::UnixMs;
use tindra_core::function::{Function, Scope, Version};
use tindra_core::limits;
use tindra_core::scaling::{Bounds, target_arn};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError, Versioned};

use super::changes::ATTEMPTS_MAX;
use super::names::{
    DIMENSION, NAMESPACE, Scaled, ScaledName, Subject, check_dimension, check_namespace, no_resource_id,
};
use super::page::PageRequest;
use super::records::{Suspended, Target, seconds};
use super::{AutoscalingError, AutoscalingService, tags};

/// Who changes what is provisioned. A role of a request is ignored, as AWS does for Lambda.
const SERVICE: &str = "lambda.application-autoscaling.amazonaws.com";
const ROLE_NAME: &str = "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RegisterRequest {
    #[serde(flatten)]
    subject: Subject,
    min_capacity: Option<i64>,
    max_capacity: Option<i64>,
    suspended_state: Option<SuspendedRequest>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SuspendedRequest {
    dynamic_scaling_in_suspended: Option<bool>,
    dynamic_scaling_out_suspended: Option<bool>,
    scheduled_scaling_suspended: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeRequest {
    service_namespace: String,
    resource_ids: Option<Vec<String>>,
    scalable_dimension: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl AutoscalingService {
    pub(super) async fn register_target(
        &self,
        scope: &Scope,
        request: RegisterRequest,
    ) -> Result<Value, AutoscalingError> {
        let scaled = request.subject.name()?.within(scope);
        let arn = target_arn(scope, &scaled.resource_id());
        self.iam.ensure_service_linked_role(&scope.account, SERVICE).await.map_err(|error| {
            tracing::error!(%error, "the service-linked role of Application Auto Scaling was not made");
            AutoscalingError::unavailable()
        })?;
        for _ in 0..ATTEMPTS_MAX {
            // Writing what the target leads to as it is makes the batch fail when that goes meanwhile.
            let batch = self.hold(&scaled).await?;
            let before = self.target(&scaled).await?;
            if before.is_none() {
                self.check_room(scope).await?;
            }
            let precondition = before.as_ref().map_or(Precondition::Absent, |one| Precondition::Revision(one.revision));
            let mut target = request.apply(before, &scaled, self.clock.unix_ms())?;
            tags::add(&mut target.tags, &request.tags, &arn)?;
            match self.store.metadata.commit(batch.put_json(scaled.target_key(), precondition, &target)?).await {
                Ok(_) => return Ok(json!({ "ScalableTargetARN": arn })),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(AutoscalingError::concurrent())
    }

    pub(super) async fn describe_targets(
        &self,
        scope: &Scope,
        request: DescribeRequest,
    ) -> Result<Value, AutoscalingError> {
        check_namespace(&request.service_namespace)?;
        if let Some(dimension) = &request.scalable_dimension {
            check_dimension(dimension)?;
            if request.resource_ids.is_none() {
                return Err(no_resource_id());
            }
        }
        let names = request.resource_ids.map(|ids| ids.iter().map(|id| ScaledName::parse(id)).collect());
        let names: Option<Vec<ScaledName>> = names.transpose()?;
        let found = self.targets(scope).await?.into_iter();
        let asked = found.filter(|one| names.as_ref().is_none_or(|names| names.contains(&one.value.scaled.name())));
        request.page.cut("ScalableTargets", asked.map(|one| (one.key, shown(&one.value))))
    }

    /// Policies and scheduled actions lie in the target's record and go with it. What is provisioned stays.
    pub(super) async fn deregister_target(&self, scope: &Scope, subject: Subject) -> Result<Value, AutoscalingError> {
        let name = subject.name()?;
        for _ in 0..ATTEMPTS_MAX {
            let Some(record) = self.target(&name.within(scope)).await? else {
                return Err(AutoscalingError::missing("scalable target found", &name, ""));
            };
            let batch = Batch::default().delete(record.key, Precondition::Revision(record.revision));
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(json!({})),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(AutoscalingError::concurrent())
    }

    /// A batch that fails unless the function and its version or alias are still there.
    async fn hold(&self, scaled: &Scaled) -> Result<Batch, AutoscalingError> {
        let Scaled { scope, function, qualifier } = scaled;
        let absent = || {
            let resource_id = scaled.resource_id();
            AutoscalingError::invalid(format!("Lambda function version or alias does not exist: {resource_id}"))
        };
        let latest = self.store.metadata.get(&Function::key(scope, function)).await?.ok_or_else(absent)?;
        let key = match Version::parse(qualifier) {
            Some(version) => Function::version_key(scope, function, version),
            None => Alias::key(scope, function, qualifier),
        };
        let qualified = self.store.metadata.get(&key).await?.ok_or_else(absent)?;
        Ok([latest, qualified].into_iter().fold(Batch::default(), |batch, record| {
            batch.put(record.key, Precondition::Revision(record.revision), record.value)
        }))
    }

    async fn check_room(&self, scope: &Scope) -> Result<(), AutoscalingError> {
        if self.targets(scope).await?.len() < limits::SCALABLE_TARGETS_MAX {
            return Ok(());
        }
        Err(AutoscalingError::limit(format!(
            "An account can have at most {} scalable targets in a region.",
            limits::SCALABLE_TARGETS_MAX
        )))
    }
}

impl RegisterRequest {
    /// The target as the request wants it: what it does not name stays, and must be named by the first request.
    fn apply(
        &self,
        before: Option<Versioned<Target>>,
        scaled: &Scaled,
        now_ms: UnixMs,
    ) -> Result<Target, AutoscalingError> {
        let before = before.map(|record| record.value);
        let (min, max) = (capacity("Minimum", self.min_capacity)?, capacity("Maximum", self.max_capacity)?);
        let known = before.as_ref().map(|before| before.bounds);
        let (min, max) = (min.or_else(|| known.map(|known| known.min)), max.or_else(|| known.map(|known| known.max)));
        let (Some(min), Some(max)) = (min, max) else {
            return Err(AutoscalingError::invalid(
                "A new scalable target needs both a minimum and a maximum capacity.",
            ));
        };
        let bounds = bounds(min, max)?;
        let mut target = before.unwrap_or_else(|| Target {
            scaled: scaled.clone(),
            bounds,
            suspended: Suspended::default(),
            tags: BTreeMap::new(),
            created_ms: now_ms,
            policy: None,
            actions: BTreeMap::new(),
            has_new_bounds: true,
            moving: None,
            scaled_out_ms: None,
            scaled_in_ms: None,
        });
        if self.min_capacity.is_some() || self.max_capacity.is_some() {
            target.bounds = bounds;
            target.has_new_bounds = true;
        }
        if let Some(asked) = self.suspended_state {
            let was = target.suspended;
            target.suspended = Suspended {
                dynamic_scaling_in_suspended: asked
                    .dynamic_scaling_in_suspended
                    .unwrap_or(was.dynamic_scaling_in_suspended),
                dynamic_scaling_out_suspended: asked
                    .dynamic_scaling_out_suspended
                    .unwrap_or(was.dynamic_scaling_out_suspended),
                scheduled_scaling_suspended: asked
                    .scheduled_scaling_suspended
                    .unwrap_or(was.scheduled_scaling_suspended),
            };
        }
        Ok(target)
    }
}

/// A capacity as requests give it.
pub(super) fn capacity(which: &str, asked: Option<i64>) -> Result<Option<u32>, AutoscalingError> {
    let negative = |_| AutoscalingError::invalid(format!("{which} capacity must be a number from 0 to {}.", u32::MAX));
    asked.map(u32::try_from).transpose().map_err(negative)
}

pub(super) fn bounds(min: u32, max: u32) -> Result<Bounds, AutoscalingError> {
    if max < min {
        return Err(AutoscalingError::invalid("Maximum capacity cannot be less than minimum capacity"));
    }
    Ok(Bounds { min, max })
}

fn shown(target: &Target) -> Value {
    let scaled = &target.scaled;
    json!({
        "ServiceNamespace": NAMESPACE,
        "ResourceId": scaled.resource_id(),
        "ScalableDimension": DIMENSION,
        "MinCapacity": target.bounds.min,
        "MaxCapacity": target.bounds.max,
        "RoleARN": format!("arn:aws:iam::{}:role/aws-service-role/{SERVICE}/{ROLE_NAME}", scaled.scope.account),
        "CreationTime": seconds(target.created_ms),
        "SuspendedState": target.suspended,
        "ScalableTargetARN": target_arn(&scaled.scope, &scaled.resource_id()),
    })
}
