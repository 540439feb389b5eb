//! A request's body in an event: text, or base64 with `isBase64Encoded`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::HttpRequest;

/// Media types, beside `text/*`, whose bodies function URLs, HTTP APIs and load balancers pass on as text; all
/// others, and bodies without a type, come as base64. Load balancers document the list; for HTTP APIs it was
/// seen to be the same, `application/x-www-form-urlencoded` being base64.
const TEXT_TYPES: [&str; 3] = ["application/json", "application/xml", "application/javascript"];

/// A body as events have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventBody {
    /// None for requests without one.
    pub(super) text: Option<String>,
    pub(super) is_base64: bool,
}

impl EventBody {
    /// Function URLs and HTTP APIs: by the media type.
    pub(super) fn by_type(request: &HttpRequest<'_>) -> Self {
        Self::new(request.body, has_text_type(request))
    }

    /// Load balancers: by the media type, and base64 for whatever has a content encoding.
    pub(super) fn of_load_balancer(request: &HttpRequest<'_>) -> Self {
        Self::new(request.body, request.header("content-encoding").is_none() && has_text_type(request))
    }

    /// REST APIs: base64 for the API's binary media types.
    pub(super) fn of_rest(request: &HttpRequest<'_>, binary_media_types: &[String]) -> Self {
        Self::new(request.body, !is_binary(binary_media_types, request.header("content-type")))
    }

    /// As text where that is wanted and possible: what is no UTF-8 is base64 in any case, so nothing is lost.
    pub(super) fn new(body: &[u8], as_text: bool) -> Self {
        if body.is_empty() {
            return Self { text: None, is_base64: false };
        }
        match std::str::from_utf8(body) {
            Ok(text) if as_text => Self { text: Some(text.to_owned()), is_base64: false },
            _ => Self { text: Some(STANDARD.encode(body)), is_base64: true },
        }
    }
}

fn has_text_type(request: &HttpRequest<'_>) -> bool {
    let Some(media_type) = request.header("content-type").map(media_type) else { return false };
    media_type.starts_with("text/") || TEXT_TYPES.contains(&media_type.as_str())
}

/// Whether a media type (with or without parameters) is one of an API's binary media types, which may be
/// `image/*` or `*/*`. A missing one matches `*/*` alone.
pub(super) fn is_binary(binary_media_types: &[String], given: Option<&str>) -> bool {
    let given = given.map(media_type);
    binary_media_types.iter().any(|binary| {
        let binary = media_type(binary);
        match (binary.strip_suffix("/*"), &given) {
            (Some("*"), _) => true,
            (_, None) => false,
            (Some(main), Some(given)) => given.split_once('/').is_some_and(|(given, _)| given == main),
            (None, Some(given)) => binary == *given,
        }
    })
}

/// The type without its parameters, in lower case.
pub(super) fn media_type(header: &str) -> String {
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
