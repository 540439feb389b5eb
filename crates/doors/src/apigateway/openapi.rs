//! Reading an OpenAPI 3 document with API Gateway's extensions ("Working with OpenAPI definitions for HTTP APIs").
//!
//! What the document says is put to the same checks as the members of the single operations. What is ignored is told in
//! warnings; a security scheme is never ignored, for that would open what was to be closed.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tindra_core::limits;

use super::records::{Api, Authorization, AuthorizerKind, Definition, Route};
use super::{HttpApiError, authorizers, cors, ids, integrations, routes};

const INTEGRATION: &str = "x-amazon-apigateway-integration";
const INTEGRATIONS: &str = "x-amazon-apigateway-integrations";
const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
const CORS: &str = "x-amazon-apigateway-cors";
const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
const TAG_VALUE: &str = "x-amazon-apigateway-tag-value";

/// The methods of a path, as documents and as route keys have them.
const METHODS: [(&str, &str); 8] = [
    ("get", "GET"),
    ("put", "PUT"),
    ("post", "POST"),
    ("delete", "DELETE"),
    ("options", "OPTIONS"),
    ("head", "HEAD"),
    ("patch", "PATCH"),
    (ANY_METHOD, "ANY"),
];

/// The members of an integration under their names in CreateIntegration.
const INTEGRATION_MEMBERS: [(&str, &str); 14] = [
    ("type", "IntegrationType"),
    ("integrationSubtype", "IntegrationSubtype"),
    ("httpMethod", "IntegrationMethod"),
    ("uri", "IntegrationUri"),
    ("credentials", "CredentialsArn"),
    ("description", "Description"),
    ("payloadFormatVersion", "PayloadFormatVersion"),
    ("timeoutInMillis", "TimeoutInMillis"),
    ("connectionType", "ConnectionType"),
    ("connectionId", "ConnectionId"),
    ("passthroughBehavior", "PassthroughBehavior"),
    ("requestParameters", "RequestParameters"),
    ("responseParameters", "ResponseParameters"),
    ("tlsConfig", "TlsConfig"),
];

/// The members of an authorizer under their names in CreateAuthorizer.
const AUTHORIZER_MEMBERS: [(&str, &str); 8] = [
    ("type", "AuthorizerType"),
    ("authorizerUri", "AuthorizerUri"),
    ("authorizerCredentials", "AuthorizerCredentialsArn"),
    ("authorizerPayloadFormatVersion", "AuthorizerPayloadFormatVersion"),
    ("authorizerResultTtlInSeconds", "AuthorizerResultTtlInSeconds"),
    ("enableSimpleResponses", "EnableSimpleResponses"),
    ("identityValidationExpression", "IdentityValidationExpression"),
    ("identitySource", "IdentitySource"),
];

/// `Basepath`: what becomes of the path that the document's server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BasePath {
    Ignore,
    Prepend,
}

impl BasePath {
    pub(super) fn parse(text: Option<&str>) -> Result<Self, HttpApiError> {
        match text {
            None | Some("ignore") => Ok(Self::Ignore),
            Some("prepend") => Ok(Self::Prepend),
            Some("split") => Err(HttpApiError::unserved("Basepath split", "use ignore or prepend")),
            Some(other) => Err(HttpApiError::invalid(format!("Invalid basepath '{other}': it is ignore or prepend."))),
        }
    }
}

/// What a document says.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) version: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) definition: Definition,
    pub(super) warnings: Vec<String>,
}

/// A document that is being read.
struct Reading<'a> {
    document: &'a Value,
    /// What has been read, for what refers to it.
    api: Api,
    /// Ids of the routes that there were, by their keys.
    known: HashMap<String, String>,
    /// Ids of the authorizers, by the names of their schemes.
    authorizers: HashMap<String, String>,
    /// Ids of the integrations that are referred to, by their names.
    integrations: HashMap<String, String>,
    warnings: Vec<String>,
}

