//! ImportRestApi and PutRestApi: APIs out of Swagger 2 and OpenAPI 3 documents, with AWS's extensions.
//!
//! `methods` reads paths, `security` who may ask, `integration` what answers; all of them note what they find wrong, and
//! all errors are told at once.

mod document;
mod integration;
mod methods;
mod security;
#[cfg(test)]
mod tests;
mod yaml;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;

use super::apis::{checked_endpoint_type, checked_name, empty_content, shown_new, shown_whole};
use super::records::{Api, ApiKeySource, Content, GatewayResponse, Model, Named, RequestValidator, Resource, Settings};
use super::{RestApiError, RestApiService, ids};
use document::{Document, entries, text, text_of};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImportRequest {
    rest_api_id: Option<String>,
    mode: Option<String>,
    #[serde(default)]
    fail_on_warnings: bool,
    #[serde(default)]
    parameters: Named<String>,
}

/// What an import reads.
#[derive(Clone, Copy)]
struct Import<'a> {
    document: &'a Document,
    /// What stands before every path, with a slash before it, or nothing.
    prefix: &'a str,
    /// What there was: what is still there keeps its ids.
    before: &'a Content,
}

/// What is wrong with a document.
#[derive(Debug, Default)]
struct Notes {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Notes {
    fn error(&mut self, text: String) {
        self.errors.push(text);
    }

    fn warning(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// The warnings, unless there is something for which nothing is imported.
    fn settle(self, fails_on_warnings: bool) -> Result<Vec<String>, RestApiError> {
        if !self.errors.is_empty() {
            return Err(RestApiError::bad(format!("Errors found during import:\n\t{}", self.errors.join("\n\t"))));
        }
        if fails_on_warnings && !self.warnings.is_empty() {
            return Err(RestApiError::bad(format!("Warnings found during import:\n\t{}", self.warnings.join("\n\t"))));
        }
        Ok(self.warnings)
    }
}

impl RestApiService {
    pub(super) async fn import(
        &self,
        scope: &Scope,
        operation: &str,
        body: &[u8],
        request: ImportRequest,
    ) -> Result<Value, RestApiError> {
        if body.len() > limits::API_DEFINITION_BYTES_MAX {
            let max = limits::API_DEFINITION_BYTES_MAX;
            return Err(RestApiError::bad(format!("API definitions may have at most {max} bytes.")));
        }
        let document = Document::parse(body)?;
        match operation {
            "ImportRestApi" => self.import_new(scope, &document, &request).await,
            _ => self.import_into(scope, &document, &request).await,
        }
    }

    async fn import_new(
        &self,
        scope: &Scope,
        document: &Document,
        request: &ImportRequest,
    ) -> Result<Value, RestApiError> {
        let mut content = empty_content()?;
        content.models = Named::new();
        let settings = Settings {
            name: String::new(),
            description: None,
            version: None,
            endpoint_type: "EDGE".to_owned(),
            ip_address_type: "ipv4".to_owned(),
        };
        let mut api = Api { id: ids::long()?, created_ms: self.clock.unix_ms(), tags: Named::new(), settings, content };
        let warnings = apply(document, request, &mut api, Mode::Merge)?;
        self.put_new(scope, &api).await?;
        Ok(with_warnings(shown_new(&api), warnings))
    }

