//! Running the function of a mapping for one event.

use std::time::Duration;

use bytes::Bytes;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::event_source_mapping::stream::{BatchEnd, LastInvoke};
use tindra_invoke::environments::Outcome;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Mode};
use uuid::Uuid;

use super::ability::Ability;
use crate::ports::Invoke;

/// The first wait before a batch that met a limit is tried again, in real time.
pub(super) const THROTTLE_WAIT: Duration = Duration::from_millis(100);
/// The longest wait before a batch that met a limit is tried again, in real time.
pub(super) const THROTTLE_WAIT_MAX: Duration = Duration::from_secs(5);

/// How a run ended.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) lane: usize,
    /// The answer of a function that did not fail.
    answer: Option<Bytes>,
    /// What is known of it, when the function ran.
    pub(super) last: Option<LastInvoke>,
    /// Why it did not run.
    pub(super) problem: Option<String>,
    /// No other attempt can go better than that, so that it counts as the function's failure.
    is_refused: bool,
    /// This server could not run it, through no fault of the function.
    could_not_run: bool,
}

impl Run {
    /// Lets be known what it tells of this server.
    pub(super) fn tell(&self, ability: &Ability) {
        if self.last.is_some() {
            ability.has_run();
        } else if self.could_not_run {
            ability.could_not_run();
        }
    }

    /// What it means for its batch.
    pub(super) fn end(&self, judge: impl FnOnce(&[u8]) -> BatchEnd) -> BatchEnd {
        match (&self.answer, &self.problem) {
            (Some(answer), _) => judge(answer),
            (None, Some(reason)) if !self.is_refused => BatchEnd::Passing { reason: reason.clone() },
            (None, _) => BatchEnd::Failed,
        }
    }
}

/// Runs the function of a mapping.
pub(super) async fn run(invoke: &dyn Invoke, mapping: &EventSourceMapping, lane: usize, event: Vec<u8>) -> Run {
    let request = request(mapping, Bytes::from(event), None);
    let request_id = request.request_id.clone();
    let mut run = Run { lane, answer: None, last: None, problem: None, is_refused: false, could_not_run: false };
    match invoke.invoke(request).await {
        Ok(InvokeResponse::Completed { finished, executed_version, trace_id }) => {
            let is_function_error = matches!(finished.outcome, Outcome::FunctionError(_));
            run.last = Some(LastInvoke { request_id, executed_version, trace_id, is_function_error });
            if let Outcome::Success(answer) = finished.outcome {
                run.answer = Some(answer);
            }
        }
        Ok(_) => run.problem = Some("The function was not run.".to_owned()),
        Err(error) => {
            run.could_not_run = matches!(error, InvokeError::Internal { .. });
            run.is_refused = matches!(error, InvokeError::PayloadTooLarge { .. } | InvokeError::PayloadNotJson { .. });
            run.problem = Some(error.to_string());
        }
    }
    run
}

/// The invoke of a mapping's function.
pub(super) fn request(mapping: &EventSourceMapping, payload: Bytes, trace_id: Option<String>) -> InvokeRequest {
    let EventSourceMapping { scope, function_name, qualifier, .. } = mapping;
    InvokeRequest {
        scope: scope.clone(),
        function: function_name.clone(),
        qualifier: qualifier.clone(),
        mode: Mode::RequestResponse,
        tenant: None,
        log_tail: false,
        client_context: None,
        payload,
        request_id: Uuid::new_v4().to_string(),
        trace_id,
    }
}

/// A limit, or a function that will be ready soon: not the fault of the batch.
pub(super) fn is_passing(error: &InvokeError) -> bool {
    matches!(
        error,
        InvokeError::Throttled(_)
            | InvokeError::TooManyOfTenants { .. }
            | InvokeError::NoCapacity { .. }
            | InvokeError::Pending
            | InvokeError::Internal { .. }
    )
}
