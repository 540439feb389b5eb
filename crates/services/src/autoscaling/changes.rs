//! Reading and changing the records: every change is one compare-and-set batch, made anew when another came first.

use serde::de::DeserializeOwned;
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned};

use super::names::{Scaled, scope_prefix};
use super::records::{Activities, TARGET_PREFIX, Target};
use super::{AutoscalingError, AutoscalingService};

/// Attempts of a change whose record others change at the same time.
pub(super) const ATTEMPTS_MAX: usize = 32;
/// Records read at once.
const PAGE: usize = 256;

/// A target with its activities, as they are to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) target: Target,
    pub(super) activities: Activities,
}

impl AutoscalingService {
    pub(super) async fn target(&self, scaled: &Scaled) -> Result<Option<Versioned<Target>>, AutoscalingError> {
        Ok(self.store.metadata.get_json(&scaled.target_key()).await?)
    }

    /// Every target of an account and region, by its key.
    pub(super) async fn targets(&self, scope: &Scope) -> Result<Vec<Versioned<Target>>, AutoscalingError> {
        Ok(all(&self.store, &scope_prefix(TARGET_PREFIX, scope)).await?)
    }

    /// Changes a target; `absent` is the error when there is none.
    pub(super) async fn change<T>(
        &self,
        scaled: &Scaled,
        absent: impl Fn() -> AutoscalingError,
        edit: impl Fn(&mut Target) -> Result<T, AutoscalingError>,
    ) -> Result<T, AutoscalingError> {
        for _ in 0..ATTEMPTS_MAX {
            let record = self.target(scaled).await?.ok_or_else(&absent)?;
            let mut target = record.value;
            let outcome = edit(&mut target)?;
            let batch = Batch::default().put_json(record.key, Precondition::Revision(record.revision), &target)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(outcome),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(AutoscalingError::concurrent())
    }
}

/// Changes a target and its activities together. Gives what they are now; none when the target has gone.
pub(super) async fn amend(
    store: &Store,
    scaled: &Scaled,
    edit: impl Fn(&mut Draft),
) -> Result<Option<Draft>, StoreError> {
    let (key, activities_key) = (scaled.target_key(), scaled.activities_key());
    loop {
        let Some(record) = store.metadata.get_json::<Target>(&key).await? else { return Ok(None) };
        let told = store.metadata.get_json::<Activities>(&activities_key).await?;
        let told_before = told.as_ref().map_or(Precondition::Absent, |told| Precondition::Revision(told.revision));
        let activities = told.map(|told| told.value).unwrap_or_default();
        let before = Draft { target: record.value, activities };
        let mut draft = before.clone();
        edit(&mut draft);
        if draft == before {
            return Ok(Some(draft));
        }
        let mut batch = Batch::default().put_json(&*key, Precondition::Revision(record.revision), &draft.target)?;
        if draft.activities != before.activities {
            batch = batch.put_json(&*activities_key, told_before, &draft.activities)?;
        }
        match store.metadata.commit(batch).await {
            Ok(_) => return Ok(Some(draft)),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Every record under a prefix, in the order of the keys.
pub(super) async fn all<T: DeserializeOwned>(store: &Store, prefix: &str) -> Result<Vec<Versioned<T>>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.metadata.list_json::<T>(prefix, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}
