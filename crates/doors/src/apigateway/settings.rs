//! The settings of routes in a stage.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tindra_model::apigatewayv2::stages;

use super::records::{Definition, RouteSettings};
use super::shown::members;
use super::{HttpApiError, unserved};

/// Changes settings as a request asks; what it leaves out stays.
pub(super) fn set(settings: &mut RouteSettings, asked: &stages::RouteSettings) -> Result<(), HttpApiError> {
    let logs = asked.logging_level.as_deref().is_some_and(|level| level != "OFF");
    unserved::members(
        &[("DataTraceEnabled", asked.data_trace_enabled == Some(true)), ("LoggingLevel", logs)],
        unserved::WEB_SOCKET,
    )?;
    if let Some(burst) = asked.throttling_burst_limit {
        let burst =
            u32::try_from(burst).map_err(|_| HttpApiError::invalid("ThrottlingBurstLimit must not be negative."))?;
        settings.throttling_burst = Some(burst);
    }
    if let Some(rate) = asked.throttling_rate_limit {
        if !rate.is_finite() || rate < 0.0 {
            return Err(HttpApiError::invalid("ThrottlingRateLimit must not be negative."));
        }
        settings.throttling_rate = Some(rate);
    }
    settings.has_detailed_metrics = asked.detailed_metrics_enabled.or(settings.has_detailed_metrics);
    Ok(())
}

/// Changes the settings of single routes, which must be there.
pub(super) fn set_of_routes(
    all: &mut BTreeMap<String, RouteSettings>,
    asked: &BTreeMap<String, stages::RouteSettings>,
    definition: &Definition,
) -> Result<(), HttpApiError> {
    for (key, asked) in asked {
        if !definition.routes.values().any(|route| route.key == *key) {
            return Err(HttpApiError::not_found(format!(
                "Unable to find Route by key {key} within the provided RouteSettings"
            )));
        }
        set(all.entry(key.clone()).or_default(), asked)?;
    }
    Ok(())
}

pub(super) fn shown(settings: &RouteSettings) -> Value {
    members(json!({
        "DetailedMetricsEnabled": settings.has_detailed_metrics.unwrap_or(false),
        "ThrottlingBurstLimit": settings.throttling_burst,
        "ThrottlingRateLimit": settings.throttling_rate,
    }))
}
