//! The provisioned concurrency of a function's versions, as invokes count it.

use std::collections::HashMap;
use std::sync::Arc;

use tindra_core::function::Version;
use tindra_core::provisioned::Provisioned;

use crate::admission::{Admission, Share};

/// By the version or alias that it was asked for, and by the version that it serves.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProvisionedShares {
    grants: HashMap<String, Grant>,
    /// They live as long as something is granted, so that counts survive a change.
    shares: HashMap<Version, Arc<Share>>,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    requested: u32,
    allocated: u32,
}

impl ProvisionedShares {
    pub(super) fn set(&mut self, qualifier: &str, record: Option<&Provisioned>) {
        match record {
            Some(record) => {
                let grant = Grant { requested: record.requested, allocated: record.allocated.min(record.requested) };
                self.grants.insert(qualifier.to_owned(), grant);
            }
            None => drop(self.grants.remove(qualifier)),
        }
    }

    /// The shares alone, as they are.
    pub(super) fn without_grants(&self) -> Self {
        Self { grants: HashMap::new(), shares: self.shares.clone() }
    }

    /// What is kept from all others, made or not.
    pub(super) fn requested(&self) -> u32 {
        self.grants.values().map(|grant| grant.requested).fold(0, u32::saturating_add)
    }

    /// Gives each version what is allocated for it now; `version` is what a qualifier leads to.
    pub(super) fn settle(&mut self, admission: &Admission, version: impl Fn(&str) -> Option<Version>) {
        let mut allocated: HashMap<Version, u32> = HashMap::new();
        for (qualifier, grant) in &self.grants {
            if let Some(version) = version(qualifier) {
                *allocated.entry(version).or_default() += grant.allocated;
            }
        }
        self.shares.retain(|version, _| allocated.contains_key(version));
        for (version, allocated) in allocated {
            self.shares.entry(version).or_insert_with(|| admission.provisioned()).set_limit(allocated);
        }
    }

    pub(super) fn share(&self, version: Version) -> Option<&Arc<Share>> {
        self.shares.get(&version)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }
}
