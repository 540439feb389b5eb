//! The CORS configuration of an API, and its removal.

use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_model::apigatewayv2::apis::{self, DeleteCorsConfigurationRequest};

use super::records::Cors;
use super::shown::members;
use super::{HttpApiError, HttpApis};

const METHODS: [&str; 8] = ["*", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

impl HttpApis {
    pub(super) async fn delete_cors(
        &self,
        scope: &Scope,
        request: DeleteCorsConfigurationRequest,
    ) -> Result<Value, HttpApiError> {
        let edit = |api: &mut super::records::Api| {
            api.definition.cors = None;
            Ok(())
        };
        self.change(scope, &request.api_id, edit).await?;
        Ok(json!({}))
    }
}

/// The configuration that a request asks for.
pub(super) fn read(asked: apis::Cors) -> Result<Cors, HttpApiError> {
    let lists = [
        ("allowHeaders", &asked.allow_headers),
        ("allowMethods", &asked.allow_methods),
        ("allowOrigins", &asked.allow_origins),
        ("exposeHeaders", &asked.expose_headers),
    ];
    for (member, list) in lists {
        let list = list.as_deref().unwrap_or_default();
        if list.len() > limits::HTTP_API_CORS_VALUES_MAX {
            return Err(HttpApiError::invalid(format!(
                "{member} must have at most {} values.",
                limits::HTTP_API_CORS_VALUES_MAX
            )));
        }
        if let Some(wrong) =
            list.iter().find(|value| value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(HttpApiError::invalid(format!("Invalid value for {member}: '{wrong}'.")));
        }
    }
    let methods = asked.allow_methods.as_deref().unwrap_or_default();
    if let Some(wrong) = methods.iter().find(|method| !METHODS.contains(&method.to_ascii_uppercase().as_str())) {
        return Err(HttpApiError::invalid(format!("Invalid HTTP method in allowMethods: '{wrong}'.")));
    }
    let origins = asked.allow_origins.as_deref().unwrap_or_default();
    if let Some(wrong) = origins.iter().find(|origin| *origin != "*" && !origin.contains("://")) {
        return Err(HttpApiError::invalid(format!(
            "Invalid format for origin {wrong}. Origin should start with valid scheme (ex: http:// or https://)"
        )));
    }
    if asked.allow_credentials == Some(true) && origins.iter().any(|origin| origin == "*") {
        return Err(HttpApiError::invalid("allowCredentials is not supported with wildcard origins"));
    }
    Ok(Cors {
        allow_credentials: asked.allow_credentials,
        allow_headers: asked.allow_headers,
        allow_methods: asked.allow_methods,
        allow_origins: asked.allow_origins,
        expose_headers: asked.expose_headers,
        max_age: asked.max_age,
    })
}

pub(super) fn shown(cors: &Cors) -> Value {
    members(json!({
        "AllowCredentials": cors.allow_credentials,
        "AllowHeaders": cors.allow_headers,
        "AllowMethods": cors.allow_methods,
        "AllowOrigins": cors.allow_origins,
        "ExposeHeaders": cors.expose_headers,
        "MaxAge": cors.max_age,
    }))
}