    async fn import_into(
        &self,
        scope: &Scope,
        document: &Document,
        request: &ImportRequest,
    ) -> Result<Value, RestApiError> {
        let mode = match request.mode.as_deref() {
            None | Some("merge") => Mode::Merge,
            Some(_) => Mode::Overwrite,
        };
        let id = request.rest_api_id.as_deref().unwrap_or_default();
        self.change_api(scope, id, |api| {
            let warnings = apply(document, request, api, mode)?;
            Ok(with_warnings(shown_whole(api), warnings))
        })
        .await
    }
}

fn with_warnings(mut shown: Value, warnings: Vec<String>) -> Value {
    if !warnings.is_empty() {
        shown["warnings"] = json!(warnings);
    }
    shown
}

/// What becomes of what the document does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It stays.
    Merge,
    /// It goes.
    Overwrite,
}

/// Puts a document into an API. Gives the warnings.
fn apply(document: &Document, request: &ImportRequest, api: &mut Api, mode: Mode) -> Result<Vec<String>, RestApiError> {
    let mut notes = Notes::default();
    let prefix = prefix(document, request)?;
    let before = api.content.clone();
    if mode == Mode::Overwrite {
        api.content = emptied(&before);
    }
    settings(document, request, api, &mut notes)?;
    let import = Import { document, prefix: &prefix, before: &before };
    let content = &mut api.content;
    models(document, content, &mut notes)?;
    validators(document, content, &mut notes)?;
    gateway_responses(document, content, &mut notes);
    security::authorizers(&import, content, &mut notes)?;
    methods::paths(&import, content, &mut notes)?;
    notes.settle(request.fail_on_warnings)
}

/// Nothing but the root, which keeps its id.
fn emptied(before: &Content) -> Content {
    let root = Resource { id: before.root_id.clone(), path: "/".to_owned(), ..Resource::default() };
    Content { root_id: before.root_id.clone(), resources: Named::from([(root.id.clone(), root)]), ..Content::default() }
}

/// What stands before every path, as the parameter `basepath` wants it.
fn prefix(document: &Document, request: &ImportRequest) -> Result<String, RestApiError> {
    let base = document.base_path();
    let rest = match request.parameters.get("basepath").map(String::as_str) {
        None | Some("ignore") => "",
        Some("prepend") => base.as_str(),
        Some("split") => base.split_once('/').map_or("", |(_, rest)| rest),
        Some(other) => {
            return Err(RestApiError::bad(format!(
                "Invalid basepath parameter: {other}. Must be one of: [ignore, prepend, split]"
            )));
        }
    };
    Ok(if rest.is_empty() { String::new() } else { format!("/{rest}") })
}

/// Name, description, version and what AWS's extensions say of the API as a whole.
fn settings(
    document: &Document,
    request: &ImportRequest,
    api: &mut Api,
    notes: &mut Notes,
) -> Result<(), RestApiError> {
    let info = document.get("info").cloned().unwrap_or_default();
    let title =
        text(&info, "title").ok_or_else(|| RestApiError::bad("Invalid OpenAPI input: info.title is missing."))?;
    api.settings.name = checked_name(title)?;
    api.settings.description = text(&info, "description").filter(|text| !text.is_empty()).map(str::to_owned);
    api.settings.version = info.get("version").and_then(text_of);
    if let Some(kind) = request.parameters.get("endpointConfigurationTypes") {
        api.settings.endpoint_type = checked_endpoint_type(kind)?;
    }
    let content = &mut api.content;
    if let Some(types) = document.get("x-amazon-apigateway-binary-media-types").and_then(Value::as_array) {
        content.binary_media_types = types.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let mut seen = std::collections::HashSet::new();
        content.binary_media_types.retain(|media_type| seen.insert(media_type.clone()));
    }
    content.api_key_source = match document.get("x-amazon-apigateway-api-key-source").and_then(Value::as_str) {
        None => content.api_key_source,
        Some(source) if source.eq_ignore_ascii_case("header") => ApiKeySource::Header,
        Some(source) if source.eq_ignore_ascii_case("authorizer") => ApiKeySource::Authorizer,
        Some(source) => return Err(RestApiError::bad(format!("Invalid API key source: {source}"))),
    };
    if let Some(bytes) = document.get("x-amazon-apigateway-minimum-compression-size").and_then(Value::as_u64) {
        content.minimum_compression_bytes = u32::try_from(bytes).ok().filter(|bytes| *bytes <= 10 << 20);
    }
    if document.get("x-amazon-apigateway-policy").is_some() {
        return Err(RestApiError::unsupported("Resource policies of REST APIs are"));
    }
    if let Some(endpoint) = document.get("x-amazon-apigateway-endpoint-configuration") {
        if endpoint.get("vpcEndpointIds").and_then(Value::as_array).is_some_and(|ids| !ids.is_empty()) {
            return Err(RestApiError::unsupported("VPC endpoints of REST APIs are"));
        }
        let is_disabled = endpoint.get("disableExecuteApiEndpoint").and_then(Value::as_bool);
        content.is_endpoint_disabled = is_disabled.unwrap_or(content.is_endpoint_disabled);
    }
    let is_ignored = request.parameters.get("ignore").is_some_and(|what| what == "documentation");
    if document.get("x-amazon-apigateway-documentation").is_some() && !is_ignored {
        notes.warning("Documentation parts are not kept".to_owned());
    }
    Ok(())
}

/// Schemas become models; a name that a model cannot have is told of.
fn models(document: &Document, content: &mut Content, notes: &mut Notes) -> Result<(), RestApiError> {
    for (name, schema) in document.schemas() {
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            notes.warning(format!("Model name '{name}' is not alphanumeric, so there is no model of it"));
            continue;
        }
        let model = Model {
            id: content.models.get(name).map_or_else(ids::short, |known| Ok(known.id.clone()))?,
            name: name.clone(),
            description: text(schema, "description").map(str::to_owned),
            schema: schema.to_string(),
            content_type: "application/json".to_owned(),
        };
        content.models.insert(name.clone(), model);
    }
    Ok(())
}

fn validators(document: &Document, content: &mut Content, notes: &mut Notes) -> Result<(), RestApiError> {
    for (name, value) in document.members(&["x-amazon-apigateway-request-validators"]) {
        let flag = |member: &str| value.get(member).and_then(Value::as_bool).unwrap_or(false);
        let known = content.validators.values().find(|known| known.name == *name).map(|known| known.id.clone());
        let validator = RequestValidator {
            id: known.map_or_else(ids::short, Ok)?,
            name: name.clone(),
            validate_request_body: flag("validateRequestBody"),
            validate_request_parameters: flag("validateRequestParameters"),
        };
        match validator.check() {
            Ok(()) => drop(content.validators.insert(validator.id.clone(), validator)),
            Err(error) => notes.error(format!("Unable to create request validator '{name}': {}", error.message())),
        }
    }
    Ok(())
}

fn gateway_responses(document: &Document, content: &mut Content, notes: &mut Notes) {
    for (name, value) in document.members(&["x-amazon-apigateway-gateway-responses"]) {
        let texts = |member: &str| -> Named<String> {
            entries(value, member).filter_map(|(name, text)| Some((name.clone(), text_of(text)?))).collect()
        };
        let response = GatewayResponse {
            status_code: value.get("statusCode").and_then(text_of),
            response_parameters: texts("responseParameters"),
            response_templates: texts("responseTemplates"),
        };
        let is_known = super::gateway_responses::TYPES.iter().any(|(known, _)| known == name);
        match response.check() {
            Ok(()) if is_known => drop(content.gateway_responses.insert(name.clone(), response)),
            Ok(()) => notes.error(format!("Invalid gateway response type specified: {name}")),
            Err(error) => notes.error(format!("Unable to put gateway response '{name}': {}", error.message())),
        }
    }
}
