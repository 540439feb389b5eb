//! SNS: topics, subscriptions and messages.

use serde_json::Value;
use tindra_model::{ApiError, Call, Reply};

use crate::{Asker, Surroundings};

/// SNS of every account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SnsService {
    around: Surroundings,
}

impl SnsService {
    /// Over a store.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self { around }
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, asker: Asker<'_>, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(asker, call.operation.name(), call.input).await?))
    }

    async fn answer(&self, _asker: Asker<'_>, operation: &str, _input: Value) -> Result<Value, ApiError> {
        let _ = &self.around;
        Err(ApiError::new("UnknownOperationException", format!("{operation} is not served here.")))
    }
}
