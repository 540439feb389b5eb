//! Reads what a runtime posts: bounded, to its true size, with trailers.

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt as _;
use tindra_core::limits::SYNC_RESPONSE_BYTES_MAX;

/// Error type of an answer that gives none, or none that may be shown.
pub(super) const ERROR_TYPE_HEADER: &str = "lambda-runtime-function-error-type";
const ERROR_BODY_TRAILER: &str = "lambda-runtime-function-error-body";

/// A body as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// Read whole.
    Whole(Bytes),
    /// More bytes than may be; they were counted and thrown away.
    TooLarge(u64),
    /// Trailers told of an error in the middle of a streamed answer.
    Failed { error_type: String, body: Bytes },
    /// The connection ended too early.
    Truncated,
}

/// Reads a body to its end.
pub(super) async fn read<B>(mut body: B) -> Posted
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut gathered = Gathered::default();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Posted::Truncated };
        match frame.into_data() {
            Ok(data) => gathered.add(data),
            Err(frame) => {
                if let Some(failed) = frame.trailers_ref().and_then(failure) {
                    return failed;
                }
            }
        }
    }
    gathered.finish()
}

/// One chunk, which is what most bodies are, is never copied.
#[derive(Debug, Default)]
struct Gathered {
    size: u64,
    first: Option<Bytes>,
    rest: BytesMut,
}

impl Gathered {
    fn add(&mut self, data: Bytes) {
        self.size += data.len() as u64;
        if self.size > SYNC_RESPONSE_BYTES_MAX as u64 {
            self.first = None;
            self.rest = BytesMut::new();
        } else if !self.rest.is_empty() {
            self.rest.extend_from_slice(&data);
        } else if let Some(first) = self.first.take() {
            self.rest.extend_from_slice(&first);
            self.rest.extend_from_slice(&data);
        } else {
            self.first = Some(data);
        }
    }

    fn finish(self) -> Posted {
        if self.size > SYNC_RESPONSE_BYTES_MAX as u64 {
            return Posted::TooLarge(self.size);
        }
        Posted::Whole(self.first.unwrap_or_else(|| self.rest.freeze()))
    }
}

fn failure(trailers: &HeaderMap) -> Option<Posted> {
    let error_type = trailers.get(ERROR_TYPE_HEADER)?.to_str().ok()?.to_owned();
    let body = trailers.get(ERROR_BODY_TRAILER).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let body = base64::engine::general_purpose::STANDARD.decode(body).unwrap_or_default();
    Some(Posted::Failed { error_type, body: body.into() })
}

/// The error type that goes into logs: the header's, else the body's, else `Function.Unknown`.
pub(super) fn error_type(headers: &HeaderMap, body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Typed {
        #[serde(rename = "errorType")]
        error_type: String,
    }
    let header = headers.get(ERROR_TYPE_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let named = header
        .or_else(|| serde_json::from_slice::<Typed>(body).ok().map(|typed| typed.error_type))
        .filter(|name| !name.is_empty() && name.len() <= 128 && !name.contains(char::is_control));
    named.unwrap_or_else(|| "Function.Unknown".to_owned())
}
