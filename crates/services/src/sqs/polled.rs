//! A queue as whoever polls it for a function sees it.

use serde_json::Value;
use tindra_model::ApiError;

use super::error::no_queue;
use super::{SqsService, names};
use crate::Asker;
use crate::iam::Identity;

impl SqsService {
    /// Does an operation about a queue, told by its name in the service model, on the account's own behalf. The members of the
    /// input are without `QueueUrl`.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn ask_queue(&self, queue_arn: &str, operation: &str, input: &Value) -> Result<Value, ApiError> {
        let (scope, name) = names::of_arn(queue_arn).ok_or_else(no_queue)?;
        let queue = self.find(&scope, name).await?.ok_or_else(no_queue)?;
        let identity = Identity::root(scope.account.as_str());
        let asker = Asker { scope: &scope, identity: &identity, endpoint: "", request_id: "", trace_id: None };
        Box::pin(self.answer_of(asker, queue, operation, input)).await
    }
}
