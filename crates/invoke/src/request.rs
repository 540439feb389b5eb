//! What the invoke path takes and gives, free of HTTP.

use bytes::Bytes;
use tindra_core::function::Scope;
use tindra_core::tenant::TenantId;

use crate::environments::Finished;
use crate::stream::AnswerStream;

/// `InvocationType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The caller waits for the answer.
    #[default]
    RequestResponse,
    /// The caller waits for the answer and takes it as it is made.
    ResponseStream,
    /// The event is to be queued, and nobody waits for the answer.
    Event,
    /// Only whether the caller may invoke.
    DryRun,
}

/// One invoke as it arrived.
#[derive(Clone, Debug)]
pub struct InvokeRequest {
    /// The caller's account and region.
    pub scope: Scope,
    /// The function's name or ARN as it was given.
    pub function: String,
    /// `Qualifier`.
    pub qualifier: Option<String>,
    /// `InvocationType`.
    pub mode: Mode,
    /// `TenantId`: whom the event is for.
    pub tenant: Option<TenantId>,
    /// `LogType: Tail`.
    pub log_tail: bool,
    /// `ClientContext`, still in base64.
    pub client_context: Option<String>,
    /// The event.
    pub payload: Bytes,
    /// The id that caller and function see.
    pub request_id: String,
    /// `X-Amzn-Trace-Id`, when the caller sent one.
    pub trace_id: Option<String>,
}

/// An invoke that ended as the caller wanted. The function's own errors are in here too: they are answers.
#[derive(Debug)]
pub enum InvokeResponse {
    /// The caller may invoke the function; nothing was run.
    DryRun,
    /// The event is durable and will be run.
    Accepted,
    /// The function has begun an answer that comes as it is made, as [`Mode::ResponseStream`] allows it to. One that answers whole
    /// or fails before it has begun is [`InvokeResponse::Completed`].
    Streaming {
        /// The answer.
        stream: AnswerStream,
        /// `ExecutedVersion`: what the qualifier led to.
        executed_version: String,
    },
    /// The function has answered.
    Completed {
        /// What it answered.
        finished: Finished,
        /// `ExecutedVersion`: what the qualifier led to.
        executed_version: String,
        /// `X-Amzn-Trace-Id` as the function saw it, its own lineage included: what follows from the invoke goes on from it.
        trace_id: String,
    },
}
