//! Errors as they go out: the wire layer's own have no message, and none has the request's id.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt as _;
use s3s::Body;

use crate::serve::host_id;

const CODE_END: &str = "</Code>";

/// Adds what is missing to the XML of an error.
pub(crate) async fn complete(response: Response<Body>, request_id: &str) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    // It is in memory already: errors are no streams.
    let Ok(collected) = body.collect().await else { return Response::from_parts(parts, Body::empty()) };
    let bytes = collected.to_bytes();
    let completed = std::str::from_utf8(&bytes).ok().and_then(|xml| with_all(xml, request_id));
    let bytes = completed.map_or(bytes, Bytes::from);
    if let Ok(length) = HeaderValue::try_from(bytes.len().to_string()) {
        parts.headers.insert(header::CONTENT_LENGTH, length);
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn with_all(xml: &str, request_id: &str) -> Option<String> {
    let (before, after) = xml.split_once(CODE_END)?;
    let code = before.rsplit_once("<Code>")?.1;
    let message =
        if after.contains("<Message>") { String::new() } else { format!("<Message>{}</Message>", message(code)) };
    let (inside, end) = after.rsplit_once("</Error>")?;
    let ids = format!("<RequestId>{request_id}</RequestId><HostId>{}</HostId>", host_id(request_id));
    Some(format!("{before}{CODE_END}{message}{inside}{ids}</Error>{end}"))
}

/// AWS's sentence ("List of error codes" of the S3 reference).
fn message(code: &str) -> &'static str {
    match code {
        "AccessDenied" => "Access Denied",
        "IncompleteBody" => "You did not provide the number of bytes specified by the Content-Length HTTP header.",
        "InternalError" => "We encountered an internal error. Please try again.",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long",
        "MalformedXML" => "The XML you provided was not well-formed or did not validate against our published schema",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and signing method."
        }
        _ => "The request cannot be understood.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_added() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>InvalidBucketName</Code></Error>";
        let all = with_all(xml, "id").unwrap();
        assert!(all.contains("<Message>The specified bucket is not valid.</Message>"), "{all}");
        assert!(all.contains("<RequestId>id</RequestId><HostId>") && all.ends_with("</HostId></Error>"));
        let xml = "<Error><Code>NoSuchKey</Code><Message>own</Message></Error>";
        assert_eq!(with_all(xml, "id").unwrap().matches("<Message>").count(), 1);
    }
}
