//! The service as the front door calls it: a decoded [`Call`] in, a [`Reply`] out.

use tindra_model::{ApiError, Call, Reply};

use super::{IamService, Identity};

impl IamService {
    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, caller: &Identity, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(caller, call.operation.name(), call.input).await?))
    }
}
