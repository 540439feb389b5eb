//! SQS: queues and their messages.
//!
//! A queue is a record; its messages are letters of a mailbox of the store, which counts how often each was received, hides
//! it meanwhile and keeps the order of groups. A purge gives the queue another mailbox, and what is left of the old one is
//! cleared beside ([`sweep`]). Whoever waits for messages is woken by the store ([`polls`]). What lies on the disk is encrypted
//! if the operator's disk is.

mod attributes;
mod batch;
mod cache;
mod digest;
mod error;
mod message;
mod moves;
mod names;
mod permissions;
mod polled;
mod polls;
mod pushes;
mod queues;
mod receipt;
mod receive;
mod record;
mod redrive;
mod remove;
mod send;
mod sweep;
mod tags;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;
use tindra_core::function::Scope;
use tindra_core::policy::Policy;
use tindra_model::{ApiError, Call, Reply};
use tokio::task::JoinHandle;

use crate::iam::IamService;
use crate::{Asker, Surroundings};

pub use moves::MOVES_PREFIX;
pub use names::{arn as queue_arn, of_arn as queue_of_arn, of_url as queue_of_url};

use cache::Cache;
use polls::Polls;
use receive::Attempts;
use record::Known;

/// SQS of every account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqsService {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    around: Surroundings,
    iam: IamService,
    cache: Cache,
    polls: Arc<Polls>,
    attempts: Attempts,
    /// What runs beside; it ends with the service.
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl SqsService {
    /// Over a store. To be called inside a tokio runtime.
    #[must_use]
    pub fn start(around: Surroundings, iam: IamService) -> Self {
        let polls = Arc::new(Polls::default());
        let tasks = vec![
            tokio::spawn(Arc::clone(&polls).follow(around.store.mailboxes.watch_mail(names::MAILBOX_PREFIX))),
            tokio::spawn(sweep::run(around.store.clone(), Arc::clone(&around.timer))),
        ];
        let cache = Cache::new(around.store.metadata.watch(record::PREFIX));
        Self { inner: Arc::new(Inner { around, iam, cache, polls, attempts: Attempts::default(), tasks }) }
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, asker: Asker<'_>, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(asker, call.operation.name(), call.input).await?))
    }

    /// The policy of a queue; none when there is no such queue or it has none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn policy_of(&self, scope: &Scope, name: &str) -> Result<Option<Arc<Policy>>, ApiError> {
        Ok(self.find(scope, name).await?.and_then(|known| known.policy.clone()))
    }

    async fn answer(&self, asker: Asker<'_>, operation: &str, input: Value) -> Result<Value, ApiError> {
        match operation {
            "CreateQueue" => self.create_queue(asker, &input).await,
            "GetQueueUrl" => self.get_queue_url(asker, &input).await,
            "ListQueues" => self.list_queues(asker, &input).await,
            "ListMessageMoveTasks" => self.list_moves(asker, &input).await,
            "StartMessageMoveTask" => self.start_move(asker, &input).await,
            "CancelMessageMoveTask" => self.cancel_move(asker, &input).await,
            _ => {
                let queue = self.named(asker, &input).await?;
                Box::pin(self.answer_of(asker, queue, operation, &input)).await
            }
        }
    }

    /// What is asked of one queue.
    async fn answer_of(
        &self,
        asker: Asker<'_>,
        queue: Arc<Known>,
        operation: &str,
        input: &Value,
    ) -> Result<Value, ApiError> {
        match operation {
            "SendMessage" => self.send_message(asker, &queue, input).await,
            "SendMessageBatch" => self.send_messages(asker, &queue, input).await,
            "ReceiveMessage" => self.receive_messages(queue, input).await,
            "DeleteMessage" => self.delete_message(&queue, input).await,
            "DeleteMessageBatch" => self.delete_messages(&queue, input).await,
            "ChangeMessageVisibility" => self.change_visibility(&queue, input).await,
            "ChangeMessageVisibilityBatch" => self.change_visibilities(&queue, input).await,
            "GetQueueAttributes" => self.get_attributes(&queue, input).await,
            "SetQueueAttributes" => self.set_attributes(&queue, input).await,
            "PurgeQueue" => self.purge_queue(&queue).await,
            "DeleteQueue" => self.delete_queue(&queue).await,
            "ListQueueTags" => Ok(Self::list_tags(&queue)),
            "TagQueue" => self.tag(&queue, input).await,
            "UntagQueue" => self.untag(&queue, input).await,
            "AddPermission" => self.add_permission(&queue, input).await,
            "RemovePermission" => self.remove_permission(&queue, input).await,
            "ListDeadLetterSourceQueues" => self.list_sources(asker, &queue, input).await,
            _ => Err(ApiError::new("UnknownOperationException", format!("{operation} is not served here."))),
        }
    }

    /// The queue whose URL a request has.
    async fn named(&self, asker: Asker<'_>, input: &Value) -> Result<Arc<Known>, ApiError> {
        let url = error::text(input, "QueueUrl")?;
        let found = match names::of_url(url) {
            // What the caller may see of others was decided before; the scope is then the owner's.
            Some((account, name)) if account == asker.scope.account => self.find(asker.scope, name).await?,
            Some(_) => None,
            None => {
                return Err(ApiError::new(
                    "InvalidAddress",
                    format!("The address {url} is not valid for this endpoint."),
                ));
            }
        };
        found.ok_or_else(error::no_queue)
    }
}
