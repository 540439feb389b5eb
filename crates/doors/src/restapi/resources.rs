//! CreateResource, GetResource, GetResources, UpdateResource and DeleteResource: the tree of paths.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::door::PathPattern;
use tindra_core::function::Scope;
use tindra_core::limits;

use super::page::PageRequest;
use super::patch::{Op, Patch, PatchOperation, apply_all};
use super::records::{Content, Resource, shown};
use super::{RestApiError, RestApiService, ids};

const PATCHED: &str = "/parentId, /pathPart";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    rest_api_id: String,
    parent_id: String,
    path_part: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceRequest {
    rest_api_id: String,
    resource_id: String,
    #[serde(default)]
    embed: Vec<String>,
    patch_operations: Option<Vec<PatchOperation>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListRequest {
    rest_api_id: String,
    #[serde(default)]
    embed: Vec<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl RestApiService {
    pub(super) async fn create_resource(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        let id = ids::short()?;
        self.change_content(scope, &request.rest_api_id, |content| {
            content.add(&id, &request.parent_id, &request.path_part).map(|resource| told(resource, false))
        })
        .await
    }

    pub(super) async fn get_resource(&self, scope: &Scope, request: ResourceRequest) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        let resource = api.content.resource(&request.resource_id)?;
        Ok(told(resource, embeds_methods(&request.embed)?))
    }

    /// In the order of their paths.
    pub(super) async fn get_resources(&self, scope: &Scope, request: ListRequest) -> Result<Value, RestApiError> {
        let is_whole = embeds_methods(&request.embed)?;
        let api = self.api(scope, &request.rest_api_id).await?.value;
        let mut resources: Vec<&Resource> = api.content.resources.values().collect();
        resources.sort_by(|one, other| one.path.cmp(&other.path));
        request.page.cut(resources.iter().map(|resource| (resource.path.clone(), told(resource, is_whole))))
    }

    pub(super) async fn update_resource(&self, scope: &Scope, request: ResourceRequest) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            content.resource(&request.resource_id)?;
            apply_all(request.patch_operations.as_deref(), |patch| change(content, &request.resource_id, patch))?;
            Ok(told(content.resource(&request.resource_id)?, false))
        })
        .await
    }

    /// With everything below it.
    pub(super) async fn delete_resource(&self, scope: &Scope, request: ResourceRequest) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            content.resource(&request.resource_id)?;
            if request.resource_id == content.root_id {
                return Err(RestApiError::bad("Root resource cannot be deleted"));
            }
            content.remove(&request.resource_id);
            Ok(json!({}))
        })
        .await
    }
}

fn embeds_methods(embed: &[String]) -> Result<bool, RestApiError> {
    match embed.iter().find(|what| *what != "methods") {
        Some(what) => Err(RestApiError::bad(format!("Invalid embed parameter: {what}. Must be one of: [methods]"))),
        None => Ok(!embed.is_empty()),
    }
}

/// A resource as answers have it: its methods by their names alone, unless all of them is asked for.
fn told(resource: &Resource, is_whole: bool) -> Value {
    let mut told = shown(resource);
    if !is_whole && let Some(methods) = told.get_mut("resourceMethods").and_then(Value::as_object_mut) {
        methods.values_mut().for_each(|method| *method = json!({}));
    }
    told
}

fn change(content: &mut Content, id: &str, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (patch.op, patch.at().as_slice()) {
        (Op::Replace, ["pathPart"]) => {
            let parent = content.resource(id)?.parent_id.clone().ok_or_else(root_is_fixed)?;
            content.place(id, &parent, patch.text())
        }
        (Op::Replace, ["parentId"]) => {
            let part = content.resource(id)?.path_part.clone().ok_or_else(root_is_fixed)?;
            content.resource(patch.text())?;
            if content.is_below(patch.text(), id) {
                return Err(RestApiError::bad("Resources cannot be cyclical."));
            }
            content.place(id, patch.text(), &part)
        }
        _ => Err(patch.unknown(PATCHED)),
    }
}

fn root_is_fixed() -> RestApiError {
    RestApiError::bad("Root resource cannot be updated.")
}

impl Content {
    pub(super) fn resource(&self, id: &str) -> Result<&Resource, RestApiError> {
        self.resources.get(id).ok_or_else(RestApiError::no_resource)
    }

