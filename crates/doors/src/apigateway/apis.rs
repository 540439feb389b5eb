//! CreateApi, GetApi, GetApis, UpdateApi and DeleteApi.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::apigatewayv2::apis::{CreateApiRequest, UpdateApiRequest};
use tindra_store::{Batch, Precondition, Record};

use super::page::PageRequest;
use super::quick_create::QuickCreate;
use super::records::{Api, Definition, Protocol, api_key, deployed_prefix};
use super::shown::{api_endpoint, members, time};
use super::{Asker, HttpApiError, HttpApis, Named, check_text, cors, ids, tags, unserved};

const ROUTE_SELECTION: &str = "$request.method $request.path";
const API_KEY_SELECTION: &str = "$request.header.x-api-key";
const IP_ADDRESS_TYPE: &str = "ipv4";

impl HttpApis {
    pub(super) async fn create_api(&self, asker: Asker<'_>, request: CreateApiRequest) -> Result<Value, HttpApiError> {
        if request.protocol_type == Protocol::WebSocket.text() {
            return self.create_websocket_api(asker, request).await;
        }
        check_fixed(&Fixed::of_new(&request))?;
        self.check_room(asker.scope).await?;
        let mut api = new_api(asker.scope, request.name, self.clock.unix_ms());
        api.description = request.description;
        api.version = request.version;
        api.is_endpoint_disabled = request.disable_execute_api_endpoint.unwrap_or(false);
        api.definition.cors = request.cors_configuration.map(cors::read).transpose()?;
        tags::add(&mut api.tags, request.tags.unwrap_or_default())?;
        check_texts(&api)?;
        let quick =
            QuickCreate { target: request.target, route_key: request.route_key, credentials: request.credentials_arn };
        quick.make(&mut api, self.clock.unix_ms())?;
        Ok(shown(&self.create(api).await?, asker))
    }

    pub(super) async fn get_api(&self, asker: Asker<'_>, named: Named) -> Result<Value, HttpApiError> {
        Ok(shown(&self.api(asker.scope, &named.api_id).await?.value, asker))
    }

    pub(super) async fn get_apis(&self, asker: Asker<'_>, page: PageRequest) -> Result<Value, HttpApiError> {
        let apis = self.apis_of(asker.scope).await?;
        page.cut(apis.into_iter().map(|api| (api.id.clone(), shown(&api, asker))))
    }

    pub(super) async fn update_api(&self, asker: Asker<'_>, request: UpdateApiRequest) -> Result<Value, HttpApiError> {
        let protocol = self.api(asker.scope, &request.api_id).await?.value.protocol;
        if protocol == Protocol::WebSocket {
            return self.update_websocket_api(asker, request).await;
        }
        check_fixed(&Fixed::of_update(&request))?;
        let cors = request.cors_configuration.clone().map(cors::read).transpose()?;
        let quick = QuickCreate {
            target: request.target.clone(),
            route_key: request.route_key.clone(),
            credentials: request.credentials_arn.clone(),
        };
        let edit = |api: &mut Api| {
            if let Some(name) = &request.name {
                api.name.clone_from(name);
            }
            if request.description.is_some() {
                api.description.clone_from(&request.description);
            }
            if request.version.is_some() {
                api.version.clone_from(&request.version);
            }
            api.is_endpoint_disabled = request.disable_execute_api_endpoint.unwrap_or(api.is_endpoint_disabled);
            if cors.is_some() {
                api.definition.cors.clone_from(&cors);
            }
            check_texts(api)?;
            quick.change(api)
        };
        let ((), api) = self.change(asker.scope, &request.api_id, edit).await?;
        Ok(shown(&api, asker))
    }

    /// Removes an API with all that belongs to it. One that a custom domain name leads to stays, as on AWS.
    pub(super) async fn delete_api(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let record = self.api(scope, &named.api_id).await?;
        self.check_unmapped(&record.value.id, None).await?;
        let batch = Batch::default().delete(api_key(&record.value.id), Precondition::Revision(record.revision));
        let copies: Vec<Record> = self.list_raw(&deployed_prefix(&record.value.id)).await?;
        let batch = copies.into_iter().fold(batch, |batch, copy| batch.delete(copy.key, Precondition::None));
        self.store.metadata.commit(batch).await?;
        Ok(json!({}))
    }

    async fn list_raw(&self, prefix: &str) -> Result<Vec<Record>, HttpApiError> {
        Ok(self.store.metadata.list(prefix, None, limits::HTTP_API_DEPLOYMENTS_MAX).await?)
    }

