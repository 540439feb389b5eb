//! What a stage answers when nothing behind it does, in AWS's words; an API's gateway responses may change status, headers
//! and body of it.

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::front_door::{DoorBody, DoorResponse};
use crate::restapi::gateway_responses::is_default;
use crate::restapi::records::Content;
use crate::restapi::templates;

/// A request that is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Of the gateway response.
    kind: &'static str,
    status: u16,
    /// `x-amzn-errortype`.
    error_type: &'static str,
    /// The member of the body: AWS writes `Message` where access is denied and `message` elsewhere.
    member: &'static str,
    /// None for null.
    message: Option<String>,
}

const INTERNAL: &str = "Internal server error";

impl Refusal {
    fn new(kind: &'static str, status: u16, error_type: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status, error_type, member: "message", message: Some(message.into()) }
    }

    /// There is no such path or method.
    pub(super) fn missing_token() -> Self {
        let words = "Missing Authentication Token";
        Self::new("MISSING_AUTHENTICATION_TOKEN", 403, "MissingAuthenticationTokenException", words)
    }

    /// The authorizer was given nothing, or said `Unauthorized`.
    pub(super) fn unauthorized() -> Self {
        Self::new("UNAUTHORIZED", 401, "UnauthorizedException", "Unauthorized")
    }

    /// The authorizer's policy does not let the caller in.
    pub(super) fn access_denied(is_explicit: bool) -> Self {
        let words = "User is not authorized to access this resource";
        let more = if is_explicit { " with an explicit deny in an identity-based policy" } else { "" };
        let refusal = Self::new("ACCESS_DENIED", 403, "AccessDeniedException", format!("{words}{more}"));
        Self { member: "Message", ..refusal }
    }

    /// The authorizer gave no answer that can be read, or may not be asked.
    pub(super) fn authorizer_configuration() -> Self {
        let refusal = Self::new("AUTHORIZER_CONFIGURATION_ERROR", 500, "AuthorizerConfigurationException", "");
        Self { message: None, ..refusal }
    }

    /// The authorizer failed.
    pub(super) fn authorizer_failure() -> Self {
        let refusal = Self::new("AUTHORIZER_FAILURE", 500, "AuthorizerFailureException", "");
        Self { message: None, ..refusal }
    }

    /// No API key, or one that may not ask here.
    pub(super) fn invalid_key() -> Self {
        Self::new("INVALID_API_KEY", 403, "ForbiddenException", "Forbidden")
    }

    pub(super) fn throttled() -> Self {
        Self::new("THROTTLED", 429, "TooManyRequestsException", "Too Many Requests")
    }

    pub(super) fn quota_exceeded() -> Self {
        Self::new("QUOTA_EXCEEDED", 429, "LimitExceededException", "Limit Exceeded")
    }

    /// Parameters that the method requires are missing.
    pub(super) fn missing_parameters(names: &[&str]) -> Self {
        let words = format!("Missing required request parameters: [{}]", names.join(", "));
        Self::new("BAD_REQUEST_PARAMETERS", 400, "BadRequestException", words)
    }

    /// A body that says it is packed and is not.
    pub(super) fn unreadable_body() -> Self {
        Self::new("BAD_REQUEST_BODY", 400, "BadRequestException", "Invalid request body")
    }

    pub(super) fn unsupported_media_type() -> Self {
        Self::new("UNSUPPORTED_MEDIA_TYPE", 415, "BadRequestException", "Unsupported Media Type")
    }

    pub(super) fn request_too_large() -> Self {
        Self::new("REQUEST_TOO_LARGE", 413, "RequestEntityTooLargeException", "Request Too Long")
    }

    /// The function failed, or gave no answer that can be sent.
    pub(super) fn bad_gateway() -> Self {
        Self::new("INTEGRATION_FAILURE", 502, "InternalServerErrorException", INTERNAL)
    }

    /// The function may not be run, is not there, or has no room.
    pub(super) fn configuration() -> Self {
        Self::new("API_CONFIGURATION_ERROR", 500, "InternalServerErrorException", INTERNAL)
    }

    pub(super) fn timed_out() -> Self {
        Self::new("INTEGRATION_TIMEOUT", 504, "InternalServerErrorException", "Endpoint request timed out")
    }

    /// The answer, as the API wants it to look.
    pub(super) fn respond(&self, content: &Content) -> DoorResponse {
        let all_others = if self.status < 500 { "DEFAULT_4XX" } else { "DEFAULT_5XX" };
        let responses = &content.gateway_responses;
        let own = responses.get(self.kind).or_else(|| responses.get(all_others));
        let templates = own.map(|own| &own.response_templates);
        let json_first =
            templates.and_then(|all| all.get_key_value("application/json").or_else(|| all.first_key_value()));
        let (media_type, body) = match json_first {
            Some((media_type, template)) if !is_default(template) => (media_type.as_str(), template.clone()),
            Some((media_type, _)) => (media_type.as_str(), self.body()),
            None => ("application/json", self.body()),
        };
        let mut response = DoorResponse::new(DoorBody::Whole(body.into()));
        let status = own.and_then(|own| own.status_code.as_deref()?.parse().ok()).unwrap_or(self.status);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Ok(media_type) = HeaderValue::from_str(media_type) {
            headers.insert(header::CONTENT_TYPE, media_type);
        }
        headers.insert("x-amzn-errortype", HeaderValue::from_static(self.error_type));
        for (name, mapping) in own.iter().flat_map(|own| &own.response_parameters) {
            let name = name.strip_prefix("gatewayresponse.header.").map(HeaderName::try_from);
            let value = templates::constant(mapping).ok().map(HeaderValue::from_str);
            if let (Some(Ok(name)), Some(Ok(value))) = (name, value) {
                headers.insert(name, value);
            }
        }
        response
    }

    fn body(&self) -> String {
        let message = self.message.as_deref().map_or(Value::Null, Value::from);
        json!({ self.member: message }).to_string()
    }
}

/// There is no such API or stage.
#[must_use]
pub fn unknown() -> DoorResponse {
    Refusal::invalid_key().respond(&Content::default())
}

/// The request is larger than it may be.
#[must_use]
pub fn too_large() -> DoorResponse {
    Refusal::request_too_large().respond(&Content::default())
}
