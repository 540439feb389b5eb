//! What the functions of one account and region have reserved, in one record, so that the sum is exact however
//! many change theirs at once.

use std::collections::BTreeMap;

use tindra_core::function::Scope;
use tindra_core::provisioned::Provisioned;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned};

/// The reserves by function name, as read.
#[derive(Debug)]
pub(crate) struct Reserves {
    key: String,
    precondition: Precondition,
    by_name: BTreeMap<String, u32>,
}

impl Reserves {
    pub(crate) async fn read(store: &Store, scope: &Scope) -> Result<Self, StoreError> {
        let key = format!("reserved-concurrency/{}/{}", scope.account, scope.region);
        let record: Option<Versioned<BTreeMap<String, u32>>> = store.metadata.get_json(&key).await?;
        Ok(match record {
            Some(record) => Self { key, precondition: Precondition::Revision(record.revision), by_name: record.value },
            None => Self { key, precondition: Precondition::Absent, by_name: BTreeMap::new() },
        })
    }

    pub(crate) fn sum(&self) -> u32 {
        self.by_name.values().sum()
    }

    /// What is provisioned for functions that have reserved nothing, as one number.
    pub(crate) fn sum_outside(&self, provisioned: &[Provisioned]) -> u32 {
        let outside = provisioned.iter().filter(|one| !self.by_name.contains_key(&one.function_name));
        outside.map(|one| one.requested).fold(0, u32::saturating_add)
    }

    pub(crate) fn set(&mut self, function: &str, reserve: Option<u32>) {
        match reserve {
            Some(reserve) => self.by_name.insert(function.to_owned(), reserve),
            None => self.by_name.remove(function),
        };
    }

    /// Adds itself to a batch, which fails when another reserve has changed meanwhile.
    pub(crate) fn write(self, batch: Batch) -> Result<Batch, StoreError> {
        batch.put_json(self.key, self.precondition, &self.by_name)
    }
}
