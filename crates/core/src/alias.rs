//! Aliases: names that lead to a version, or to two of them by weight.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::function::{Scope, Version};

/// What the keys of aliases begin with.
pub const ALIAS_PREFIX: &str = "function/alias/";

/// The second version that an alias sends a share of its invokes to (`RoutingConfig`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdditionalVersion {
    /// The number of a published version.
    pub version: u64,
    /// Its share, 0 to 1.
    pub weight: f64,
}

/// An alias as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name of the function.
    pub function_name: String,
    /// `Name`.
    pub name: String,
    /// `FunctionVersion`.
    pub version: Version,
    /// `RoutingConfig.AdditionalVersionWeights`.
    pub additional: Option<AdditionalVersion>,
    /// `Description`.
    pub description: String,
    /// `RevisionId`: fresh at every change.
    pub revision_id: Uuid,
}

impl Alias {
    /// The key of an alias's record.
    #[must_use]
    pub fn key(scope: &Scope, function_name: &str, alias: &str) -> String {
        format!("{}{alias}", Self::key_prefix(scope, function_name))
    }

    /// The prefix of the keys of a function's aliases.
    #[must_use]
    pub fn key_prefix(scope: &Scope, function_name: &str) -> String {
        format!("{ALIAS_PREFIX}{}/{}/{function_name}/", scope.account, scope.region)
    }

    /// The version that serves one invoke, chosen by a number that is random over its whole range.
    #[must_use]
    pub fn route(&self, random: u64) -> Version {
        // The 53 bits that a double holds exactly: 0 <= share < 1.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
        match self.additional {
            Some(additional) if share < additional.weight => Version::Published(additional.version),
            _ => self.version,
        }
    }

    /// Whether it can lead to a version.
    #[must_use]
    pub fn leads_to(&self, version: Version) -> bool {
        self.version == version
            || self.additional.is_some_and(|additional| Version::Published(additional.version) == version)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{AdditionalVersion, Alias};
    use crate::function::{Scope, Version};

    fn alias(weight: Option<f64>) -> Alias {
        Alias {
            scope: Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() },
            function_name: "thing".to_owned(),
            name: "live".to_owned(),
            version: Version::Published(1),
            additional: weight.map(|weight| AdditionalVersion { version: 2, weight }),
            description: String::new(),
            revision_id: Uuid::nil(),
        }
    }

    #[test]
    fn the_ends_of_the_scale_are_exact() {
        for random in [0, 1, u64::MAX / 2, u64::MAX] {
            assert_eq!(alias(Some(0.0)).route(random), Version::Published(1));
            assert_eq!(alias(Some(1.0)).route(random), Version::Published(2));
            assert_eq!(alias(None).route(random), Version::Published(1));
        }
    }

    proptest! {
        #[test]
        fn the_weight_is_the_share(weight in 0.0..=1.0_f64) {
            let alias = alias(Some(weight));
            let steps = 10_000_u64;
            let step = u64::MAX / steps;
            let hits = (0..steps).filter(|at| alias.route(at * step) == Version::Published(2)).count();
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let share = hits as f64 / steps as f64;
            prop_assert!((share - weight).abs() < 0.001, "{share} is not {weight}");
        }
    }
}
