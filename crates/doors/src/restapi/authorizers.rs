//! CreateAuthorizer, GetAuthorizer, GetAuthorizers, UpdateAuthorizer and DeleteAuthorizer: Lambda functions that decide
//! who may ask.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;

use super::invoke_uri::InvokeUri;
use super::page::PageRequest;
use super::patch::{Op, Patch, PatchOperation, apply_all};
use super::records::{Authorizer, AuthorizerType, Content, shown};
use super::{RestApiError, RestApiService, ids};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    rest_api_id: String,
    #[serde(flatten)]
    draft: AuthorizerDraft,
}

/// The members that make an authorizer, by whatever way they come.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorizerDraft {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(rename = "providerARNs")]
    pub(super) provider_arns: Option<Vec<String>>,
    pub(super) auth_type: Option<String>,
    pub(super) authorizer_uri: Option<String>,
    pub(super) authorizer_credentials: Option<String>,
    pub(super) identity_source: Option<String>,
    pub(super) identity_validation_expression: Option<String>,
    #[serde(rename = "authorizerResultTtlInSeconds")]
    pub(super) ttl_s: Option<i64>,
    pub(super) jwt_configuration: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorizerRequest {
    rest_api_id: String,
    authorizer_id: String,
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
    pub(super) async fn create_authorizer(&self, scope: &Scope, request: CreateRequest) -> Result<Value, RestApiError> {
        let id = ids::short()?;
        self.change_content(scope, &request.rest_api_id, |content| {
            let authorizer = request.draft.authorizer(&id)?;
            let told = shown(&authorizer);
            content.add_authorizer(authorizer)?;
            Ok(told)
        })
        .await
    }

    pub(super) async fn get_authorizer(
        &self,
        scope: &Scope,
        request: AuthorizerRequest,
    ) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        api.content.authorizers.get(&request.authorizer_id).map(shown).ok_or_else(no_authorizer)
    }

    pub(super) async fn get_authorizers(&self, scope: &Scope, request: ListRequest) -> Result<Value, RestApiError> {
        let api = self.api(scope, &request.rest_api_id).await?.value;
        request.page.cut(api.content.authorizers.iter().map(|(id, authorizer)| (id.clone(), shown(authorizer))))
    }

    pub(super) async fn update_authorizer(
        &self,
        scope: &Scope,
        request: AuthorizerRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let found = content.authorizers.get_mut(&request.authorizer_id).ok_or_else(no_authorizer)?;
            let mut authorizer = found.clone();
            apply_all(request.patch_operations.as_deref(), |patch| change(&mut authorizer, patch))?;
            authorizer.check()?;
            *found = authorizer;
            Ok(shown(found))
        })
        .await
    }

    pub(super) async fn delete_authorizer(
        &self,
        scope: &Scope,
        request: AuthorizerRequest,
    ) -> Result<Value, RestApiError> {
        self.change_content(scope, &request.rest_api_id, |content| {
            let id = &request.authorizer_id;
            let mut methods = content.resources.values().flat_map(|resource| resource.methods.values());
            if methods.any(|method| method.authorizer_id.as_ref() == Some(id)) {
                return Err(RestApiError::conflict(format!(
                    "Cannot delete authorizer '{id}', is referenced in method"
                )));
            }
            content.authorizers.remove(id).map(|_| json!({})).ok_or_else(no_authorizer)
        })
        .await
    }
}

fn no_authorizer() -> RestApiError {
    RestApiError::not_found("Invalid Authorizer identifier specified")
}

impl Content {
    pub(super) fn add_authorizer(&mut self, authorizer: Authorizer) -> Result<(), RestApiError> {
        if self.authorizers.values().any(|known| known.name == authorizer.name) {
            return Err(RestApiError::bad(
                "Authorizer name must be unique. Authorizer name already exists in this RestApi.",
            ));
        }
        if self.authorizers.len() >= limits::REST_API_AUTHORIZERS_MAX {
            return Err(RestApiError::limit(format!(
                "Maximum number of authorizers for this API has been reached ({}).",
                limits::REST_API_AUTHORIZERS_MAX
            )));
        }
        self.authorizers.insert(authorizer.id.clone(), authorizer);
        Ok(())
    }
}

impl AuthorizerDraft {
    /// The authorizer, if it is one that is done here.
    pub(super) fn authorizer(&self, id: &str) -> Result<Authorizer, RestApiError> {
        let kind = kind(&self.kind)?;
        if self.authorizer_credentials.as_deref().is_some_and(|role| !role.is_empty()) {
            return Err(RestApiError::unsupported(
                "Credentials of authorizers (give API Gateway a permission on the function instead) are",
            ));
        }
        if self.provider_arns.as_ref().is_some_and(|arns| !arns.is_empty()) || self.jwt_configuration.is_some() {
            return Err(RestApiError::unsupported("Provider ARNs and JWT configurations of authorizers are"));
        }
        let authorizer = Authorizer {
            id: id.to_owned(),
            name: self.name.clone(),
            kind,
            auth_type: self.auth_type.clone().or_else(|| Some("custom".to_owned())),
            authorizer_uri: self.authorizer_uri.clone().unwrap_or_default(),
            identity_source: self.identity_source.clone().filter(|source| !source.is_empty()),
            identity_validation_expression: self.identity_validation_expression.clone().filter(|text| !text.is_empty()),
            ttl_s: self.ttl_s.map(checked_ttl).transpose()?,
        };
        authorizer.check()?;
        Ok(authorizer)
    }
}

