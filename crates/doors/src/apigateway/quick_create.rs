//! Quick create: an API with one integration, one route and the stage `$default`, out of a target alone.

use std::collections::BTreeMap;

use tindra_core::clock::UnixMs;

use super::records::{Api, Authorization, Integration, IntegrationKind, PayloadFormat, Route, RouteSettings, Stage};
use super::{HttpApiError, ids, integrations, route_key};

/// What quick create makes belongs to it and is changed by UpdateApi.
pub(super) const STAGE: &str = "$default";

/// The members of CreateApi and UpdateApi.
#[derive(Clone, Debug)]
pub(super) struct QuickCreate {
    pub(super) target: Option<String>,
    pub(super) route_key: Option<String>,
    pub(super) credentials: Option<String>,
}

impl QuickCreate {
    /// Adds what the members ask for to a new API.
    pub(super) fn make(self, api: &mut Api, now_ms: UnixMs) -> Result<(), HttpApiError> {
        let Some(target) = self.target else {
            return match self.route_key.is_some() || self.credentials.is_some() {
                true => Err(HttpApiError::invalid(
                    "RouteKey and CredentialsArn are part of quick create, which needs a Target.",
                )),
                false => Ok(()),
            };
        };
        let key = self.route_key.unwrap_or_else(|| route_key::DEFAULT.to_owned());
        route_key::check(&key)?;
        let integration = ids::new(ids::ROUTE);
        api.definition.integrations.insert(integration.clone(), integration_of(api, target, self.credentials)?);
        let route = Route {
            key,
            authorization: Authorization::Open,
            operation_name: None,
            integration: Some(integration),
            is_managed: true,
            response_selection: None,
            responses: BTreeMap::new(),
        };
        api.definition.routes.insert(ids::new(ids::ROUTE), route);
        api.stages.insert(STAGE.to_owned(), stage(now_ms));
        Ok(())
    }

    /// Changes what quick create made.
    pub(super) fn change(&self, api: &mut Api) -> Result<(), HttpApiError> {
        let managed = api.definition.integrations.iter().find(|(_, integration)| integration.is_managed);
        let managed = managed.map(|(id, integration)| (id.clone(), integration.clone()));
        let absent = || {
            HttpApiError::invalid(
                "Target, RouteKey and CredentialsArn change what quick create made, and this API was not made by it.",
            )
        };
        if self.target.is_some() || self.credentials.is_some() {
            let (id, before) = managed.ok_or_else(absent)?;
            let target = self.target.clone().unwrap_or(before.uri);
            let credentials = self.credentials.clone().or(before.credentials);
            let changed = integration_of(api, target, credentials)?;
            api.definition.integrations.insert(id, changed);
        }
        let Some(key) = &self.route_key else { return Ok(()) };
        route_key::check(key)?;
        let others = api.definition.routes.values().filter(|route| !route.is_managed);
        route_key::check_among(key, others.map(|route| route.key.as_str()))?;
        let route = api.definition.routes.values_mut().find(|route| route.is_managed).ok_or_else(absent)?;
        route.key.clone_from(key);
        Ok(())
    }
}

fn integration_of(api: &Api, target: String, credentials: Option<String>) -> Result<Integration, HttpApiError> {
    let is_url = target.starts_with("http://") || target.starts_with("https://");
    let (kind, method) = match is_url {
        true => (IntegrationKind::Http, "ANY"),
        false => (IntegrationKind::Lambda, "POST"),
    };
    let made = Integration {
        kind,
        uri: target,
        method: Some(method.to_owned()),
        payload_format: if is_url { PayloadFormat::V1 } else { PayloadFormat::V2 },
        timeout_ms: integrations::TIMEOUT_MS_DEFAULT,
        credentials,
        description: None,
        is_managed: true,
    };
    integrations::check(&made, &api.scope, "Target")?;
    Ok(made)
}

fn stage(now_ms: UnixMs) -> Stage {
    Stage {
        description: None,
        is_auto_deployed: true,
        deployment: None,
        variables: BTreeMap::new(),
        default_settings: RouteSettings::default(),
        route_settings: BTreeMap::new(),
        tags: BTreeMap::new(),
        created_ms: now_ms,
        updated_ms: now_ms,
        status_message: None,
        is_managed: true,
        authorizer_cache_epoch: 0,
    }
}
