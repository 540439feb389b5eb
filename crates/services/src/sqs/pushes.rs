//! Taking what sources push to queues: the message is in the queue in one commit with the end of the push.

use std::sync::Arc;

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
            let queue = self.admitting(push).await?;
            let text = std::str::from_utf8(body)
                .map_err(|_| PushError::lasting("INVALID_PARAMETER", "a message of a queue is text"))?;
            let sender = push.source.scope.account.clone();
            let message = Message::pushed(message, text.to_owned(), sender, push.trace_id.clone());
            let post = post(&queue, message, None, id, self.now_ms());
            let post = post.map_err(|error| PushError::lasting("INVALID_PARAMETER", error.message()))?;
            Ok(Received { batch: Batch::default().mail(post.change), messages: Vec::new() })
        })
    }

    fn admit<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<(), PushError>> {
        Box::pin(async move { self.admitting(push).await.map(drop) })
    }
}

impl SqsService {
    /// The queue that a push is for, if it lets the source in.
    async fn admitting(&self, push: &Push) -> Result<Arc<Known>, PushError> {
        let arn = &push.target_arn;
        let (scope, name) = names::of_arn(arn)
            .ok_or_else(|| PushError::lasting("INVALID_PARAMETER", format!("{arn} is no queue's ARN")))?;
        let found = self.find(&scope, name).await;
        let found = found.map_err(|error| PushError::passing("SDK_CLIENT_ERROR", error.message()))?;
        let queue =
            found.ok_or_else(|| PushError::lasting("NO_RESOURCE", format!("the queue {arn} does not exist")))?;
        if self.inner.around.is_checked && push.role_arn.is_none() && !lets_in(&queue, push) {
            let source = &push.source;
            let message =
                format!("the policy of {arn} does not let {} send messages for {}", source.principal, source.arn);
            return Err(PushError::lasting("NO_PERMISSIONS", message));
        }
        Ok(queue)
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