    pub(super) fn resource_mut(&mut self, id: &str) -> Result<&mut Resource, RestApiError> {
        self.resources.get_mut(id).ok_or_else(RestApiError::no_resource)
    }

    /// Adds a resource below another one.
    pub(super) fn add(&mut self, id: &str, parent_id: &str, part: &str) -> Result<&Resource, RestApiError> {
        self.resource(parent_id)?;
        if self.resources.len() >= limits::REST_API_RESOURCES_MAX {
            return Err(RestApiError::bad(format!(
                "Maximum number of resources for this API has been reached ({}).",
                limits::REST_API_RESOURCES_MAX
            )));
        }
        let resource = Resource { id: id.to_owned(), ..Resource::default() };
        self.check_place(id, parent_id, part)?;
        self.resources.insert(id.to_owned(), resource);
        self.place(id, parent_id, part)?;
        self.resource(id)
    }

    /// Puts a resource under a parent with a name, and gives all below it the paths that follow.
    fn place(&mut self, id: &str, parent_id: &str, part: &str) -> Result<(), RestApiError> {
        self.check_place(id, parent_id, part)?;
        let resource = self.resource_mut(id)?;
        resource.parent_id = Some(parent_id.to_owned());
        resource.path_part = Some(part.to_owned());
        let paths: Vec<(String, String)> = self.resources.keys().map(|id| (id.clone(), self.path_of(id))).collect();
        for (id, path) in paths {
            self.resource_mut(&id)?.path = path;
        }
        Ok(())
    }

    fn check_place(&self, id: &str, parent_id: &str, part: &str) -> Result<(), RestApiError> {
        check_part(part)?;
        let parent = self.resource(parent_id)?;
        if let Some(greedy) = parent.path_part.as_deref().filter(|part| part.ends_with("+}")) {
            return Err(RestApiError::bad(format!(
                "Cannot create a child of a resource with a greedy path variable: {greedy}"
            )));
        }
        let path = format!("{}/{part}", parent.path.trim_end_matches('/'));
        path.parse::<PathPattern>().map_err(|error| RestApiError::bad(format!("Invalid resource: {error}")))?;
        let is_sibling = |other: &&Resource| other.parent_id.as_deref() == Some(parent_id) && other.id != id;
        let mut siblings = self.resources.values().filter(is_sibling).filter_map(|other| other.path_part.as_deref());
        let is_variable = |part: &str| part.starts_with('{');
        match siblings.find(|other| *other == part || (is_variable(part) && is_variable(other))) {
            Some(other) if other == part => Err(RestApiError::conflict(format!(
                "Another resource with the same parent already has this name: {part}"
            ))),
            Some(other) => Err(RestApiError::bad(format!(
                "A sibling ({other}) of this resource already has a variable path part -- only one is allowed"
            ))),
            None => Ok(()),
        }
    }

    /// Whether a resource is another one or below it.
    fn is_below(&self, id: &str, ancestor: &str) -> bool {
        let mut here = Some(id);
        while let Some(id) = here {
            if id == ancestor {
                return true;
            }
            here = self.resources.get(id).and_then(|resource| resource.parent_id.as_deref());
        }
        false
    }

    fn path_of(&self, id: &str) -> String {
        let mut parts = Vec::new();
        let mut here = self.resources.get(id);
        while let Some(resource) = here {
            parts.extend(resource.path_part.as_deref());
            here = resource.parent_id.as_deref().and_then(|parent| self.resources.get(parent));
        }
        parts.reverse();
        format!("/{}", parts.join("/"))
    }

    fn remove(&mut self, id: &str) {
        let below: Vec<String> = self.resources.keys().filter(|other| self.is_below(other, id)).cloned().collect();
        self.resources.retain(|other, _| !below.contains(other));
    }
}

/// A part is text, a variable in braces, or a variable that takes the rest of the path.
fn check_part(part: &str) -> Result<(), RestApiError> {
    let inner = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let inner = inner.map_or(part, |name| name.strip_suffix('+').unwrap_or(name));
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:,$@!*'+()~=&;%".contains(&byte);
    match !inner.is_empty() && inner.bytes().all(is_allowed) {
        true => Ok(()),
        false => Err(RestApiError::bad(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.",
        )),
    }
}
