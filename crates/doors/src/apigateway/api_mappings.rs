//! CreateApiMapping, GetApiMapping, GetApiMappings, UpdateApiMapping and DeleteApiMapping.

use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::apigatewayv2::api_mappings::{CreateApiMappingRequest, UpdateApiMappingRequest};

use super::records::{ApiMapping, DomainName};
use super::{HttpApiError, HttpApis, Named, ids, parse};

impl HttpApis {
    pub(super) async fn answer_api_mappings(
        &self,
        scope: &Scope,
        operation: &str,
        input: Value,
    ) -> Result<Value, HttpApiError> {
        match operation {
            "CreateApiMapping" => self.create_api_mapping(scope, parse(input)?).await,
            "GetApiMapping" => {
                let named: Named = parse(input)?;
                let domain = self.domain(scope, &named.domain_name).await?.value;
                let found = domain.mappings.get(&named.route_id).ok_or_else(unknown)?;
                Ok(shown(&named.route_id, found))
            }
            "GetApiMappings" => {
                let named: Named = parse(input)?;
                let domain = self.domain(scope, &named.domain_name).await?.value;
                named.page.cut(domain.mappings.iter().map(|(id, one)| (id.clone(), shown(id, one))))
            }
            "UpdateApiMapping" => self.update_api_mapping(scope, parse(input)?).await,
            _ => self.delete_api_mapping(scope, parse(input)?).await,
        }
    }

    async fn create_api_mapping(&self, scope: &Scope, request: CreateApiMappingRequest) -> Result<Value, HttpApiError> {
        let id = ids::new(ids::SHORT);
        let key = request.api_mapping_key.unwrap_or_default();
        let mapping = ApiMapping { api: request.api_id, stage: request.stage, key };
        self.check_mapping(scope, &mapping).await?;
        let edit = |domain: &mut DomainName| {
            if domain.mappings.len() >= limits::HTTP_API_MAPPINGS_MAX {
                return Err(HttpApiError::limit("API mappings", "domain name", limits::HTTP_API_MAPPINGS_MAX));
            }
            insert(domain, &id, mapping.clone())
        };
        self.change_domain(scope, &request.domain_name, edit).await?;
        Ok(shown(&id, &mapping))
    }

    async fn update_api_mapping(&self, scope: &Scope, request: UpdateApiMappingRequest) -> Result<Value, HttpApiError> {
        let id = &request.api_mapping_id;
        let before = self.domain(scope, &request.domain_name).await?.value;
        let mut mapping = before.mappings.get(id).ok_or_else(unknown)?.clone();
        mapping.api = request.api_id;
        mapping.stage = request.stage.unwrap_or(mapping.stage);
        mapping.key = request.api_mapping_key.unwrap_or(mapping.key);
        self.check_mapping(scope, &mapping).await?;
        let edit = |domain: &mut DomainName| match domain.mappings.contains_key(id) {
            true => insert(domain, id, mapping.clone()),
            false => Err(unknown()),
        };
        self.change_domain(scope, &request.domain_name, edit).await?;
        Ok(shown(id, &mapping))
    }

    async fn delete_api_mapping(&self, scope: &Scope, named: Named) -> Result<Value, HttpApiError> {
        let edit = |domain: &mut DomainName| domain.mappings.remove(&named.route_id).map(|_| ()).ok_or_else(unknown);
        self.change_domain(scope, &named.domain_name, edit).await?;
        Ok(json!({}))
    }

    /// Refuses a mapping to nothing, or under a key that no path can begin with.
    async fn check_mapping(&self, scope: &Scope, mapping: &ApiMapping) -> Result<(), HttpApiError> {
        let api = self.api(scope, &mapping.api).await?.value;
        if !api.stages.contains_key(&mapping.stage) {
            return Err(HttpApiError::invalid("Invalid stage identifier specified"));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.$+!*'()".contains(&byte);
        let fits = |segment: &str| !segment.is_empty() && segment.bytes().all(is_plain);
        match mapping.key.is_empty() || (mapping.key.len() <= 300 && mapping.key.split('/').all(fits)) {
            true => Ok(()),
            false => Err(HttpApiError::invalid(format!("Invalid API mapping key '{}'.", mapping.key))),
        }
    }
}

fn insert(domain: &mut DomainName, id: &str, mapping: ApiMapping) -> Result<(), HttpApiError> {
    let mut others = domain.mappings.iter().filter(|(other, _)| *other != id);
    if others.any(|(_, other)| other.key == mapping.key) {
        return Err(HttpApiError::conflict("ApiMapping key already exists for this domain name"));
    }
    domain.mappings.insert(id.to_owned(), mapping);
    Ok(())
}

fn unknown() -> HttpApiError {
    HttpApiError::not_found("Invalid API mapping identifier specified")
}

fn shown(id: &str, mapping: &ApiMapping) -> Value {
    json!({ "ApiId": mapping.api, "ApiMappingId": id, "ApiMappingKey": mapping.key, "Stage": mapping.stage })
}
