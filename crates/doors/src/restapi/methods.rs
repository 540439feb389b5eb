//! Methods and their responses: Put, Get, Update and Delete of each.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;

use super::patch::{Op, Patch, PatchOperation, apply_all};
use super::records::{Content, Method, MethodResponse, Named, shown};
use super::{RestApiError, RestApiService};

/// What a resource can have.
pub(super) const HTTP_METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"];

/// Which method of which API is meant, and what it is to become.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MethodRequest {
    pub(super) rest_api_id: String,
    pub(super) resource_id: String,
    pub(super) http_method: String,
    patch_operations: Option<Vec<PatchOperation>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutRequest {
    #[serde(flatten)]
    place: MethodRequest,
    #[serde(flatten)]
    draft: MethodDraft,
}

/// The members that make a method, by whatever way they come.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MethodDraft {
    pub(super) authorization_type: String,
    pub(super) authorizer_id: Option<String>,
    pub(super) api_key_required: Option<bool>,
    pub(super) operation_name: Option<String>,
    pub(super) request_parameters: Option<Named<bool>>,
    pub(super) request_models: Option<Named<String>>,
    pub(super) request_validator_id: Option<String>,
    pub(super) authorization_scopes: Option<Vec<String>>,
}

/// Which response is meant, and what it is to become.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseRequest {
    rest_api_id: String,
    resource_id: String,
    http_method: String,
    status_code: String,
    response_parameters: Option<Named<bool>>,
    response_models: Option<Named<String>>,
    patch_operations: Option<Vec<PatchOperation>>,
}

impl RestApiService {
    pub(super) async fn put_method(&self, scope: &Scope, request: PutRequest) -> Result<Value, RestApiError> {
        let place = &request.place;
        let name = checked_http_method(&place.http_method)?;
        self.change_content(scope, &place.rest_api_id, |content| {
            content.resource(&place.resource_id)?;
            let method = request.draft.clone().method(name, content)?;
            let methods = &mut content.resource_mut(&place.resource_id)?.methods;
            if methods.contains_key(name) {
                return Err(RestApiError::conflict("Method already exists for this resource"));
            }
            let told = shown(&method);
            methods.insert(name.to_owned(), method);
            Ok(told)
        })
        .await
        .map_err(|error| unless_no_api(error, RestApiError::no_resource))
    }

    pub(super) async fn get_method(&self, scope: &Scope, request: MethodRequest) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        Ok(shown(api.content.method(&request.resource_id, &request.http_method)?))
    }

    pub(super) async fn update_method(&self, scope: &Scope, request: MethodRequest) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let mut method = content.method(&request.resource_id, &request.http_method)?.clone();
            apply_all(request.patch_operations.as_deref(), |patch| change(&mut method, patch))?;
            content.check(&mut method)?;
            let told = shown(&method);
            *content.method_mut(&request.resource_id, &request.http_method)? = method;
            Ok(told)
        })
        .await
    }

    pub(super) async fn delete_method(&self, scope: &Scope, request: MethodRequest) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let methods = &mut content.resource_mut(&request.resource_id)?.methods;
            methods.remove(&request.http_method).map(|_| json!({})).ok_or_else(RestApiError::no_method)
        })
        .await
    }

    pub(super) async fn put_method_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let response = MethodResponse {
                status_code: request.status_code.clone(),
                response_parameters: request.response_parameters.clone().unwrap_or_default(),
                response_models: request.response_models.clone().unwrap_or_default(),
            };
            content.check_models(&response.response_models)?;
            check_response_parameters(response.response_parameters.keys())?;
            let method = content.method_mut(&request.resource_id, &request.http_method)?;
            if method.method_responses.contains_key(&request.status_code) {
                return Err(RestApiError::conflict("Response already exists for this resource"));
            }
            let told = shown(&response);
            method.method_responses.insert(request.status_code.clone(), response);
            Ok(told)
        })
        .await
    }

    pub(super) async fn get_method_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        let method = api.content.method(&request.resource_id, &request.http_method)?;
        method.method_responses.get(&request.status_code).map(shown).ok_or_else(no_response)
    }

    pub(super) async fn update_method_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let method = content.method_mut(&request.resource_id, &request.http_method)?;
            let response = method.method_responses.get_mut(&request.status_code).ok_or_else(no_response)?;
            apply_all(request.patch_operations.as_deref(), |patch| match (patch.op, patch.at().as_slice()) {
                (Op::Remove, ["responseParameters", name]) => {
                    response.response_parameters.remove(*name);
                    Ok(())
                }
                (Op::Add | Op::Replace, ["responseParameters", name]) => {
                    response.response_parameters.insert((*name).to_owned(), patch.flag());
                    Ok(())
                }
                (Op::Remove, ["responseModels", media_type]) => {
                    response.response_models.remove(*media_type);
                    Ok(())
                }
                (Op::Add | Op::Replace, ["responseModels", media_type]) => {
                    response.response_models.insert((*media_type).to_owned(), patch.text().to_owned());
                    Ok(())
                }
                _ => Err(patch.invalid_path()),
            })?;
            check_response_parameters(response.response_parameters.keys())?;
            let response = response.clone();
            content.check_models(&response.response_models)?;
            Ok(shown(&response))
        })
        .await
    }

    pub(super) async fn delete_method_response(
        &self,
        scope: &Scope,
        request: ResponseRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let method = content.method_mut(&request.resource_id, &request.http_method)?;
            method.method_responses.remove(&request.status_code).map(|_| json!({})).ok_or_else(no_response)
        })
        .await
    }
}

