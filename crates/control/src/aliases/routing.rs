//! `FunctionVersion` and `RoutingConfig`: where an alias leads.

use std::collections::BTreeMap;

use tindra_core::alias::AdditionalVersion;
use tindra_core::function::Version;
use tindra_model::lambda::aliases::AliasRoutingConfiguration;

use crate::error::ControlError;

/// `RoutingConfig` as the API shows it.
pub(super) fn configuration(additional: AdditionalVersion) -> AliasRoutingConfiguration {
    let weights = BTreeMap::from([(additional.version.to_string(), additional.weight)]);
    AliasRoutingConfiguration { additional_version_weights: Some(weights) }
}

/// The second version of a routing configuration. An empty one takes it away.
pub(super) fn read(config: Option<&AliasRoutingConfiguration>) -> Result<Option<AdditionalVersion>, ControlError> {
    let Some(weights) = config.and_then(|config| config.additional_version_weights.as_ref()) else { return Ok(None) };
    if weights.len() > 1 {
        return Err(ControlError::invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    let Some((version, weight)) = weights.first_key_value() else { return Ok(None) };
    let version = version.parse().map_err(|_| ControlError::Invalid(format!("{version} is not a version number.")))?;
    Ok(Some(AdditionalVersion { version, weight: *weight }))
}

/// Refuses routes that lead nowhere sensible.
pub(super) fn check(version: Version, additional: Option<AdditionalVersion>) -> Result<(), ControlError> {
    match (version, additional) {
        (Version::Latest, Some(_)) => {
            Err(ControlError::invalid("$LATEST is not supported for an alias pointing to more than 1 version"))
        }
        (Version::Published(number), Some(additional)) if additional.version == number => {
            Err(ControlError::Invalid(format!(
                "Invalid function version {number}. Function version {number} is already included in routing configuration."
            )))
        }
        _ => Ok(()),
    }
}

/// `FunctionVersion` of a request.
pub(super) fn version(text: &str) -> Result<Version, ControlError> {
    Version::parse(text).ok_or_else(|| ControlError::Invalid(format!("{text} is not a version.")))
}
