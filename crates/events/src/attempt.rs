//! One attempt to run a function for a queued event, and what follows from how it ends.
//!
//! The end of an attempt is one commit: the event is taken out together with what is to be told to destinations, or it waits
//! with what is known of it now. A server that is killed before that commit has not made the attempt.

use std::sync::Arc;

use bytes::Bytes;
use tindra_core::async_invoke::{AsyncEvent, AttemptEnd, Condition, FailedRun, RetryPolicy, Verdict};
use tindra_core::clock::{Timer, UnixMs};
use tindra_core::event_invoke_config::EventInvokeConfig;
use tindra_core::limits;
use tindra_core::tenant::TenantId;
use tindra_invoke::environments::Outcome;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Mode};
use tindra_store::{Batch, Leased, Message, MessageChange, Store};

use crate::configs::Configs;
use crate::deliveries::{self, bytes_max};
use crate::dispatcher::Worked;
use crate::lanes::{QueueName, Settled};
use crate::ports::{Delivery, Invoke, Purpose};
use crate::record::{Answer, record};
use crate::{figures, steps};

/// Runs functions for queued events.
#[derive(Debug)]
pub(crate) struct Attempts {
    pub(crate) store: Store,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) configs: Configs,
    pub(crate) invoker: Arc<dyn Invoke>,
}

/// How a run ended.
struct Ended {
    end: AttemptEnd,
    answer: Option<Answer>,
}

impl Attempts {
    /// Tries an event once.
    pub(crate) async fn attempt(&self, leased: Leased) -> Worked {
        let mut event: AsyncEvent = match steps::understand(&self.store, &leased, self.timer.unix_ms()).await {
            Ok(event) => event,
            Err(worked) => return worked,
        };
        let config = self.config(&event).await;
        let now_ms = self.timer.unix_ms();
        if let Some(condition) = event.over_before_an_attempt(RetryPolicy::of(config.as_deref()), now_ms) {
            return self.finish(&leased, &event, config.as_deref(), condition, None).await;
        }
        figures::age(&event.scope, &event.function_name, event.age_ms(now_ms));
        let Ended { end, answer } = ended(self.invoker.invoke(request(&event, &leased.message.body)).await);
        let was_throttled = matches!(&end, AttemptEnd::Refused { status, .. } if *status == 429 || *status >= 500);
        // It may have been changed while the function ran.
        let config = self.config(&event).await;
        match event.settle(end, RetryPolicy::of(config.as_deref()), self.timer.unix_ms()) {
            Verdict::Again { due_ms } => {
                steps::give_back(&self.store, leased.lease, &event, due_ms, was_throttled).await
            }
            Verdict::Over(condition) => self.finish(&leased, &event, config.as_deref(), condition, answer).await,
        }
    }

    async fn config(&self, event: &AsyncEvent) -> Option<Arc<EventInvokeConfig>> {
        steps::insist(|| self.configs.get(event)).await
    }

    /// Takes the event out, and in the same commit puts in what is to be told of it. Without an answer of just now it is that
    /// of the last run that is told.
    async fn finish(
        &self,
        leased: &Leased,
        event: &AsyncEvent,
        config: Option<&EventInvokeConfig>,
        condition: Condition,
        answer: Option<Answer>,
    ) -> Worked {
        let answer = answer.or_else(|| last_answer(event));
        let destination = config.and_then(|config| match condition {
            Condition::Success => config.on_success.clone(),
            _ => config.on_failure.clone(),
        });
        let is_failure = condition != Condition::Success;
        let latest = match is_failure || destination.is_some() {
            true => steps::insist(|| self.configs.latest(event)).await,
            false => None,
        };
        let at_ms = self.timer.unix_ms();
        let about =
            About { event, answer: answer.as_ref(), role_arn: latest.as_ref().map(|latest| &latest.role), at_ms };
        let dead_letters = latest.as_ref().and_then(|latest| latest.dead_letter_target_arn.clone());
        let letter = dead_letters.filter(|_| is_failure).map(|target_arn| {
            let delivery = about.delivery(target_arn, dead_letter(event, condition));
            (delivery, leased.message.body.clone())
        });
        let told = destination.map(|target_arn| {
            let body_max = bytes_max(&target_arn, &event.qualified_arn());
            let delivery = about.delivery(target_arn, Purpose::Record { condition });
            (delivery, record(event, &leased.message.body, condition, answer.as_ref(), at_ms, body_max))
        });
        let mut batch = Batch::default().message(MessageChange::Complete(leased.lease));
        let mut filled = Vec::new();
        for (delivery, body) in letter.into_iter().chain(told) {
            let message = message(&delivery, body, at_ms);
            filled.push(QueueName::from(message.queue.as_str()));
            batch = batch.message(MessageChange::Enqueue { message, held_until_ms: None });
        }
        steps::settle(&self.store, batch).await;
        if is_failure {
            figures::dropped(&event.scope, &event.function_name);
            tracing::info!(
                request_id = event.request_id,
                function = event.function_name,
                condition = condition.as_str(),
                attempts = event.attempts,
                told = filled.len(),
                "an event is given up"
            );
        }
        Worked { settled: Settled::default(), filled }
    }
}

