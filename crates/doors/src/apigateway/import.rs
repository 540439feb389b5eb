//! ImportApi and ReimportApi: an API out of an OpenAPI document.

use serde_json::Value;
use tindra_model::apigatewayv2::apis::{ImportApiRequest, ReimportApiRequest};

use super::apis::{check_texts, new_api, shown};
use super::openapi::{BasePath, Imported};
use super::records::{Api, Protocol};
use super::{Asker, HttpApiError, HttpApis, tags};

impl HttpApis {
    pub(super) async fn import_api(&self, asker: Asker<'_>, request: ImportApiRequest) -> Result<Value, HttpApiError> {
        let base_path = BasePath::parse(request.basepath.as_deref())?;
        self.check_room(asker.scope).await?;
        let mut api = new_api(asker.scope, String::new(), self.clock.unix_ms());
        let imported = Imported::read(&request.body, base_path, &api)?;
        imported.put(&mut api, request.fail_on_warnings == Some(true))?;
        Ok(shown(&self.create(api).await?, asker))
    }

    /// Makes an API what the document says. Its stages stay, and so do the ids of routes whose keys stay.
    pub(super) async fn reimport_api(
        &self,
        asker: Asker<'_>,
        request: ReimportApiRequest,
    ) -> Result<Value, HttpApiError> {
        let base_path = BasePath::parse(request.basepath.as_deref())?;
        let edit = |api: &mut Api| {
            if api.protocol == Protocol::WebSocket {
                return Err(HttpApiError::invalid("Only HTTP APIs are imported; this is a WebSocket API."));
            }
            let imported = Imported::read(&request.body, base_path, api)?;
            imported.put(api, request.fail_on_warnings == Some(true))
        };
        let ((), api) = self.change(asker.scope, &request.api_id, edit).await?;
        Ok(shown(&api, asker))
    }
}

impl Imported {
    fn put(self, api: &mut Api, fails_on_warnings: bool) -> Result<(), HttpApiError> {
        if fails_on_warnings && !self.warnings.is_empty() {
            return Err(HttpApiError::invalid(format!("Warnings found during import: {}", self.warnings.join("; "))));
        }
        api.name = self.name;
        api.description = self.description;
        api.version = self.version;
        api.definition = self.definition;
        api.warnings = self.warnings;
        tags::add(&mut api.tags, self.tags)?;
        check_texts(api)
    }
}