/// AWS says of a method of an API that is not there that the resource is not.
fn unless_no_api(error: RestApiError, other: impl FnOnce() -> RestApiError) -> RestApiError {
    if error.message().starts_with("Invalid API identifier") { other() } else { error }
}

pub(super) fn no_response() -> RestApiError {
    RestApiError::not_found("Invalid Response status code specified")
}

/// The method by the name that AWS knows.
pub(super) fn checked_http_method(name: &str) -> Result<&'static str, RestApiError> {
    HTTP_METHODS.into_iter().find(|known| *known == name).ok_or_else(|| {
        RestApiError::bad(format!("Invalid HttpMethod specified. Valid options are {}", HTTP_METHODS.join(",")))
    })
}

fn check_response_parameters<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), RestApiError> {
    for name in names {
        if name.strip_prefix("method.response.header.").is_none_or(str::is_empty) {
            return Err(RestApiError::bad(format!("Invalid mapping expression parameter specified: {name}")));
        }
    }
    Ok(())
}

impl MethodDraft {
    /// The method, if everything that it names is there and done here.
    pub(super) fn method(self, http_method: &str, content: &Content) -> Result<Method, RestApiError> {
        if self.authorization_scopes.is_some_and(|scopes| !scopes.is_empty()) {
            return Err(RestApiError::unsupported("Authorization scopes, which are of Cognito user pools, are"));
        }
        let mut method = Method {
            http_method: http_method.to_owned(),
            authorization_type: self.authorization_type,
            authorizer_id: self.authorizer_id.filter(|id| !id.is_empty()),
            api_key_required: self.api_key_required.unwrap_or(false),
            request_validator_id: self.request_validator_id.filter(|id| !id.is_empty()),
            operation_name: self.operation_name,
            request_parameters: self.request_parameters.unwrap_or_default(),
            request_models: self.request_models.unwrap_or_default(),
            ..Method::default()
        };
        content.check(&mut method)?;
        Ok(method)
    }
}

impl Content {
    pub(super) fn method(&self, resource: &str, name: &str) -> Result<&Method, RestApiError> {
        self.resource(resource)?.methods.get(name).ok_or_else(RestApiError::no_method)
    }

    pub(super) fn method_mut(&mut self, resource: &str, name: &str) -> Result<&mut Method, RestApiError> {
        self.resource_mut(resource)?.methods.get_mut(name).ok_or_else(RestApiError::no_method)
    }

    /// Whether everything that a method names is there and done here.
    fn check(&self, method: &mut Method) -> Result<(), RestApiError> {
        match method.authorization_type.as_str() {
            "NONE" => method.authorizer_id = None,
            "CUSTOM" => {
                let id = method.authorizer_id.as_deref().unwrap_or_default();
                if !self.authorizers.contains_key(id) {
                    return Err(RestApiError::bad(
                        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.",
                    ));
                }
            }
            kind @ ("AWS_IAM" | "COGNITO_USER_POOLS") => {
                return Err(RestApiError::unsupported(format!(
                    "The authorization type {kind} (NONE and CUSTOM, with a Lambda authorizer, are served) is"
                )));
            }
            _ => {
                return Err(RestApiError::bad(
                    "Invalid authorization type specified. Must be one of: [NONE, CUSTOM, AWS_IAM, COGNITO_USER_POOLS]",
                ));
            }
        }
        if method.request_validator_id.as_ref().is_some_and(|id| !self.validators.contains_key(id)) {
            return Err(RestApiError::bad("Invalid Request Validator identifier specified"));
        }
        check_request_parameters(&method.request_parameters)?;
        self.check_models(&method.request_models)
    }

    fn check_models(&self, models: &Named<String>) -> Result<(), RestApiError> {
        match models.values().find(|name| !self.models.contains_key(*name)) {
            Some(name) => Err(RestApiError::bad(format!("Invalid model identifier specified: {name}"))),
            None => Ok(()),
        }
    }
}

fn check_request_parameters(parameters: &Named<bool>) -> Result<(), RestApiError> {
    let mut names = Vec::new();
    for parameter in parameters.keys() {
        let place = parameter.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'));
        match place {
            Some(("header" | "querystring" | "path", name)) if !name.is_empty() => names.push(name),
            _ => return Err(RestApiError::bad(format!("Invalid request parameter specified: {parameter}"))),
        }
    }
    names.sort_unstable();
    match names.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(RestApiError::bad("Parameter names must be unique across querystring, header and path")),
        false => Ok(()),
    }
}

fn change(method: &mut Method, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (patch.op, patch.at().as_slice()) {
        (_, ["authorizationType"]) => {
            patch.replaces()?;
            method.authorization_type = patch.text().to_owned();
        }
        (_, ["authorizerId"]) => {
            patch.replaces()?;
            method.authorizer_id = patch.optional();
        }
        (_, ["apiKeyRequired"]) => {
            patch.replaces()?;
            method.api_key_required = patch.flag();
        }
        (_, ["operationName"]) => {
            patch.replaces()?;
            method.operation_name = patch.optional();
        }
        (_, ["requestValidatorId"]) => {
            patch.replaces()?;
            method.request_validator_id = patch.optional();
        }
        (Op::Remove, ["requestParameters", name]) => drop(method.request_parameters.remove(*name)),
        (Op::Add | Op::Replace, ["requestParameters", name]) => {
            method.request_parameters.insert((*name).to_owned(), patch.flag());
        }
        (Op::Remove, ["requestModels", media_type]) => drop(method.request_models.remove(*media_type)),
        (Op::Add | Op::Replace, ["requestModels", media_type]) => {
            method.request_models.insert((*media_type).to_owned(), patch.text().to_owned());
        }
        (_, ["authorizationScopes", ..]) => return Err(patch.unsupported()),
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}
