//! Paths and their methods.

use serde_json::Value;

use super::document::{entries, schema_name, text};
use super::{Import, Notes, integration, security};
use crate::restapi::methods::MethodDraft;
use crate::restapi::records::{Content, Method, MethodResponse, Named};
use crate::restapi::{RestApiError, ids};

const ANY: &str = "x-amazon-apigateway-any-method";
const INTEGRATION: &str = "x-amazon-apigateway-integration";
const VALIDATOR: &str = "x-amazon-apigateway-request-validator";
/// Members of a path that are methods.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "options", "head"];

/// Adds every path of the document with its methods; a method that is there is replaced.
pub(super) fn paths(import: &Import<'_>, content: &mut Content, notes: &mut Notes) -> Result<(), RestApiError> {
    let document = import.document;
    for (path, item) in document.members(&["paths"]).filter(|(path, _)| !path.starts_with("x-")) {
        let item = document.resolve(item)?;
        let full = format!("{}/{}", import.prefix, path.trim_matches('/'));
        let resource_id = match resource_at(import, content, &full) {
            Ok(id) => id,
            Err(error) => {
                notes.error(format!("Unable to create resource at path '{full}': {}", error.message()));
                continue;
            }
        };
        for (member, operation) in item.as_object().into_iter().flatten() {
            let name = match member.as_str() {
                ANY => "ANY".to_owned(),
                member if METHODS.contains(&member) => member.to_ascii_uppercase(),
                "trace" => {
                    notes.warning(format!("Method 'TRACE' of path '{path}' is not supported and left out"));
                    continue;
                }
                _ => continue,
            };
            let method = method(
                import,
                content,
                Place { path, name: &name, resource_id: &resource_id },
                item,
                operation,
                notes,
            )?;
            if let Some(method) = method {
                content.resource_mut(&resource_id)?.methods.insert(name, method);
            }
        }
    }
    Ok(())
}

/// The resource of a path, made with everything above it where it is not there. One of the same path keeps its id.
fn resource_at(import: &Import<'_>, content: &mut Content, path: &str) -> Result<String, RestApiError> {
    let mut here = content.root_id.clone();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let is_child = |parent: &str, known: &crate::restapi::records::Resource| {
            known.parent_id.as_deref() == Some(parent) && known.path_part.as_deref() == Some(part)
        };
        let found = content.resources.values().find(|known| is_child(&here, known)).map(|known| known.id.clone());
        here = match found {
            Some(id) => id,
            None => {
                let before = import.before.resources.values().find(|known| is_child(&here, known));
                let id = before.map_or_else(ids::short, |before| Ok(before.id.clone()))?;
                content.add(&id, &here, part)?.id.clone()
            }
        };
    }
    Ok(here)
}

/// Which method is read.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    name: &'a str,
    resource_id: &'a str,
}

/// The method, or none when something of it cannot be had; then the notes say so.
fn method(
    import: &Import<'_>,
    content: &Content,
    place: Place<'_>,
    item: &Value,
    operation: &Value,
    notes: &mut Notes,
) -> Result<Option<Method>, RestApiError> {
    let Place { path, name, resource_id } = place;
    let at = format!("'{name}' for resource at path '{path}'");
    let guard = security::guard(import.document, operation, content, &at, notes)?;
    let validator = text(operation, VALIDATOR).or_else(|| import.document.get(VALIDATOR).and_then(Value::as_str));
    let (parameters, mut models) = parameters(import, item, operation)?;
    models.retain(|_, model| content.models.contains_key(model));
    let draft = MethodDraft {
        authorization_type: guard.authorization_type,
        authorizer_id: guard.authorizer_id,
        api_key_required: Some(guard.api_key_required),
        operation_name: text(operation, "operationId").map(str::to_owned),
        request_parameters: Some(parameters),
        request_models: Some(models),
        request_validator_id: validator.map(|name| validator_id(content, name)),
        authorization_scopes: None,
    };
    let mut method = match draft.method(name, content) {
        Ok(method) => method,
        Err(error) => {
            notes.error(format!("Unable to put method {at}: {}", error.message()));
            return Ok(None);
        }
    };
    method.method_responses = responses(import, content, operation)?;
    if let Some(value) = operation.get(INTEGRATION) {
        match integration::read(import.document.resolve(value)?, resource_id) {
            Ok((integration, unknown)) => {
                for member in unknown {
                    notes.warning(format!("Parse issue: attribute {member} of the integration of {at} is unexpected"));
                }
                method.integration = Some(integration);
            }
            Err(error) => {
                notes.error(format!("Unable to put integration on {at}: {}", error.message()));
                return Ok(None);
            }
        }
    }
    Ok(Some(method))
}

