//! Who may ask: security schemes become authorizers, and security requirements the guards of methods.

use serde_json::Value;

use super::document::{Document, text, text_of};
use super::{Import, Notes};
use crate::restapi::authorizers::AuthorizerDraft;
use crate::restapi::records::Content;
use crate::restapi::{RestApiError, ids};

const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
const AUTH_TYPE: &str = "x-amazon-apigateway-authtype";
/// The header by which API keys come.
const API_KEY_HEADER: &str = "x-api-key";

/// How a method is guarded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Guard {
    pub(super) authorization_type: String,
    /// The id of an authorizer.
    pub(super) authorizer_id: Option<String>,
    pub(super) api_key_required: bool,
}

/// Makes the authorizers of the schemes that have one. One of the same name keeps its id.
pub(super) fn authorizers(import: &Import<'_>, content: &mut Content, notes: &mut Notes) -> Result<(), RestApiError> {
    for (name, scheme) in import.document.security_schemes() {
        let Some(authorizer) = scheme.get(AUTHORIZER) else { continue };
        let authorizer = import.document.resolve(authorizer)?;
        let known = content.authorizers.values().chain(import.before.authorizers.values());
        let known = known.into_iter().find(|known| known.name == *name).map(|known| known.id.clone());
        let id = known.map_or_else(ids::short, Ok)?;
        match draft(name, scheme, authorizer).authorizer(&id) {
            Ok(made) => {
                content.authorizers.remove(&id);
                if let Err(error) = content.add_authorizer(made) {
                    notes.error(format!("Unable to create authorizer '{name}': {}", error.message()));
                }
            }
            Err(error) => notes.error(format!("Unable to create authorizer '{name}': {}", error.message())),
        }
    }
    Ok(())
}

fn draft(name: &str, scheme: &Value, authorizer: &Value) -> AuthorizerDraft {
    let kind = text(authorizer, "type").unwrap_or_default().to_ascii_uppercase();
    let member = |member: &str| text(authorizer, member).map(str::to_owned);
    let header = || text(scheme, "name").map(|header| format!("method.request.header.{header}"));
    let default = || if kind == "TOKEN" { header() } else { None };
    let ttl_s = authorizer.get("authorizerResultTtlInSeconds").and_then(text_of);
    AuthorizerDraft {
        name: name.to_owned(),
        auth_type: text(scheme, AUTH_TYPE).map(str::to_owned),
        authorizer_uri: member("authorizerUri"),
        authorizer_credentials: member("authorizerCredentials"),
        identity_source: member("identitySource").or_else(default),
        identity_validation_expression: member("identityValidationExpression"),
        ttl_s: ttl_s.and_then(|ttl_s| ttl_s.parse().ok()),
        provider_arns: authorizer.get("providerARNs").map(|_| vec![String::new()]),
        jwt_configuration: authorizer.get("jwtConfiguration").cloned(),
        kind,
    }
}

/// The guard of a method, out of its own requirements or those of the document.
pub(super) fn guard(
    document: &Document,
    operation: &Value,
    content: &Content,
    place: &str,
    notes: &mut Notes,
) -> Result<Guard, RestApiError> {
    let mut guard = Guard { authorization_type: "NONE".to_owned(), ..Guard::default() };
    let requirements = operation.get("security").or_else(|| document.get("security"));
    let requirements = requirements.and_then(Value::as_array).into_iter().flatten();
    for name in requirements.filter_map(Value::as_object).flat_map(|requirement| requirement.keys()) {
        let Some((_, scheme)) = document.security_schemes().find(|(known, _)| *known == name) else {
            notes.warning(format!("Unable to find security scheme '{name}' of {place}"));
            continue;
        };
        let is_key = text(scheme, "type") == Some("apiKey")
            && text(scheme, "name").is_some_and(|header| header.eq_ignore_ascii_case(API_KEY_HEADER));
        if scheme.get(AUTHORIZER).is_some() {
            guard.authorization_type = "CUSTOM".to_owned();
            guard.authorizer_id =
                content.authorizers.values().find(|known| known.name == *name).map(|known| known.id.clone());
        } else if text(scheme, AUTH_TYPE).is_some_and(|kind| kind.eq_ignore_ascii_case("awsSigv4")) {
            guard.authorization_type = "AWS_IAM".to_owned();
        } else if is_key {
            guard.api_key_required = true;
        } else {
            notes.warning(format!("Security scheme '{name}' of {place} has no authorizer and guards nothing"));
        }
    }
    apply_extension(operation, &mut guard);
    Ok(guard)
}

/// `x-amazon-apigateway-auth` says the type outright.
fn apply_extension(operation: &Value, guard: &mut Guard) {
    let kind = operation.get("x-amazon-apigateway-auth").and_then(|auth| text(auth, "type"));
    match kind.map(str::to_ascii_uppercase).as_deref() {
        Some("NONE") => {
            guard.authorization_type = "NONE".to_owned();
            guard.authorizer_id = None;
        }
        Some("AWS_IAM") => guard.authorization_type = "AWS_IAM".to_owned(),
        _ => {}
    }
}
