//! Reads what a runtime posts: bounded, to its true size, with trailers; or passes it on as it comes.

use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt as _;
use tindra_core::limits::{STREAMED_RESPONSE_BYTES_MAX, SYNC_RESPONSE_BYTES_MAX};
use tindra_core::stream_pace::StreamPace;
use tindra_invoke::AnswerSink;
use tokio::time::Instant;

/// Error type of an answer that gives none, or none that may be shown.
pub(super) const ERROR_TYPE_HEADER: &str = "lambda-runtime-function-error-type";
const ERROR_BODY_TRAILER: &str = "lambda-runtime-function-error-body";

/// A body as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// Read whole.
    Whole(Bytes),
    /// More bytes than may be. Those of a whole answer were all counted and thrown away; a stream was given up.
    TooLarge { bytes: u64, bytes_max: u64 },
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

/// Passes a body on to its end, at the pace of streamed answers as long as somebody reads them. What comes back of a
/// whole one is empty: it has gone.
pub(super) async fn pass_on<B>(mut body: B, sink: &AnswerSink) -> Posted
where
    B: Body<Data = Bytes> + Unpin,
{
    let (started, mut pace, mut sent) = (Instant::now(), StreamPace::default(), 0_u64);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Posted::Truncated };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => match frame.trailers_ref().and_then(failure) {
                Some(failed) => return failed,
                None => continue,
            },
        };
        sent += data.len() as u64;
        if sent > STREAMED_RESPONSE_BYTES_MAX {
            return Posted::TooLarge { bytes: sent, bytes_max: STREAMED_RESPONSE_BYTES_MAX };
        }
        let wait = pace.take(data.len(), started.elapsed());
        sink.write(data).await;
        if wait > Duration::ZERO && !sink.is_abandoned() {
            tokio::time::sleep(wait).await;
        }
    }
    Posted::Whole(Bytes::new())
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
            return Posted::TooLarge { bytes: self.size, bytes_max: SYNC_RESPONSE_BYTES_MAX as u64 };
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
