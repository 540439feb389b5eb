//! How long idle environments are kept: three settings that bound each other.

use std::time::Duration;

use super::{Layers, at_least_one, invalid};
use crate::config::{ConfigError, IDLE_TIMEOUT_S_DEFAULT, KEEP_WARM_MAX_S_DEFAULT, KEEP_WARM_MIN_S_DEFAULT};

/// What they say together.
pub(super) struct KeepWarm {
    /// When too little is known.
    pub(super) standard: Duration,
    pub(super) min: Duration,
    pub(super) max: Duration,
}

/// Defaults give way to what is set: an idle timeout that stands alone bounds all.
pub(super) fn keep_warm(layers: &Layers) -> Result<KeepWarm, ConfigError> {
    let (set, origin) = layers.pick("idle_timeout_s", |settings| &settings.idle_timeout_s);
    let (min, min_origin) = layers.pick("keep_warm_min_s", |settings| &settings.keep_warm_min_s);
    let (max, max_origin) = layers.pick("keep_warm_max_s", |settings| &settings.keep_warm_max_s);
    let standard = at_least_one("idle_timeout_s", (set, origin.clone()), IDLE_TIMEOUT_S_DEFAULT)?;
    let max_default = set.unwrap_or_else(|| KEEP_WARM_MAX_S_DEFAULT.max(min.unwrap_or(0)));
    let max_s = at_least_one("keep_warm_max_s", (max, max_origin), max_default)?;
    let min_s = min.unwrap_or_else(|| KEEP_WARM_MIN_S_DEFAULT.min(standard).min(max_s));
    if min_s > max_s {
        let problem = format!("is {min_s}, more than the most, which is {max_s}");
        return Err(invalid("keep_warm_min_s", min_origin, problem, "raise keep_warm_max_s or lower keep_warm_min_s"));
    }
    if set.is_some() && !(min_s..=max_s).contains(&standard) {
        let problem = format!("is {standard}, not from {min_s} to {max_s}");
        let remedy = "leave it between keep_warm_min_s and keep_warm_max_s";
        return Err(invalid("idle_timeout_s", origin, problem, remedy));
    }
    let seconds = Duration::from_secs;
    Ok(KeepWarm { standard: seconds(standard.clamp(min_s, max_s)), min: seconds(min_s), max: seconds(max_s) })
}
