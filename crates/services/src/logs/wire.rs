//! The service as the front door calls it: a decoded [`Call`] in, a [`Reply`] out.

use tindra_core::function::Scope;
use tindra_model::{ApiError, Call, Reply};

use super::{LogsError, LogsService};

impl LogsService {
    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, scope: &Scope, call: Call) -> Result<Reply, ApiError> {
        match self.answer(scope, call.operation.name(), call.input).await {
            Ok(output) => Ok(Reply { status: None, output, payload: None }),
            Err(LogsError { code, message }) => Err(ApiError::new(code, message)),
        }
    }
}