/// The id of a validator; its name, which is no id, when there is none of that name.
fn validator_id(content: &Content, name: &str) -> String {
    let found = content.validators.values().find(|validator| validator.name == name);
    found.map_or_else(|| name.to_owned(), |validator| validator.id.clone())
}

/// The parameters of a request and the models of its body, of the path and of the method itself, which comes later and so
/// wins.
fn parameters(
    import: &Import<'_>,
    item: &Value,
    operation: &Value,
) -> Result<(Named<bool>, Named<String>), RestApiError> {
    let document = import.document;
    let (mut parameters, mut models) = (Named::new(), Named::new());
    for from in [item, operation] {
        for parameter in from.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let parameter = document.resolve(parameter)?;
            let is_required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
            let name = text(parameter, "name").unwrap_or_default();
            match text(parameter, "in") {
                Some("query") => drop(parameters.insert(format!("method.request.querystring.{name}"), is_required)),
                Some(place @ ("header" | "path")) => {
                    parameters.insert(format!("method.request.{place}.{name}"), is_required);
                }
                Some("body") => {
                    let model = parameter.get("schema").and_then(schema_name);
                    models.extend(model.map(|model| ("application/json".to_owned(), model.to_owned())));
                }
                _ => {}
            }
        }
    }
    if let Some(body) = operation.get("requestBody").filter(|_| !document.is_swagger()) {
        models.extend(models_of(document.resolve(body)?));
    }
    Ok((parameters, models))
}

/// The models of `content`, by their media types.
fn models_of(body: &Value) -> Named<String> {
    let named = entries(body, "content").filter_map(|(media_type, content)| {
        let model = content.get("schema").and_then(schema_name)?;
        Some((media_type.clone(), model.to_owned()))
    });
    named.collect()
}

/// The responses that have a status; `default` has none.
fn responses(import: &Import<'_>, content: &Content, operation: &Value) -> Result<Named<MethodResponse>, RestApiError> {
    let document = import.document;
    let mut responses = Named::new();
    for (status, response) in entries(operation, "responses") {
        if status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let response = document.resolve(response)?;
        let header = |(name, _): (&String, &Value)| (format!("method.response.header.{name}"), false);
        let mut models = match document.is_swagger() {
            true => {
                response.get("schema").and_then(schema_name).map(|model| produced(operation, model)).unwrap_or_default()
            }
            false => models_of(response),
        };
        models.retain(|_, model| content.models.contains_key(model));
        responses.insert(
            status.clone(),
            MethodResponse {
                status_code: status.clone(),
                response_parameters: entries(response, "headers").map(header).collect(),
                response_models: models,
            },
        );
    }
    Ok(responses)
}

/// A model for each media type that a method of Swagger 2 produces.
fn produced(operation: &Value, model: &str) -> Named<String> {
    let types = operation.get("produces").and_then(Value::as_array);
    let types: Vec<&str> = types.into_iter().flatten().filter_map(Value::as_str).collect();
    let types = if types.is_empty() { vec!["application/json"] } else { types };
    types.into_iter().map(|media_type| (media_type.to_owned(), model.to_owned())).collect()
}
