//! CreateAuthorizer, GetAuthorizer, GetAuthorizers, UpdateAuthorizer and DeleteAuthorizer.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::door::IdentitySource;
use tindra_core::function::Scope;
use tindra_core::limits;

use super::records::{Api, Authorization, Authorizer, AuthorizerKind, PayloadFormat, Protocol};
use super::shown::members;
use super::websocket::rules;
use super::{HttpApiError, HttpApis, Named, check_text, function_uri, ids, integrations, unserved};

const JWT: &str = "JWT";
const REQUEST: &str = "REQUEST";

/// The members of CreateAuthorizer and UpdateAuthorizer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Asked {
    api_id: String,
    authorizer_id: String,
    name: Option<String>,
    authorizer_type: Option<String>,
    identity_source: Option<Vec<String>>,
    jwt_configuration: Option<JwtConfiguration>,
    authorizer_uri: Option<String>,
    authorizer_payload_format_version: Option<String>,
    enable_simple_responses: Option<bool>,
    authorizer_result_ttl_in_seconds: Option<i64>,
    authorizer_credentials_arn: Option<String>,
    identity_validation_expression: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct JwtConfiguration {
    issuer: Option<String>,
    audience: Option<Vec<String>>,
}

impl HttpApis {
    pub(super) async fn create_authorizer(&self, scope: &Scope, asked: Asked) -> Result<Value, HttpApiError> {
        let id = ids::new(ids::SHORT);
        let edit = |api: &mut Api| {
            if api.definition.authorizers.len() >= limits::HTTP_API_AUTHORIZERS_MAX {
                return Err(HttpApiError::limit("Authorizers", "API", limits::HTTP_API_AUTHORIZERS_MAX));
            }
            let authorizer = asked.of(api.protocol)?.apply(None, scope)?;
            check_name(&authorizer.name, api, None)?;
            api.definition.authorizers.insert(id.clone(), authorizer.clone());
            Ok(authorizer)
        };
        let (authorizer, _) = self.change(scope, &asked.api_id, edit).await?;
        Ok(shown(&id, &authorizer))
    }

    pub(super) async fn get_authorizer(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let api = self.api(scope, &named.api_id).await?.value;
        let found = api.definition.authorizers.get(&named.route_id);
        Ok(shown(&named.route_id, found.ok_or_else(|| unknown(&named.route_id))?))
    }

    pub(super) async fn get_authorizers(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let api = self.api(scope, &named.api_id).await?.value;
        named.page.cut(api.definition.authorizers.iter().map(|(id, one)| (id.clone(), shown(id, one))))
    }

    pub(super) async fn update_authorizer(&self, scope: &Scope, asked: Asked) -> Result<Value, HttpApiError> {
        let id = &asked.authorizer_id;
        let edit = |api: &mut Api| {
            let before = api.definition.authorizers.get(id).ok_or_else(|| unknown(id))?;
            let authorizer = asked.of(api.protocol)?.apply(Some(before), scope)?;
            check_name(&authorizer.name, api, Some(id))?;
            api.definition.authorizers.insert(id.clone(), authorizer.clone());
            Ok(authorizer)
        };
        let (authorizer, _) = self.change(scope, &asked.api_id, edit).await?;
        Ok(shown(id, &authorizer))
    }

    pub(super) async fn delete_authorizer(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let id = named.route_id.as_str();
        let edit = |api: &mut Api| {
            let uses = |authorization: &Authorization| authorization.authorizer() == Some(id);
            if let Some((route, _)) = api.definition.routes.iter().find(|(_, route)| uses(&route.authorization)) {
                return Err(HttpApiError::conflict(format!(
                    "Cannot delete authorizer '{id}'. It is referenced by Route '{route}'."
                )));
            }
            api.definition.authorizers.remove(id).map(|_| ()).ok_or_else(|| unknown(id))
        };
        self.change(scope, &named.api_id, edit).await?;
        Ok(json!({}))
    }
}

impl Asked {
    /// With what is fixed in WebSocket APIs: a function that answers a policy for one connection alone.
    fn of(&self, protocol: Protocol) -> Result<Self, HttpApiError> {
        let mut asked = self.clone();
        if protocol == Protocol::WebSocket {
            rules::check_authorizer(
                asked.authorizer_type.as_deref(),
                &[
                    ("AuthorizerPayloadFormatVersion", asked.authorizer_payload_format_version.is_some()),
                    (
                        "AuthorizerResultTtlInSeconds",
                        asked.authorizer_result_ttl_in_seconds.is_some_and(|ttl| ttl != 0),
                    ),
                    ("EnableSimpleResponses", asked.enable_simple_responses == Some(true)),
                    ("JwtConfiguration", asked.jwt_configuration.is_some()),
                ],
            )?;
            asked.authorizer_payload_format_version = Some(PayloadFormat::V1.text().to_owned());
        }
        let sources = asked.identity_source.iter().flatten();
        sources.map(String::as_str).try_for_each(|source| check_spelling(source, protocol))?;
        Ok(asked)
    }

