//! Objects into buckets of S3, which are addressed by path.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use tindra_model::signing::percent_encode;

use super::call::{ANSWER_BYTES_MAX, Call};
use super::{Outside, OutsideError, OutsideService};

impl Outside {
    /// Puts an object into a bucket of a region.
    ///
    /// # Errors
    /// See [`OutsideError`].
    pub async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Bytes,
        region: &str,
    ) -> Result<(), OutsideError> {
        let target = format!("{bucket}/{key}");
        let Some(request) = put(bucket, key, content_type, body) else {
            let reason = "it is no object of a bucket, or its content type is none; name a bucket and a key";
            return Err(OutsideError::Unsupported { target, reason });
        };
        let call = Call {
            service: OutsideService::S3,
            operation: "PutObject",
            target: &target,
            region,
            request,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        self.attempt(OutsideService::S3, async { self.call(call).await.map(|_| ()) }).await
    }
}

fn put(bucket: &str, key: &str, content_type: &str, body: Bytes) -> Option<Request<Bytes>> {
    if bucket.is_empty() || key.is_empty() {
        return None;
    }
    let mut request = Request::new(body);
    *request.method_mut() = Method::PUT;
    *request.uri_mut() = object_path(bucket, key).parse::<Uri>().ok()?;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).ok()?);
    Some(request)
}

/// The path of an object, encoded the way S3 signs it: everything but unreserved characters and the slashes of a key.
#[must_use]
pub fn object_path(bucket: &str, key: &str) -> String {
    let key: Vec<String> = key.split('/').map(percent_encode).collect();
    format!("/{}/{}", percent_encode(bucket), key.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_slashes() {
        assert_eq!(object_path("b", "aws/lambda//f:$LATEST é.json"), "/b/aws/lambda//f%3A%24LATEST%20%C3%A9.json");
        assert!(put("b", "", "text/plain", Bytes::new()).is_none());
        assert!(put("", "k", "text/plain", Bytes::new()).is_none());
        assert!(put("b", "k", "text\nplain", Bytes::new()).is_none());
    }
}