fn request(event: &AsyncEvent, payload: &Bytes) -> InvokeRequest {
    InvokeRequest {
        scope: event.scope.clone(),
        function: event.function_name.clone(),
        qualifier: event.qualifier.clone(),
        mode: Mode::RequestResponse,
        tenant: event.tenant.clone().map(TenantId::from),
        log_tail: false,
        client_context: None,
        payload: payload.clone(),
        request_id: event.request_id.clone(),
        trace_id: Some(event.trace_id.clone()),
    }
}

fn ended(result: Result<InvokeResponse, InvokeError>) -> Ended {
    let refused = |status, message| Ended { end: AttemptEnd::Refused { status, message }, answer: None };
    match result {
        Ok(InvokeResponse::Completed { finished, executed_version, trace_id }) => match finished.outcome {
            Outcome::Success(payload) => Ended {
                end: AttemptEnd::Succeeded,
                answer: Some(Answer {
                    executed_version,
                    is_error: false,
                    payload: Some(payload),
                    trace_id: Some(trace_id),
                }),
            },
            Outcome::FunctionError(payload) => {
                let run = FailedRun::new(executed_version, &payload);
                let answer = Answer { trace_id: Some(trace_id), ..answer_of(&run) };
                Ended { end: AttemptEnd::Failed(run), answer: Some(answer) }
            }
        },
        Ok(InvokeResponse::DryRun | InvokeResponse::Accepted | InvokeResponse::Streaming { .. }) => {
            refused(500, "The event was not run.".to_owned())
        }
        Err(error @ InvokeError::Recursive) => {
            Ended { end: AttemptEnd::Recursive { message: error.to_string() }, answer: None }
        }
        Err(error) => refused(status(&error), error.to_string()),
    }
}

/// The HTTP status that a caller who waits would get.
fn status(error: &InvokeError) -> u16 {
    match error {
        InvokeError::Throttled(_) | InvokeError::TooManyOfTenants { .. } | InvokeError::NoCapacity { .. } => 429,
        InvokeError::Name(_) => 404,
        InvokeError::Pending => 409,
        InvokeError::Failed { .. } => 502,
        InvokeError::Internal { .. } => 500,
        _ => 400,
    }
}

fn answer_of(run: &FailedRun) -> Answer {
    Answer {
        executed_version: run.executed_version.clone(),
        is_error: true,
        payload: run.payload.clone().map(Bytes::from),
        trace_id: None,
    }
}

/// What is known of the last run of an event that is not run again.
fn last_answer(event: &AsyncEvent) -> Option<Answer> {
    event.last.as_ref().and_then(|last| last.run.as_ref()).map(answer_of)
}

fn dead_letter(event: &AsyncEvent, condition: Condition) -> Purpose {
    let (error_code, message) = match &event.last {
        Some(last) => (last.status, last.message.as_str()),
        None if condition == Condition::ZeroReservedConcurrency => {
            (429, "The function's reserved concurrency is set to zero.")
        }
        None => (400, "The event became too old before the function could be run."),
    };
    Purpose::DeadLetter { error_code, error_message: first_bytes(message, limits::DEAD_LETTER_MESSAGE_BYTES_MAX) }
}

/// The beginning of a text, whole characters only.
fn first_bytes(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

/// What deliveries about one event have in common.
struct About<'a> {
    event: &'a AsyncEvent,
    answer: Option<&'a Answer>,
    role_arn: Option<&'a String>,
    at_ms: UnixMs,
}

impl About<'_> {
    fn delivery(&self, target_arn: String, purpose: Purpose) -> Delivery {
        let Self { event, answer, role_arn, at_ms } = *self;
        let trace_id = answer.and_then(|answer| answer.trace_id.as_ref()).unwrap_or(&event.trace_id);
        Delivery {
            target_arn,
            scope: event.scope.clone(),
            function_name: event.function_name.clone(),
            function_arn: event.qualified_arn(),
            role_arn: role_arn.cloned(),
            request_id: event.request_id.clone(),
            trace_id: trace_id.clone(),
            at_ms,
            purpose,
            attempts: 0,
            last_error: None,
        }
    }
}

fn message(delivery: &Delivery, body: Bytes, at_ms: UnixMs) -> Message {
    Message::new(deliveries::queue(delivery), serde_json::to_vec(delivery).unwrap_or_default(), body, at_ms, at_ms)
}

#[cfg(test)]
mod tests {
    use super::first_bytes;

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(first_bytes("aé", 2), "a");
        assert_eq!(first_bytes("aé", 3), "aé");
        assert_eq!(first_bytes("aé", 9), "aé");
    }
}