fn kind(text: &str) -> Result<AuthorizerType, RestApiError> {
    match text {
        "TOKEN" => Ok(AuthorizerType::Token),
        "REQUEST" => Ok(AuthorizerType::Request),
        other => Err(RestApiError::unsupported(format!(
            "Authorizers of type {other} (TOKEN and REQUEST with a Lambda function are served) are"
        ))),
    }
}

fn checked_ttl(ttl_s: i64) -> Result<u32, RestApiError> {
    let max = limits::AUTHORIZER_TTL_S_MAX;
    u32::try_from(ttl_s)
        .ok()
        .filter(|ttl_s| *ttl_s <= max)
        .ok_or_else(|| RestApiError::bad(format!("Authorizer result TTL must be between 0 and {max} seconds")))
}

impl Authorizer {
    /// For how long a decision is kept.
    pub(super) fn keeps_for_s(&self) -> u32 {
        self.ttl_s.unwrap_or(limits::AUTHORIZER_TTL_S_DEFAULT)
    }

    /// What the decision is kept by: expressions such as `method.request.header.Authorization`.
    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        let all = self.identity_source.as_deref().unwrap_or_default();
        all.split(',').map(str::trim).filter(|source| !source.is_empty())
    }

    fn check(&self) -> Result<(), RestApiError> {
        if self.name.is_empty() {
            return Err(RestApiError::bad("Authorizer name must be non-empty"));
        }
        InvokeUri::parse(&self.authorizer_uri).map_err(|error| {
            RestApiError::bad(format!("Invalid Authorizer URI: {}. {}", self.authorizer_uri, error.message()))
        })?;
        if let Some(source) = self.sources().find(|source| !self.is_source(source)) {
            return Err(RestApiError::bad(format!("Invalid identity source specified: {source}")));
        }
        let must_have_one = self.kind == AuthorizerType::Token || self.keeps_for_s() > 0;
        if must_have_one && self.sources().next().is_none() {
            return Err(RestApiError::bad(match self.kind {
                AuthorizerType::Token => "Identity source required for authorizer type: TOKEN",
                AuthorizerType::Request => "Identity source required for authorizer type: REQUEST when caching is on",
            }));
        }
        match (&self.identity_validation_expression, self.kind) {
            (Some(_), AuthorizerType::Request) => {
                Err(RestApiError::bad("Identity validation expressions are for authorizers of type TOKEN only"))
            }
            (Some(expression), AuthorizerType::Token) => match fancy_regex::Regex::new(expression) {
                Ok(_) => Ok(()),
                Err(_) => Err(RestApiError::bad(format!("Invalid identity validation expression: {expression}"))),
            },
            (None, _) => Ok(()),
        }
    }

    fn is_source(&self, source: &str) -> bool {
        let has_name = |prefix: &str| source.strip_prefix(prefix).is_some_and(|name| !name.is_empty());
        match self.kind {
            AuthorizerType::Token => has_name("method.request.header."),
            AuthorizerType::Request => {
                let prefixes = ["method.request.header.", "method.request.querystring.", "stageVariables.", "context."];
                prefixes.into_iter().any(has_name)
            }
        }
    }
}

fn change(authorizer: &mut Authorizer, patch: &Patch<'_>) -> Result<(), RestApiError> {
    match (patch.op, patch.at().as_slice()) {
        (Op::Replace, ["name"]) => authorizer.name = patch.text().to_owned(),
        (Op::Replace, ["type"]) => authorizer.kind = kind(patch.text())?,
        (Op::Replace, ["authType"]) => authorizer.auth_type = patch.optional(),
        (Op::Replace, ["authorizerUri"]) => authorizer.authorizer_uri = patch.text().to_owned(),
        (Op::Replace, ["identitySource"]) => authorizer.identity_source = patch.optional(),
        (Op::Replace | Op::Add, ["identityValidationExpression"]) => {
            authorizer.identity_validation_expression = patch.optional();
        }
        (Op::Remove, ["identityValidationExpression"]) => authorizer.identity_validation_expression = None,
        (Op::Replace, ["authorizerResultTtlInSeconds"]) => authorizer.ttl_s = Some(checked_ttl(patch.number()?)?),
        (_, ["authorizerCredentials"]) if patch.text().is_empty() => {}
        (_, ["authorizerCredentials"] | ["providerARNs", ..]) => return Err(patch.unsupported()),
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}