impl Imported {
    /// Reads a document for an API.
    pub(super) fn read(text: &str, base_path: BasePath, api: &Api) -> Result<Self, HttpApiError> {
        let document: Value = serde_json::from_str(text).map_err(|error| {
            HttpApiError::invalid(format!("The OpenAPI document must be JSON; it cannot be read: {error}."))
        })?;
        let version = document["openapi"].as_str().unwrap_or_default();
        if !version.starts_with("3.0") {
            return Err(HttpApiError::invalid("Unsupported OpenAPI version: HTTP APIs are imported from OpenAPI 3.0."));
        }
        let known = api.definition.routes.iter().map(|(id, route)| (route.key.clone(), id.clone())).collect();
        let mut empty = api.clone();
        empty.definition = Definition::default();
        let mut reading = Reading {
            document: &document,
            api: empty,
            known,
            authorizers: HashMap::new(),
            integrations: HashMap::new(),
            warnings: Vec::new(),
        };
        reading.read_authorizers()?;
        reading.read_cors()?;
        reading.read_paths(base_path)?;
        let info = &document["info"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(Self {
            name: text(&info["title"]).unwrap_or_default(),
            description: text(&info["description"]),
            version: text(&info["version"]),
            tags: tags(&document),
            definition: reading.api.definition,
            warnings: reading.warnings,
        })
    }
}

impl Reading<'_> {
    fn read_authorizers(&mut self) -> Result<(), HttpApiError> {
        let schemes = self.document["components"]["securitySchemes"].as_object();
        for (name, scheme) in schemes.into_iter().flatten() {
            let Some(authorizer) = scheme.get(AUTHORIZER) else { continue };
            if self.api.definition.authorizers.len() >= limits::HTTP_API_AUTHORIZERS_MAX {
                return Err(HttpApiError::limit("Authorizers", "API", limits::HTTP_API_AUTHORIZERS_MAX));
            }
            let place = format!("securitySchemes.{name}");
            let mut members = self.members(authorizer, &AUTHORIZER_MEMBERS, &["jwtConfiguration"], &place);
            members.insert("Name".to_owned(), name.as_str().into());
            upper(&mut members, "AuthorizerType");
            if let Some(Value::String(sources)) = members.get("IdentitySource") {
                let sources: Vec<&str> = sources.split(',').map(str::trim).collect();
                let sources = json!(sources);
                members.insert("IdentitySource".to_owned(), sources);
            }
            if let Some(jwt) = authorizer.get("jwtConfiguration") {
                let jwt = json!({ "Issuer": jwt["issuer"], "Audience": jwt["audience"] });
                members.insert("JwtConfiguration".to_owned(), jwt);
            }
            let asked: authorizers::Asked = typed(members, &place)?;
            let made = asked.apply(None, &self.api.scope).map_err(|error| at(&place, &error))?;
            let id = ids::new(ids::SHORT);
            self.authorizers.insert(name.clone(), id.clone());
            self.api.definition.authorizers.insert(id, made);
        }
        Ok(())
    }

    fn read_cors(&mut self) -> Result<(), HttpApiError> {
        let Some(Value::Object(configuration)) = self.document.get(CORS) else { return Ok(()) };
        let members: Map<String, Value> = configuration
            .iter()
            .map(|(name, value)| {
                let mut letters = name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                (first.into_iter().chain(letters).collect(), value.clone())
            })
            .collect();
        self.api.definition.cors = Some(cors::read(typed(members, CORS)?)?);
        Ok(())
    }

    fn read_paths(&mut self, base_path: BasePath) -> Result<(), HttpApiError> {
        let prefix = match base_path {
            BasePath::Ignore => String::new(),
            BasePath::Prepend => server_path(self.document),
        };
        for (path, item) in self.document["paths"].as_object().into_iter().flatten() {
            for (member, method) in METHODS {
                let Some(operation) = item.get(member) else { continue };
                let key = match path.as_str() {
                    "/$default" => "$default".to_owned(),
                    path => format!("{method} {prefix}{path}"),
                };
                self.read_operation(&key, operation)?;
            }
        }
        Ok(())
    }

    fn read_operation(&mut self, key: &str, operation: &Value) -> Result<(), HttpApiError> {
        if self.api.definition.routes.len() >= limits::HTTP_API_ROUTES_MAX {
            return Err(HttpApiError::limit("Routes", "API", limits::HTTP_API_ROUTES_MAX));
        }
        let mut members = Map::new();
        members.insert("RouteKey".to_owned(), key.into());
        members.insert("OperationName".to_owned(), operation["operationId"].clone());
        match operation.get(INTEGRATION) {
            Some(integration) => {
                let id = self.integration(key, integration)?;
                members.insert("Target".to_owned(), format!("integrations/{id}").into());
            }
            None => self.warnings.push(format!("The operation {key} has no {INTEGRATION}; its route leads nowhere.")),
        }
        self.secure(&mut members, key, operation)?;
        members.retain(|_, value| !value.is_null());
        let asked: routes::Asked = typed(members, key)?;
        let mut route = Route {
            key: String::new(),
            authorization: Authorization::Open,
            operation_name: None,
            integration: None,
            is_managed: false,
            response_selection: None,
            responses: BTreeMap::new(),
        };
        asked.apply(&mut route, &self.api, None).map_err(|error| at(key, &error))?;
        let id = self.known.get(key).cloned().unwrap_or_else(|| ids::new(ids::ROUTE));
        self.api.definition.routes.insert(id, route);
        Ok(())
    }