    pub(super) async fn check_room(&self, scope: &Scope) -> Result<(), HttpApiError> {
        match self.apis_of(scope).await?.len() < limits::HTTP_APIS_MAX {
            true => Ok(()),
            false => Err(HttpApiError::limit("APIs", "account and region", limits::HTTP_APIS_MAX)),
        }
    }
}

/// An API with nothing in it.
pub(super) fn new_api(scope: &Scope, name: String, created_ms: u64) -> Api {
    Api {
        id: ids::new(ids::API),
        scope: scope.clone(),
        protocol: Protocol::Http,
        name,
        description: None,
        version: None,
        route_selection_expression: ROUTE_SELECTION.to_owned(),
        is_endpoint_disabled: false,
        tags: BTreeMap::new(),
        created_ms,
        import_info: Vec::new(),
        warnings: Vec::new(),
        definition: Definition::default(),
        stages: BTreeMap::new(),
        deployments: BTreeMap::new(),
    }
}

pub(super) fn check_texts(api: &Api) -> Result<(), HttpApiError> {
    if api.name.is_empty() {
        return Err(HttpApiError::invalid("API name must not be empty."));
    }
    check_text("Name", Some(&api.name))?;
    check_text("Description", api.description.as_deref())?;
    check_text("Version", api.version.as_deref())
}

/// Members that can have but one value in an HTTP API here.
struct Fixed<'a> {
    api_key_selection: Option<&'a str>,
    route_selection: Option<&'a str>,
    address_type: Option<&'a str>,
    skips_schemas: bool,
}

impl<'a> Fixed<'a> {
    fn of_new(request: &'a CreateApiRequest) -> Self {
        Self {
            api_key_selection: request.api_key_selection_expression.as_deref(),
            route_selection: request.route_selection_expression.as_deref(),
            address_type: request.ip_address_type.as_deref(),
            skips_schemas: request.disable_schema_validation == Some(true),
        }
    }

    fn of_update(request: &'a UpdateApiRequest) -> Self {
        Self {
            api_key_selection: request.api_key_selection_expression.as_deref(),
            route_selection: request.route_selection_expression.as_deref(),
            address_type: request.ip_address_type.as_deref(),
            skips_schemas: request.disable_schema_validation == Some(true),
        }
    }
}

fn check_fixed(fixed: &Fixed<'_>) -> Result<(), HttpApiError> {
    unserved::members(&[("DisableSchemaValidation", fixed.skips_schemas)], unserved::WEB_SOCKET)?;
    let differs = |asked: Option<&str>, only: &str| asked.is_some_and(|asked| asked != only);
    // AWS's documentation writes the expression in two ways.
    if differs(fixed.route_selection, ROUTE_SELECTION)
        && differs(fixed.route_selection, "${request.method} ${request.path}")
    {
        return Err(HttpApiError::invalid(format!(
            "The route selection expression of an HTTP API must be {ROUTE_SELECTION}."
        )));
    }
    let has_key = differs(fixed.api_key_selection, API_KEY_SELECTION);
    unserved::members(&[("ApiKeySelectionExpression", has_key)], unserved::WEB_SOCKET)?;
    match differs(fixed.address_type, IP_ADDRESS_TYPE) {
        true => Err(HttpApiError::unserved(
            "IpAddressType dualstack",
            "APIs are reached by the addresses that the server listens on",
        )),
        false => Ok(()),
    }
}

pub(super) fn shown(api: &Api, asker: Asker<'_>) -> Value {
    let endpoint = api_endpoint(&api.id, &api.scope.region, asker.endpoint);
    let endpoint = match api.protocol {
        Protocol::Http => endpoint,
        // `ws` for `http`, and `wss` for `https`.
        Protocol::WebSocket => endpoint.replacen("http", "ws", 1),
    };
    let texts = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
    members(json!({
        "ApiEndpoint": endpoint,
        "ApiId": api.id,
        "ApiKeySelectionExpression": API_KEY_SELECTION,
        "CorsConfiguration": api.definition.cors.as_ref().map(cors::shown),
        "CreatedDate": time(api.created_ms),
        "Description": api.description,
        "DisableExecuteApiEndpoint": api.is_endpoint_disabled,
        "ImportInfo": texts(&api.import_info),
        "IpAddressType": IP_ADDRESS_TYPE,
        "Name": api.name,
        "ProtocolType": api.protocol.text(),
        "RouteSelectionExpression": api.route_selection_expression,
        "Tags": api.tags,
        "Version": api.version,
        "Warnings": texts(&api.warnings),
    }))
}
