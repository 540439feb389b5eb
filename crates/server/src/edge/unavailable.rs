//! The answer to a request for an AWS service that Tindra does not serve, in the form that the service's own
//! clients can read, so that the user sees the sentence and not a parse error.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;

use crate::config::SERVICES_SWITCHABLE;

/// For a service that there is not.
pub(super) fn not_served(service: &str, request_id: &str) -> Response<Full<Bytes>> {
    // The name comes from the client and goes into XML and JSON.
    let service: String =
        service.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(40).collect();
    let message = format!(
        "Tindra does not serve {service}. It serves lambda, {}, execute-api, iam and sts; send requests for {service} elsewhere, for example with {}.",
        SERVICES_SWITCHABLE.join(", "),
        variable(&service)
    );
    response(&service, &message, request_id)
}

/// For a service that is switched off.
pub(super) fn disabled(service: &str, request_id: &str) -> Response<Full<Bytes>> {
    let message = format!(
        "This server does not serve {service}: its operator has it among disabled_services. Send requests for {service} elsewhere, for example with {}.",
        variable(service)
    );
    response(service, &message, request_id)
}

/// With which clients are told where a service is.
fn variable(service: &str) -> String {
    format!("AWS_ENDPOINT_URL_{}", service.to_uppercase().replace('-', "_"))
}

/// A 4xx on purpose: the SDKs would repeat a 5xx.
fn response(service: &str, message: &str, request_id: &str) -> Response<Full<Bytes>> {
    let (content_type, body) = match service {
        "s3" | "s3-object-lambda" => (
            "application/xml",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>ServiceNotServed</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
            ),
        ),
        "sns" | "cloudformation" | "ec2" | "monitoring" | "elasticloadbalancing" | "rds" | "autoscaling" => (
            "text/xml",
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>ServiceNotServed</Code><Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
            ),
        ),
        _ => (
            "application/x-amz-json-1.1",
            serde_json::json!({ "__type": "ServiceNotServed", "message": message }).to_string(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response.headers_mut().insert(
        header::HeaderName::from_static("x-amzn-errortype"),
        header::HeaderValue::from_static("ServiceNotServed"),
    );
    response
}
