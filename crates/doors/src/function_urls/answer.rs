//! From what became of an invoke to an HTTP answer.

use bytes::Bytes;
use tindra_core::door::{Door2, HttpAnswer, PreludeReader, PreludeStep, answer_2, has_prelude, plain_head};
use tindra_core::function_url::{FunctionUrl, UrlInvokeMode};
use tindra_invoke::environments::Outcome;
use tindra_invoke::{AnswerPart, AnswerStream, InvokeError, InvokeResponse};

use super::refusal;
use super::streamed::Streamed;
use crate::front_door::{DoorBody, DoorResponse, respond};

/// The answer; `shape` has the last word on its headers.
pub(super) async fn of(
    result: Result<InvokeResponse, InvokeError>,
    url: &FunctionUrl,
    shape: impl Fn(&mut Vec<(String, String)>),
) -> DoorResponse {
    match result {
        Ok(InvokeResponse::Completed { finished, .. }) => match finished.outcome {
            Outcome::Success(payload) => whole(&payload, url, shape),
            Outcome::FunctionError(_) => refusal::bad_gateway(),
        },
        Ok(InvokeResponse::Streaming { stream, .. }) => streamed(stream, url, shape).await,
        Ok(InvokeResponse::DryRun | InvokeResponse::Accepted) => refusal::bad_gateway(),
        Err(error) => refusal::of(&error),
    }
}

fn whole(payload: &[u8], url: &FunctionUrl, shape: impl Fn(&mut Vec<(String, String)>)) -> DoorResponse {
    let read = match url.invoke_mode {
        UrlInvokeMode::Buffered => answer_2(payload, Door2::Url),
        // What does not come as a stream is not looked into: it is the body as it is.
        UrlInvokeMode::ResponseStream => {
            let head = plain_head(Some("application/json"));
            Ok(HttpAnswer { status: head.status, reason: None, headers: head.headers, body: payload.to_vec() })
        }
    };
    match read {
        Ok(mut answer) => {
            shape(&mut answer.headers);
            respond(answer)
        }
        Err(malformed) => {
            tracing::info!(function = url.function_name, why = malformed.why, "a URL's function gave no HTTP answer");
            refusal::bad_gateway()
        }
    }
}

/// Waits for the head, then lets the body come.
async fn streamed(
    mut stream: AnswerStream,
    url: &FunctionUrl,
    shape: impl Fn(&mut Vec<(String, String)>),
) -> DoorResponse {
    let (mut head, first) = if has_prelude(stream.content_type.as_deref()) {
        match prelude(&mut stream).await {
            Ok(read) => read,
            Err(why) => {
                tracing::info!(function = url.function_name, why, "a URL's function gave no HTTP answer");
                return refusal::bad_gateway();
            }
        }
    } else {
        (plain_head(stream.content_type.as_deref()), Bytes::new())
    };
    shape(&mut head.headers);
    let head = HttpAnswer { status: head.status, reason: None, headers: head.headers, body: Vec::new() };
    respond(head).map(|_| DoorBody::streamed(Streamed::new(first, stream)))
}

/// Reads the head that a function sends before its body; gives what it has read of the body.
async fn prelude(stream: &mut AnswerStream) -> Result<(tindra_core::door::AnswerHead, Bytes), String> {
    let mut reader = PreludeReader::new(Door2::Url);
    loop {
        let Some(AnswerPart::Data(data)) = stream.next().await else { return Err(reader.ended().why) };
        match reader.feed(&data).map_err(|malformed| malformed.why)? {
            PreludeStep::NeedMore => {}
            PreludeStep::Done { head, body_offset } => return Ok((head, data.slice(body_offset.min(data.len())..))),
        }
    }
}
