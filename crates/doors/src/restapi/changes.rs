//! Reading and changing the records: every change is one compare-and-set batch, made anew when another came first.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned};

use super::records::{API_PREFIX, Api, Content, Deployment, STAGE_PREFIX, Stage, key};
use super::{RestApiError, RestApiService};

/// Attempts of a change whose record others change at the same time.
const ATTEMPTS_MAX: usize = 32;
/// Records read at once.
const PAGE: usize = 256;

impl RestApiService {
    pub(super) async fn api(&self, scope: &Scope, id: &str) -> Result<Versioned<Api>, RestApiError> {
        let found = self.store.metadata.get_json(&Api::key(scope, id)).await?;
        found.ok_or_else(|| RestApiError::no_api(scope, id))
    }

    pub(super) async fn apis(&self, scope: &Scope) -> Result<Vec<Versioned<Api>>, RestApiError> {
        Ok(all(&self.store, &key(API_PREFIX, scope, &[""])).await?)
    }

    /// Changes an API and gives what the edit gave.
    pub(super) async fn change_api<T>(
        &self,
        scope: &Scope,
        id: &str,
        edit: impl Fn(&mut Api) -> Result<T, RestApiError>,
    ) -> Result<T, RestApiError> {
        self.change(&Api::key(scope, id), || RestApiError::no_api(scope, id), edit).await
    }

    /// Changes what an API's deployments are pictures of.
    pub(super) async fn change_content<T>(
        &self,
        scope: &Scope,
        id: &str,
        edit: impl Fn(&mut Content) -> Result<T, RestApiError>,
    ) -> Result<T, RestApiError> {
        self.change_api(scope, id, |api| edit(&mut api.content)).await
    }

    pub(super) async fn deployment(
        &self,
        scope: &Scope,
        api: &str,
        id: &str,
    ) -> Result<Option<Versioned<Deployment>>, RestApiError> {
        Ok(self.store.metadata.get_json(&Deployment::key(scope, api, id)).await?)
    }

    pub(super) async fn stages(&self, scope: &Scope, api: &str) -> Result<Vec<Versioned<Stage>>, RestApiError> {
        Ok(all(&self.store, &key(STAGE_PREFIX, scope, &[api, ""])).await?)
    }

    /// Changes one record; `absent` is the error when there is none.
    pub(super) async fn change<R, T>(
        &self,
        key: &str,
        absent: impl Fn() -> RestApiError,
        edit: impl Fn(&mut R) -> Result<T, RestApiError>,
    ) -> Result<T, RestApiError>
    where
        R: Serialize + DeserializeOwned + PartialEq + Clone,
    {
        for _ in 0..ATTEMPTS_MAX {
            let record: Versioned<R> = self.store.metadata.get_json(key).await?.ok_or_else(&absent)?;
            let mut value = record.value.clone();
            let outcome = edit(&mut value)?;
            if value == record.value {
                return Ok(outcome);
            }
            let batch = Batch::default().put_json(record.key, Precondition::Revision(record.revision), &value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(outcome),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RestApiError::concurrent())
    }

    /// Writes a batch that a plan makes out of what there is, and plans anew when something came first.
    pub(super) async fn commit<T, F>(&self, plan: impl Fn() -> F) -> Result<T, RestApiError>
    where
        F: Future<Output = Result<(Batch, T), RestApiError>>,
    {
        for _ in 0..ATTEMPTS_MAX {
            let (batch, outcome) = plan().await?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(outcome),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RestApiError::concurrent())
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

/// Every key under a prefix.
pub(super) async fn keys(store: &Store, prefix: &str) -> Result<Vec<String>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.metadata.list(prefix, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        found.extend(page.into_iter().map(|record| record.key));
        if is_last {
            return Ok(found);
        }
    }
}
