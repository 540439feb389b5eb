//! Reading and changing the records: every change is one compare-and-set batch, made anew when another came first.

use serde::de::DeserializeOwned;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};

use super::records::{API_PREFIX, Api, Deployment, api_key, deployed_key};
use super::{HttpApiError, HttpApis, ids};

/// Attempts of a change whose record others change at the same time.
const ATTEMPTS_MAX: usize = 32;
/// Records read at once.
const PAGE: usize = 256;

impl HttpApis {
    /// An API of an account and region.
    pub(super) async fn api(&self, scope: &Scope, id: &str) -> Result<Versioned<Api>, HttpApiError> {
        let found: Option<Versioned<Api>> = self.store.metadata.get_json(&api_key(id)).await?;
        let unknown = || HttpApiError::not_found(format!("Invalid API identifier specified {}:{id}", scope.account));
        found.filter(|record| record.value.scope == *scope).ok_or_else(unknown)
    }

    /// Every API of an account and region, by its id.
    pub(super) async fn apis_of(&self, scope: &Scope) -> Result<Vec<Api>, HttpApiError> {
        let all: Vec<Versioned<Api>> = self.all(API_PREFIX).await?;
        Ok(all.into_iter().map(|record| record.value).filter(|api| api.scope == *scope).collect())
    }

    /// Every record under a prefix, in the order of the keys.
    pub(super) async fn all<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<Versioned<T>>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.store.metadata.list_json::<T>(prefix, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|record| record.key.clone());
            found.extend(page);
            if is_last {
                return Ok(found);
            }
        }
    }

    /// Changes an API, deploys the change where that goes by itself, and gives what the edit gave and the API as it
    /// is then.
    pub(super) async fn change<T>(
        &self,
        scope: &Scope,
        id: &str,
        edit: impl Fn(&mut Api) -> Result<T, HttpApiError>,
    ) -> Result<(T, Api), HttpApiError> {
        for _ in 0..ATTEMPTS_MAX {
            let record = self.api(scope, id).await?;
            let mut api = record.value.clone();
            let outcome = edit(&mut api)?;
            settle(&mut api, &record.value, self.clock.unix_ms());
            if api == record.value {
                return Ok((outcome, api));
            }
            let batch = changed(&api, &record.value, Precondition::Revision(record.revision))?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok((outcome, api)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(HttpApiError::concurrent())
    }

    /// Writes a new API.
    pub(super) async fn create(&self, mut api: Api) -> Result<Api, HttpApiError> {
        let nothing = Api { definition: Default::default(), deployments: Default::default(), ..api.clone() };
        settle(&mut api, &nothing, self.clock.unix_ms());
        self.store.metadata.commit(changed(&api, &nothing, Precondition::Absent)?).await?;
        Ok(api)
    }
}

/// Makes the deployments what the stages want: stages that deploy by themselves get a new one when something has
/// changed, those that do not keep what they serve, and what nobody serves any more goes.
fn settle(api: &mut Api, before: &Api, now_ms: UnixMs) {
    let has_changed = api.definition != before.definition;
    let Api { stages, deployments, .. } = api;
    for stage in stages.values().filter(|stage| !stage.is_auto_deployed) {
        if let Some(deployment) = stage.deployment.as_ref().and_then(|id| deployments.get_mut(id)) {
            deployment.is_kept = true;
        }
    }
    for stage in stages.values_mut().filter(|stage| stage.is_auto_deployed) {
        let current = stage.deployment.as_ref().and_then(|id| deployments.get(id));
        if !has_changed && current.is_some_and(|deployment| !deployment.is_kept) {
            continue;
        }
        let id = ids::new(ids::SHORT);
        let description = "Automatic deployment triggered by changes to the Api configuration".to_owned();
        let made = Deployment { description: Some(description), created_ms: now_ms, is_auto: true, is_kept: false };
        deployments.insert(id.clone(), made);
        stage.status_message = Some(format!("Successfully deployed stage with deployment ID '{id}'"));
        stage.deployment = Some(id);
        stage.updated_ms = now_ms;
    }
    let is_served = |id: &String| stages.values().any(|stage| stage.deployment.as_ref() == Some(id));
    deployments.retain(|id, deployment| deployment.is_kept || is_served(id));
}

/// The writes that turn one state of an API into another.
fn changed(api: &Api, before: &Api, precondition: Precondition) -> Result<Batch, StoreError> {
    let mut batch = Batch::default().put_json(api_key(&api.id), precondition, api)?;
    let is_kept = |api: &Api, id: &String| api.deployments.get(id).is_some_and(|deployment| deployment.is_kept);
    for id in api.deployments.keys().filter(|id| is_kept(api, id) && !is_kept(before, id)) {
        batch = batch.put_json(deployed_key(&api.id, id), Precondition::Absent, &api.definition)?;
    }
    for id in before.deployments.keys().filter(|id| is_kept(before, id) && !is_kept(api, id)) {
        batch = batch.delete(deployed_key(&api.id, id), Precondition::None);
    }
    Ok(batch)
}
