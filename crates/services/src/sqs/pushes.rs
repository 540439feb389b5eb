//! Taking what sources push to queues: the message is in the queue in one commit with the end of the push.

use bytes::Bytes;
use tindra_core::policy::{Context, Decision, Request, Requester, evaluate};
use tindra_core::push::{Content, Push, PushError};
use tindra_store::{Batch, BoxFuture};
use uuid::Uuid;

use super::message::Message;
use super::record::Known;
use super::send::post;
use super::{SqsService, names};
use crate::receive::{Receive, Received};

impl Receive for SqsService {
    fn receive<'a>(&'a self, push: &'a Push, id: Uuid, body: &'a Bytes) -> BoxFuture<'a, Result<Received, PushError>> {
        Box::pin(async move {
            let Content::Queue(message) = &push.content else {
                return Err(PushError::lasting(
                    "INVALID_PARAMETER",
                    format!("{} takes messages only", push.target_arn),
                ));
            };
            let target = names::of_arn(&push.target_arn);
            let (scope, name) = target.ok_or_else(|| {
                PushError::lasting("INVALID_PARAMETER", format!("{} is no queue's ARN", push.target_arn))
            })?;
            let found = self.find(&scope, name).await;
            let found = found.map_err(|error| PushError::passing("SDK_CLIENT_ERROR", error.message()))?;
            let queue = found.ok_or_else(|| {
                PushError::lasting("NO_RESOURCE", format!("the queue {} does not exist", push.target_arn))
            })?;
            if self.inner.around.is_checked && push.role_arn.is_none() && !lets_in(&queue, push) {
                let source = &push.source;
                let message = format!(
                    "the policy of {} does not let {} send messages for {}",
                    push.target_arn, source.principal, source.arn
                );
                return Err(PushError::lasting("NO_PERMISSIONS", message));
            }
            let text = std::str::from_utf8(body)
                .map_err(|_| PushError::lasting("INVALID_PARAMETER", "a message of a queue is text"))?;
            let sender = push.source.scope.account.clone();
            let message = Message::pushed(message, text.to_owned(), sender, push.trace_id.clone());
            let post = post(&queue, message, id, self.now_ms());
            let post = post.map_err(|error| PushError::lasting("INVALID_PARAMETER", error.message()))?;
            Ok(Received { batch: Batch::default().mail(post.change), messages: Vec::new() })
        })
    }
}

/// What the queue's policy says of a service that sends for a source.
fn lets_in(queue: &Known, push: &Push) -> bool {
    let source = &push.source;
    let requester = Requester::Service { name: source.principal.clone() };
    let context = Context::default()
        .with("aws:SourceArn", source.arn.as_str())
        .with("aws:SourceAccount", source.scope.account.as_str())
        .with("aws:PrincipalIsAWSService", "true");
    let resource = queue.arn();
    let request = Request { requester: &requester, action: "sqs:SendMessage", resource: &resource, context: &context };
    evaluate(request, queue.policy.as_deref()) == Decision::Allowed
}
