//! Which services are switched off.

use std::collections::BTreeSet;

use super::{Layers, invalid};
use crate::config::{ConfigError, SERVICES_SWITCHABLE};

/// The services that are not served here, by the names with which requests to them are signed.
pub(super) fn disabled(layers: &Layers) -> Result<BTreeSet<&'static str>, ConfigError> {
    let (names, origin) = layers.pick("disabled_services", |settings| &settings.disabled_services);
    let names = names.unwrap_or_default();
    let known = |name: &String| SERVICES_SWITCHABLE.into_iter().find(|known| known == name);
    names
        .iter()
        .map(|name| {
            known(name).ok_or_else(|| {
                let remedy = format!("write some of {}", SERVICES_SWITCHABLE.join(", "));
                invalid("disabled_services", origin.clone(), format!("names \"{name}\", which is none"), remedy)
            })
        })
        .collect()
}
