//! CreateRequestValidator, GetRequestValidator(s), UpdateRequestValidator and DeleteRequestValidator: whether a request
//! must have the parameters that its method requires.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;

use super::page::PageRequest;
use super::patch::{Op, PatchOperation, apply_all};
use super::records::{RequestValidator, shown};
use super::{RestApiError, RestApiService, ids};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    rest_api_id: String,
    name: Option<String>,
    #[serde(default)]
    validate_request_body: bool,
    #[serde(default)]
    validate_request_parameters: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValidatorRequest {
    rest_api_id: String,
    request_validator_id: String,
    patch_operations: Option<Vec<PatchOperation>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListRequest {
    rest_api_id: String,
    #[serde(flatten)]
    page: PageRequest,
}

impl RestApiService {
    pub(super) async fn create_validator(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        let id = ids::short()?;
        let validator = RequestValidator {
            id: id.clone(),
            name: request.name.unwrap_or_else(|| id.clone()),
            validate_request_body: request.validate_request_body,
            validate_request_parameters: request.validate_request_parameters,
        };
        validator.check()?;
        self.change_content(scope, &request.rest_api_id, |content| {
            content.validators.insert(id.clone(), validator.clone());
            Ok(shown(&validator))
        })
        .await
    }

    pub(super) async fn get_validator(&self, scope: &Scope, request: ValidatorRequest) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        api.content.validators.get(&request.request_validator_id).map(shown).ok_or_else(no_validator)
    }

    pub(super) async fn get_validators(&self, scope: &Scope, request: ListRequest) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        request.page.cut(api.content.validators.iter().map(|(id, validator)| (id.clone(), shown(validator))))
    }

    pub(super) async fn update_validator(
        &self,
        scope: &Scope,
        request: ValidatorRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let found = content.validators.get_mut(&request.request_validator_id).ok_or_else(no_validator)?;
            let mut validator = found.clone();
            apply_all(request.patch_operations.as_deref(), |patch| {
                match (patch.op, patch.at().as_slice()) {
                    (Op::Replace, ["name"]) => validator.name = patch.text().to_owned(),
                    (Op::Replace, ["validateRequestBody"]) => validator.validate_request_body = patch.flag(),
                    (Op::Replace, ["validateRequestParameters"]) => {
                        validator.validate_request_parameters = patch.flag();
                    }
                    _ => return Err(patch.unknown("/name, /validateRequestParameters, /validateRequestBody")),
                }
                Ok(())
            })?;
            validator.check()?;
            *found = validator;
            Ok(shown(found))
        })
        .await
    }

    pub(super) async fn delete_validator(
        &self,
        scope: &Scope,
        request: ValidatorRequest,
    ) -> Result<Value, RestApiError> {
        let id = &request.request_validator_id;
        self.change_content(scope, &request.rest_api_id, |content| {
            let mut methods = content.resources.values().flat_map(|resource| resource.methods.values());
            if methods.any(|method| method.request_validator_id.as_ref() == Some(id)) {
                return Err(RestApiError::conflict("Cannot delete a request validator that a method uses"));
            }
            content.validators.remove(id).map(|_| json!({})).ok_or_else(no_validator)
        })
        .await
    }
}

impl RequestValidator {
    pub(super) fn check(&self) -> Result<(), RestApiError> {
        match self.validate_request_body {
            true => Err(RestApiError::unsupported("Validating the bodies of requests against models is")),
            false => Ok(()),
        }
    }
}

fn no_validator() -> RestApiError {
    RestApiError::not_found("Invalid Request Validator identifier specified")
}
