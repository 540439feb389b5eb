//! `ProvisionedPollerConfig`.

use tindra_core::event_source_mapping::{ProvisionedPollers, SourceKind};
use tindra_model::lambda::event_source_mappings::ProvisionedPollerConfig;

use crate::error::ControlError;

/// `MaximumPollers` where none was asked for (AWS).
const MAXIMUM_DEFAULT: u32 = 200;

/// Fewest `MinimumPollers`, which is also the default, and most `MaximumPollers` (AWS).
fn bounds(kind: SourceKind) -> (u32, u32) {
    if kind.is_sqs() { (2, 10_000) } else { (1, 2_000) }
}

/// An empty one takes the pollers away.
pub(super) fn read(
    kind: SourceKind,
    config: ProvisionedPollerConfig,
) -> Result<Option<ProvisionedPollers>, ControlError> {
    let group = config.poller_group_name.filter(|name| !name.is_empty());
    if config.minimum_pollers.is_none() && config.maximum_pollers.is_none() && group.is_none() {
        return Ok(None);
    }
    if group.is_some() && !kind.is_kafka() {
        return Err(super::members::not_valid(kind, "PollerGroupName"));
    }
    let figure = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    let (fewest, most) = bounds(kind);
    let minimum = figure(config.minimum_pollers).unwrap_or(fewest);
    let maximum = figure(config.maximum_pollers).unwrap_or_else(|| MAXIMUM_DEFAULT.max(minimum));
    if minimum < fewest || maximum < fewest || maximum > most {
        return Err(ControlError::Invalid(format!(
            "MinimumPollers and MaximumPollers must be between {fewest} and {most} for {} event sources.",
            kind.as_str()
        )));
    }
    if minimum > maximum {
        return Err(ControlError::invalid("MinimumPollers must not be greater than MaximumPollers."));
    }
    Ok(Some(ProvisionedPollers { minimum, maximum, group }))
}