    /// The authorizer that is asked for; what is not named stays as it was before.
    pub(super) fn apply(&self, before: Option<&Authorizer>, scope: &Scope) -> Result<Authorizer, HttpApiError> {
        unserved::members(
            &[("IdentityValidationExpression", self.identity_validation_expression.is_some())],
            "it is not used by API Gateway either",
        )?;
        let name = self.name.clone().or_else(|| before.map(|before| before.name.clone())).unwrap_or_default();
        check_text("Name", Some(&name))?;
        if name.is_empty() {
            return Err(HttpApiError::invalid("The name of an authorizer must not be empty."));
        }
        let sources = self.identity_source.clone();
        let identity_sources =
            sources.or_else(|| before.map(|before| before.identity_sources.clone())).unwrap_or_default();
        let kind_before = before.map(|before| &before.kind);
        let is_jwt = match self.authorizer_type.as_deref() {
            Some(kind) => kind == JWT,
            None => matches!(kind_before, Some(AuthorizerKind::Jwt { .. })),
        };
        let kind = match is_jwt {
            true => self.jwt(kind_before, &identity_sources)?,
            false => self.lambda(kind_before, &identity_sources, scope)?,
        };
        Ok(Authorizer { name, identity_sources, kind })
    }

    fn jwt(&self, before: Option<&AuthorizerKind>, sources: &[String]) -> Result<AuthorizerKind, HttpApiError> {
        let of_lambda = [
            ("AuthorizerUri", self.authorizer_uri.is_some()),
            ("AuthorizerPayloadFormatVersion", self.authorizer_payload_format_version.is_some()),
            ("AuthorizerResultTtlInSeconds", self.authorizer_result_ttl_in_seconds.is_some_and(|ttl_s| ttl_s != 0)),
            ("EnableSimpleResponses", self.enable_simple_responses == Some(true)),
            ("AuthorizerCredentialsArn", self.authorizer_credentials_arn.is_some()),
        ];
        if let Some((member, _)) = of_lambda.iter().find(|(_, is_given)| *is_given) {
            return Err(HttpApiError::invalid(format!("{member} is for authorizers of type {REQUEST}.")));
        }
        check_sources(sources)?;
        let can_hold_a_token =
            |source: &str| matches!(source.parse(), Ok(IdentitySource::Header(_) | IdentitySource::Query(_)));
        if sources.len() != 1 || !can_hold_a_token(&sources[0]) {
            return Err(HttpApiError::invalid(
                "IdentitySource of a JWT authorizer must be one selection of a header or query string parameter, for example $request.header.Authorization.",
            ));
        }
        let (issuer_before, audience_before) = match before {
            Some(AuthorizerKind::Jwt { issuer, audience }) => (Some(issuer.clone()), audience.clone()),
            _ => (None, Vec::new()),
        };
        let asked = self.jwt_configuration.clone().unwrap_or_default();
        let issuer = asked.issuer.or(issuer_before).unwrap_or_default();
        let audience = asked.audience.unwrap_or(audience_before);
        if !issuer.starts_with("https://") && !issuer.starts_with("http://") {
            return Err(HttpApiError::invalid(format!(
                "Invalid issuer: '{issuer}'. Issuer must be the URL under which /.well-known/openid-configuration is found."
            )));
        }
        if audience.is_empty() {
            return Err(HttpApiError::invalid("JwtConfiguration.Audience must name at least one audience."));
        }
        if audience.len() > limits::HTTP_API_AUDIENCES_MAX {
            return Err(HttpApiError::limit("Audiences", "authorizer", limits::HTTP_API_AUDIENCES_MAX));
        }
        Ok(AuthorizerKind::Jwt { issuer, audience })
    }

