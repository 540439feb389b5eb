//! How many environments the tenants of each account and region have: at most so many together, the idle ones among them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tindra_core::function::Scope;
use tindra_invoke::environments::{AcquireError, Target};

use crate::place::{Bell, Place, Places};

/// See the module. Asked when an environment is started, never by an invoke that finds one.
#[derive(Debug)]
pub(super) struct Tenants {
    max: usize,
    scopes: Mutex<HashMap<Scope, Places>>,
}

impl Tenants {
    pub(super) fn new(max: usize) -> Self {
        Self { max, scopes: Mutex::default() }
    }

    /// A place for one more environment of the target's tenant, unless there are too many; none is needed without a tenant.
    /// Nobody's idle environment goes for it (AWS counts active and idle ones).
    pub(super) fn place(&self, target: &Target) -> Result<Option<Place>, AcquireError> {
        if target.tenant.is_none() {
            return Ok(None);
        }
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.retain(|_, places| places.taken() > 0);
        // Nobody listens to the bell: who is refused does not wait.
        let make = || Places::new(self.max, Arc::new(Bell::new()));
        let places = scopes.entry(target.scope.clone()).or_insert_with(make);
        let too_many = AcquireError::TooManyOfTenants { max: self.max };
        places.take().map(Some).ok_or(too_many)
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use tindra_core::tenant::TenantId;
    use tindra_testkit::{active_function, scope};

    use super::*;

    fn target(region: &str) -> Target {
        let function = active_function(&Scope { region: region.to_owned(), ..scope() }, "thing");
        Target::of(&function, &function.desired)
    }

    #[test]
    fn each_region_has_its_own_places_and_they_come_back() {
        let (tenants, tenant) = (Tenants::new(2), TenantId::from("blue".to_owned()));
        let (here, there) = (target("eu-west-1").for_tenant(tenant.clone()), target("us-east-1").for_tenant(tenant));
        let taken: Vec<_> = (0..2).map(|_| tenants.place(&here).unwrap().unwrap()).collect();
        assert!(matches!(tenants.place(&here), Err(AcquireError::TooManyOfTenants { max: 2 })));
        assert!(tenants.place(&there).unwrap().is_some());
        assert_eq!(tenants.place(&target("eu-west-1")).unwrap().map(drop), None, "no tenant, no place");
        drop(taken);
        assert!(tenants.place(&here).unwrap().is_some());
        assert_eq!(tenants.scopes.lock().unwrap().len(), 1, "who has none is forgotten");
    }
}
