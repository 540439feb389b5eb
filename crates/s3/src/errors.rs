//! Errors as they go out: the wire layer's own have no message, and none has the request's id.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt as _;
use s3s::Body;

use crate::serve::host_id;

const CODE_END: &str = "</Code>";
/// What the wire layer says of an operation that this service refuses, after its name.
const WIRE_LAYERS_WORDS: &str = " is not implemented yet";

/// Operations that are refused: what they would do, and what does it here.
const REFUSED: [(&str, &str, &str); 11] = [
    ("PutBucketWebsite", "Hosting a website", "serve it with a function behind a URL or an HTTP API"),
    ("PutBucketReplication", "Replication", "copy objects with a function that the bucket notifies"),
    ("PutBucketLifecycleConfiguration", "A lifecycle of objects", "delete them with a function on a schedule"),
    ("PutObjectLockConfiguration", "Object Lock", "deny s3:DeleteObjectVersion in the bucket's policy"),
    ("PutObjectLegalHold", "Object Lock", "deny s3:DeleteObjectVersion in the bucket's policy"),
    ("PutObjectRetention", "Object Lock", "deny s3:DeleteObjectVersion in the bucket's policy"),
    ("PutBucketAccelerateConfiguration", "Transfer acceleration", "leave it out: there is one way to this server"),
    ("PutBucketLogging", "Logging of requests to buckets", "leave it out, or let the bucket notify a function"),
    ("PutBucketRequestPayment", "Payment by requesters", "leave it out: nobody pays"),
    ("RestoreObject", "Archiving objects", "they can be read at once"),
    ("SelectObjectContent", "S3 Select", "read the object and filter it in the function"),
];

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
    let inside = refused(inside);
    let ids = format!("<RequestId>{request_id}</RequestId><HostId>{}</HostId>", host_id(request_id));
    Some(format!("{before}{CODE_END}{message}{inside}{ids}</Error>{end}"))
}

/// Says what to do instead of an operation that is refused.
fn refused(inside: &str) -> std::borrow::Cow<'_, str> {
    let operation = || inside.strip_prefix("<Message>")?.split_once(WIRE_LAYERS_WORDS).map(|(operation, _)| operation);
    let found = operation().and_then(|operation| REFUSED.into_iter().find(|(known, ..)| *known == operation));
    match found {
        Some((_, what, instead)) => {
            format!("<Message>{what} is not offered by this server; {instead}</Message>").into()
        }
        None => inside.into(),
    }
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
        let xml =
            format!("<Error><Code>NotImplemented</Code><Message>PutBucketWebsite{WIRE_LAYERS_WORDS}</Message></Error>");
        let all = with_all(&xml, "id").unwrap();
        assert!(all.contains("Hosting a website is not offered by this server; serve it"), "{all}");
    }
}