    /// The id of an operation's integration, which several may share by its name.
    fn integration(&mut self, key: &str, given: &Value) -> Result<String, HttpApiError> {
        let name = given["$ref"].as_str().map(|reference| reference.rsplit('/').next().unwrap_or_default().to_owned());
        if let Some(id) = name.as_ref().and_then(|name| self.integrations.get(name)) {
            return Ok(id.clone());
        }
        let document = self.document;
        let given = match &name {
            Some(name) => document["components"][INTEGRATIONS].get(name).ok_or_else(|| {
                HttpApiError::invalid(format!("{key}: there is no integration {name} in components.{INTEGRATIONS}."))
            })?,
            None => given,
        };
        if self.api.definition.integrations.len() >= limits::HTTP_API_INTEGRATIONS_MAX {
            return Err(HttpApiError::limit("Integrations", "API", limits::HTTP_API_INTEGRATIONS_MAX));
        }
        let mut members = self.members(given, &INTEGRATION_MEMBERS, &[], key);
        upper(&mut members, "IntegrationType");
        upper(&mut members, "PassthroughBehavior");
        let asked: integrations::Asked = typed(members, key)?;
        let made = asked.apply(None, &self.api.scope).map_err(|error| at(key, &error))?;
        let id = ids::new(ids::ROUTE);
        self.integrations.extend(name.map(|name| (name, id.clone())));
        self.api.definition.integrations.insert(id.clone(), made);
        Ok(id)
    }

    /// Adds what the operation, or else the document, says of who may call it.
    fn secure(&self, members: &mut Map<String, Value>, key: &str, operation: &Value) -> Result<(), HttpApiError> {
        let wanted = operation.get("security").or_else(|| self.document.get("security"));
        let wanted: Vec<(&String, &Value)> =
            wanted.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).flatten().collect();
        let (name, scopes) = match wanted.as_slice() {
            [] => return Ok(()),
            [one] => one,
            _ => {
                return Err(HttpApiError::invalid(format!(
                    "{key}: a route has one authorizer, and security names several."
                )));
            }
        };
        let id = self.authorizers.get(*name).ok_or_else(|| {
            HttpApiError::invalid(format!(
                "{key}: the security scheme {name} has no {AUTHORIZER}, so that nothing can check it."
            ))
        })?;
        let kind = self.api.definition.authorizers.get(id).map(|authorizer| &authorizer.kind);
        let kind = if matches!(kind, Some(AuthorizerKind::Jwt { .. })) { "JWT" } else { "CUSTOM" };
        members.insert("AuthorizationType".to_owned(), kind.into());
        members.insert("AuthorizerId".to_owned(), id.as_str().into());
        members.insert("AuthorizationScopes".to_owned(), (*scopes).clone());
        Ok(())
    }

    /// Members under other names; those that nobody knows are told of, apart from those that are read elsewhere.
    fn members(
        &mut self,
        given: &Value,
        names: &[(&str, &str)],
        elsewhere: &[&str],
        place: &str,
    ) -> Map<String, Value> {
        let mut members = Map::new();
        for (name, value) in given.as_object().into_iter().flatten() {
            match names.iter().find(|(own, _)| own == name) {
                Some((_, renamed)) => {
                    members.insert((*renamed).to_owned(), value.clone());
                }
                None if elsewhere.contains(&name.as_str()) => {}
                None => self.warnings.push(format!("{place}: {name} is not known and was ignored.")),
            }
        }
        members
    }
}

fn typed<T: DeserializeOwned>(members: Map<String, Value>, place: &str) -> Result<T, HttpApiError> {
    serde_json::from_value(Value::Object(members))
        .map_err(|error| HttpApiError::invalid(format!("{place} cannot be read: {error}.")))
}

/// An error with the place in the document.
fn at(place: &str, error: &HttpApiError) -> HttpApiError {
    HttpApiError::invalid(format!("{place}: {}", error.message()))
}

/// Documents write some values in lower case.
fn upper(members: &mut Map<String, Value>, name: &str) {
    if let Some(Value::String(text)) = members.get_mut(name) {
        text.make_ascii_uppercase();
    }
}

/// The path of the first server, with the default of its variable `basePath`.
fn server_path(document: &Value) -> String {
    let server = &document["servers"][0];
    let base = server["variables"]["basePath"]["default"].as_str().unwrap_or_default().trim_matches('/');
    let url = server["url"].as_str().unwrap_or_default().replace("{basePath}", base);
    let after_scheme = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let path = after_scheme.split_once('/').map_or("", |(_, path)| path).trim_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

/// The tags that have a value.
fn tags(document: &Value) -> BTreeMap<String, String> {
    let tags = document["tags"].as_array().into_iter().flatten();
    let pair = |tag: &Value| Some((tag["name"].as_str()?.to_owned(), tag[TAG_VALUE].as_str()?.to_owned()));
    tags.filter_map(pair).collect()
}
