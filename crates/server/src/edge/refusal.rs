//! Why the edge itself says no, and how that looks on the wire.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use tindra_model::{ApiError, Service};

use super::{answer, unavailable};

/// A request that is not passed on, or that came back with an error.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An error in the form of a service.
    Api(&'static Service, ApiError),
    /// A service that is not here.
    NotServed(String),
    /// A service that the operator has switched off.
    Disabled(&'static str),
    /// Not HTTP as it should be.
    Malformed(&'static str),
    /// The body did not come.
    Stalled,
    /// None of the server's own pages.
    NoSuchPage,
    /// One of the server's own pages, asked for wrongly.
    WrongMethod(Method),
    /// Allowed to nobody here.
    Forbidden(&'static str),
    /// A page's own work failed.
    Failed(String),
}

impl Refusal {
    pub(super) fn into_response(self, request_id: &str) -> Response<Full<Bytes>> {
        match self {
            Self::Api(service, error) => service.encode_error(&error, request_id).map(Full::new),
            Self::NotServed(service) => unavailable::not_served(&service, request_id),
            Self::Disabled(service) => unavailable::disabled(service, request_id),
            Self::Malformed(problem) => closing(plain(StatusCode::BAD_REQUEST, "BadRequest", problem)),
            Self::Stalled => {
                closing(plain(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", "the request body did not arrive"))
            }
            Self::NoSuchPage => plain(StatusCode::NOT_FOUND, "NotFound", "there is no such page under /_tindra"),
            Self::WrongMethod(method) => {
                let mut response =
                    plain(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", &format!("use {method} here"));
                if let Ok(method) = HeaderValue::from_str(method.as_str()) {
                    response.headers_mut().insert(header::ALLOW, method);
                }
                response
            }
            Self::Forbidden(reason) => plain(StatusCode::FORBIDDEN, "Forbidden", reason),
            Self::Failed(reason) => plain(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", &reason),
        }
    }
}

fn plain(status: StatusCode, code: &'static str, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "Type": code, "message": message }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// After broken framing nothing that follows on the connection can be trusted.
fn closing(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    answer::close(&mut response);
    response
}