    fn lambda(
        &self,
        before: Option<&AuthorizerKind>,
        sources: &[String],
        scope: &Scope,
    ) -> Result<AuthorizerKind, HttpApiError> {
        if self.jwt_configuration.is_some() {
            return Err(HttpApiError::invalid(format!("JwtConfiguration is for authorizers of type {JWT}.")));
        }
        check_sources(sources)?;
        let (uri, format, was_simple, ttl_before, role) = match before {
            Some(AuthorizerKind::Lambda { uri, payload_format, is_simple, ttl_s, credentials }) => {
                (Some(uri.clone()), Some(*payload_format), *is_simple, *ttl_s, credentials.clone())
            }
            _ => (None, None, false, 0, None),
        };
        let uri =
            self.authorizer_uri.clone().or(uri).ok_or_else(|| HttpApiError::invalid("AuthorizerUri is required."))?;
        function_uri::check("AuthorizerUri", &uri, scope)?;
        let format = self.authorizer_payload_format_version.as_deref().map_or(format, PayloadFormat::parse);
        let payload_format =
            format.ok_or_else(|| HttpApiError::invalid("AuthorizerPayloadFormatVersion must be 1.0 or 2.0."))?;
        let is_simple = self.enable_simple_responses.unwrap_or(was_simple);
        if is_simple && payload_format == PayloadFormat::V1 {
            return Err(HttpApiError::invalid("EnableSimpleResponses needs the payload format version 2.0."));
        }
        let ttl_s = match self.authorizer_result_ttl_in_seconds {
            Some(ttl_s) => u32::try_from(ttl_s).ok().filter(|ttl_s| *ttl_s <= limits::AUTHORIZER_TTL_S_MAX),
            None => Some(ttl_before),
        };
        let ttl_s = ttl_s.ok_or_else(|| {
            let max = limits::AUTHORIZER_TTL_S_MAX;
            HttpApiError::invalid(format!("AuthorizerResultTtlInSeconds must be a number from 0 to {max}."))
        })?;
        if ttl_s > 0 && sources.is_empty() {
            return Err(HttpApiError::invalid(
                "Answers are cached by their identity sources: AuthorizerResultTtlInSeconds needs an IdentitySource.",
            ));
        }
        let credentials = self.authorizer_credentials_arn.clone().or(role).filter(|role| !role.is_empty());
        integrations::check_role("AuthorizerCredentialsArn", credentials.as_deref())?;
        Ok(AuthorizerKind::Lambda { uri, payload_format, is_simple, ttl_s, credentials })
    }
}

/// HTTP APIs and WebSocket APIs name the same things in two ways.
fn check_spelling(source: &str, protocol: Protocol) -> Result<(), HttpApiError> {
    match protocol {
        Protocol::WebSocket => rules::check_identity_source(source),
        _ if source.starts_with('$') => Ok(()),
        _ => Err(HttpApiError::invalid(format!("Invalid identity source: \"{source}\" must begin with $."))),
    }
}

fn check_sources(sources: &[String]) -> Result<(), HttpApiError> {
    if sources.len() > limits::HTTP_API_IDENTITY_SOURCES_MAX {
        return Err(HttpApiError::limit("IdentitySources", "authorizer", limits::HTTP_API_IDENTITY_SOURCES_MAX));
    }
    for source in sources {
        let parsed = source.parse::<IdentitySource>().map(|_| ()).map_err(|error| error.to_string());
        let is_spelled = source.starts_with('$') || rules::is_identity_source(source);
        let spelled = if is_spelled { Ok(()) } else { Err(format!("\"{source}\" must begin with $")) };
        spelled.and(parsed).map_err(|why| HttpApiError::invalid(format!("Invalid identity source: {why}.")))?;
    }
    Ok(())
}

pub(super) fn check_name(name: &str, api: &Api, own: Option<&str>) -> Result<(), HttpApiError> {
    let mut others = api.definition.authorizers.iter().filter(|(id, _)| Some(id.as_str()) != own);
    match others.any(|(_, other)| other.name == name) {
        true => Err(HttpApiError::conflict(format!("Authorizer with name {name} already exists for this API"))),
        false => Ok(()),
    }
}

fn unknown(id: &str) -> HttpApiError {
    HttpApiError::unknown("Authorizer", id)
}

fn shown(id: &str, authorizer: &Authorizer) -> Value {
    let common = json!({
        "AuthorizerId": id,
        "IdentitySource": authorizer.identity_sources,
        "Name": authorizer.name,
    });
    let own = match &authorizer.kind {
        AuthorizerKind::Jwt { issuer, audience } => json!({
            "AuthorizerType": JWT,
            "JwtConfiguration": { "Audience": audience, "Issuer": issuer },
        }),
        AuthorizerKind::Lambda { uri, payload_format, is_simple, ttl_s, credentials } => json!({
            "AuthorizerType": REQUEST,
            "AuthorizerCredentialsArn": credentials,
            "AuthorizerPayloadFormatVersion": payload_format.text(),
            "AuthorizerResultTtlInSeconds": ttl_s,
            "AuthorizerUri": uri,
            "EnableSimpleResponses": is_simple,
        }),
    };
    match (common, own) {
        (Value::Object(mut all), Value::Object(own)) => {
            all.extend(own);
            members(Value::Object(all))
        }
        (common, _) => common,
    }
}
