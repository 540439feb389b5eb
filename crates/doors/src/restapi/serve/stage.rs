//! A stage as it is served: its deployment with the paths made ready for matching.

use std::collections::HashMap;
use std::sync::Arc;

use tindra_core::door::{PathPattern, Resource, ResourceTree};
use tindra_core::function::Scope;

use super::refusal::Refusal;
use crate::restapi::records::{Content, Deployment, Integration, Method, MethodSetting, Named, Stage};

/// A stage with what it serves.
#[derive(Debug)]
pub(super) struct ServedStage {
    pub(super) scope: Scope,
    pub(super) api_id: String,
    pub(super) name: String,
    pub(super) deployment_id: String,
    pub(super) authorizer_epoch: u64,
    pub(super) variables: Named<String>,
    pub(super) content: Arc<Content>,
    /// By path and method, `*` for any.
    settings: HashMap<(String, String), MethodSetting>,
    /// The id of a resource and the name of a method of it.
    tree: ResourceTree<(String, String)>,
}

/// The method that a request takes.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) resource_id: &'a str,
    pub(super) resource_path: &'a str,
    pub(super) method: &'a Method,
    pub(super) integration: &'a Integration,
    pub(super) path_parameters: Vec<(String, String)>,
}

impl ServedStage {
    pub(super) fn new(scope: Scope, api_id: &str, stage: Stage, deployment: Deployment) -> Self {
        let content = deployment.content;
        let resources = content.resources.values().filter(|resource| !resource.methods.is_empty());
        let resources = resources.filter_map(|resource| {
            // Deployments of paths that are none are refused.
            let path: PathPattern = resource.path.parse().ok()?;
            let methods = resource.methods.keys().map(|name| (name.clone(), (resource.id.clone(), name.clone())));
            Some(Resource { path, methods: methods.collect() })
        });
        Self {
            scope,
            api_id: api_id.to_owned(),
            name: stage.name,
            deployment_id: deployment.id,
            authorizer_epoch: stage.authorizer_epoch,
            variables: stage.variables,
            settings: stage.method_settings.iter().map(|(key, setting)| (place(key), *setting)).collect(),
            tree: ResourceTree::new(resources.collect()),
            content: Arc::new(content),
        }
    }

    /// The method for a request; a path or method that is not there is refused as AWS refuses it.
    pub(super) fn select(&self, method: &str, path: &str) -> Result<Found<'_>, Refusal> {
        let found = self.tree.select(method, path).ok_or_else(Refusal::missing_token)?;
        let (resource_id, name) = found.target;
        let resource = self.content.resources.get(resource_id).ok_or_else(Refusal::missing_token)?;
        let method = resource.methods.get(name).ok_or_else(Refusal::missing_token)?;
        Ok(Found {
            resource_id,
            resource_path: &resource.path,
            method,
            // A deployment without one is refused.
            integration: method.integration.as_ref().ok_or_else(Refusal::missing_token)?,
            path_parameters: found.path_parameters,
        })
    }

    /// How fast a method may be asked.
    pub(super) fn setting(&self, path: &str, method: &str) -> Option<MethodSetting> {
        let at = |path: &str, method: &str| self.settings.get(&(path.to_owned(), method.to_owned())).copied();
        at(path, method).or_else(|| at(path, "*")).or_else(|| at("*", "*"))
    }
}

/// Path and method of a key of settings: `~1pets~1{id}/GET`, `pets~1{id}/GET` or `*/*`.
fn place(key: &str) -> (String, String) {
    let (path, method) = key.rsplit_once('/').unwrap_or((key, "*"));
    let path = path.replace("~1", "/").replace("~0", "~");
    let path = if path == "*" || path.starts_with('/') { path } else { format!("/{path}") };
    (path, method.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_of_settings_name_places() {
        for (key, path, method) in [
            ("*/*", "*", "*"),
            ("~1pets~1{id}/GET", "/pets/{id}", "GET"),
            ("pets~1{id}/GET", "/pets/{id}", "GET"),
            ("~1/ANY", "/", "ANY"),
        ] {
            assert_eq!(super::place(key), (path.to_owned(), method.to_owned()), "{key}");
        }
    }
}
