//! Tenants: whom one function runs for, each in environments of its own (AWS: "Tenant isolation").

use std::fmt;
use std::sync::Arc;

use crate::limits::{TENANT_ENVIRONMENTS, TENANT_ENVIRONMENTS_PER_CONCURRENCY};

/// `TenantId`: one of a function's tenants, as the caller named it. Its form is the service model's. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for TenantId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Environments that all tenants of an account and region may have together, idle ones among them, where so many invokes
/// may run at once.
#[must_use]
pub fn environments_max(concurrency: u32) -> usize {
    let environments = u64::from(concurrency) * TENANT_ENVIRONMENTS / TENANT_ENVIRONMENTS_PER_CONCURRENCY;
    usize::try_from(environments).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_goes_with_the_concurrency() {
        assert_eq!([0, 1, 2, 10, 999, 1_000, 20_000].map(environments_max), [0, 2, 5, 25, 2_497, 2_500, 50_000]);
        assert_eq!(environments_max(u32::MAX), 10_737_418_237);
    }

    #[test]
    fn a_tenant_is_its_text() {
        let tenant = TenantId::from("blue: a@b".to_owned());
        assert_eq!((tenant.as_str(), tenant.to_string().as_str()), ("blue: a@b", "blue: a@b"));
        assert_eq!(tenant, TenantId::from("blue: a@b".to_owned()));
        assert_ne!(tenant, TenantId::from("Blue: a@b".to_owned()));
    }
}
