//! API keys: who asks, and how fast and how often the key's usage plan lets it.

use std::sync::Arc;

use tindra_core::door::Grant;

use super::Shared;
use super::exchange::Exchange;
use super::refusal::Refusal;
use super::stage::Found;
use super::throttle::Pace;
use crate::restapi::api_keys::ApiKey;
use crate::restapi::records::ApiKeySource;
use crate::restapi::usage_plans::{Plan, Throttle};

impl Shared {
    /// Lets a request in by its API key; none where the method asks for none.
    pub(super) async fn admit(
        &self,
        exchange: &Exchange<'_>,
        found: &Found<'_>,
        grant: Option<&Grant>,
    ) -> Result<Option<Arc<ApiKey>>, Refusal> {
        if !found.method.api_key_required {
            return Ok(None);
        }
        let stage = exchange.stage;
        let value = match stage.content.api_key_source {
            ApiKeySource::Header => exchange.request.header("x-api-key"),
            ApiKeySource::Authorizer => grant.and_then(|grant| grant.usage_key.as_deref()),
        };
        let value = value.filter(|value| !value.is_empty()).ok_or_else(Refusal::invalid_key)?;
        let (key, plan) = self.table.subscription(stage, value).ok_or_else(Refusal::invalid_key)?;
        self.check_plan_pace(exchange, found, &key, &plan)?;
        if !self.meter.admit(&stage.scope, &plan, &key.id, exchange.now_ms).await {
            return Err(Refusal::quota_exceeded());
        }
        Ok(Some(key))
    }

    /// The plan's limits for the method, or else those for all methods.
    fn check_plan_pace(
        &self,
        exchange: &Exchange<'_>,
        found: &Found<'_>,
        key: &ApiKey,
        plan: &Plan,
    ) -> Result<(), Refusal> {
        let stage = exchange.stage;
        let method = format!("{}/{}", found.resource_path, found.method.http_method);
        let of_stage = plan.stages.iter().find(|one| one.api_id == stage.api_id && one.stage == stage.name);
        let of_method = of_stage.and_then(|of_stage| of_stage.throttle.get(&method)).copied();
        let (throttle, place) = match (of_method, plan.throttle) {
            (Some(throttle), _) => (throttle, format!("{}/{}{method}", stage.api_id, stage.name)),
            (None, Some(throttle)) => (throttle, String::new()),
            (None, None) => return Ok(()),
        };
        let bucket = format!("plan/{}/{}/{place}", plan.id, key.id);
        let Throttle { burst_limit, rate_limit } = throttle;
        match self.throttles.take(&bucket, Pace { per_s: rate_limit, burst: burst_limit }, self.clock.monotonic()) {
            true => Ok(()),
            false => Err(Refusal::throttled()),
        }
    }
}
