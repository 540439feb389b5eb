//! MOCK: the integration's own texts answer.

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::stage::Found;
use crate::front_door::{DoorBody, DoorResponse};
use crate::restapi::records::{Integration, IntegrationResponse, Named, PassthroughBehavior};
use crate::restapi::templates;

const JSON: &str = "application/json";

/// The request's template tells a status, the status selects a response, and the response has the rest.
pub(super) fn answer(exchange: &Exchange<'_>, found: &Found<'_>) -> Result<DoorResponse, Refusal> {
    let content_type = exchange.request.header("content-type").unwrap_or(JSON);
    let body = std::str::from_utf8(exchange.request.body).unwrap_or_default();
    let text = template(found.integration, content_type, body)?;
    let status = templates::status_code(text).ok_or_else(Refusal::configuration)?;
    let response = select(&found.integration.integration_responses, status).ok_or_else(Refusal::configuration)?;
    respond(response, exchange.request.header("accept")).ok_or_else(Refusal::configuration)
}

/// The template for a body of a type; without one the body itself, or a refusal.
fn template<'a>(integration: &'a Integration, content_type: &str, body: &'a str) -> Result<&'a str, Refusal> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let templates = &integration.request_templates;
    let found = templates.iter().find(|(known, _)| known.eq_ignore_ascii_case(media_type));
    match (found, integration.passthrough_behavior) {
        (Some((_, template)), _) => Ok(template),
        (None, PassthroughBehavior::WhenNoMatch) => Ok(body),
        (None, PassthroughBehavior::WhenNoTemplates) if templates.is_empty() => Ok(body),
        (None, PassthroughBehavior::WhenNoTemplates | PassthroughBehavior::Never) => {
            Err(Refusal::unsupported_media_type())
        }
    }
}

/// The response whose pattern describes the status, or the one without a pattern.
fn select(responses: &Named<IntegrationResponse>, status: u16) -> Option<&IntegrationResponse> {
    let status = status.to_string();
    let pattern = |response: &IntegrationResponse| response.selection_pattern.clone().filter(|text| !text.is_empty());
    let fits = |response: &&IntegrationResponse| {
        pattern(response).is_some_and(|pattern| {
            let whole = fancy_regex::Regex::new(&format!("^(?:{pattern})$"));
            whole.is_ok_and(|whole| whole.is_match(&status).unwrap_or(false))
        })
    };
    let has_none = |response: &&IntegrationResponse| pattern(response).is_none();
    responses.values().find(fits).or_else(|| responses.values().find(has_none))
}

fn respond(response: &IntegrationResponse, accept: Option<&str>) -> Option<DoorResponse> {
    let templates = &response.response_templates;
    let wanted = accept.and_then(|accept| templates.get_key_value(accept.split([',', ';']).next()?.trim()));
    let chosen = wanted.or_else(|| templates.get_key_value(JSON)).or_else(|| templates.first_key_value());
    let (media_type, body) = chosen.map_or((JSON, ""), |(media_type, body)| (media_type.as_str(), body.as_str()));
    let mut answer = DoorResponse::new(DoorBody::Whole(body.to_owned().into()));
    *answer.status_mut() = StatusCode::from_bytes(response.status_code.as_bytes()).ok()?;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(media_type).ok()?);
    for (name, mapping) in &response.response_parameters {
        let name = HeaderName::try_from(name.strip_prefix("method.response.header.")?).ok()?;
        headers.insert(name, HeaderValue::from_str(templates::constant(mapping).ok()?).ok()?);
    }
    Some(answer)
}
