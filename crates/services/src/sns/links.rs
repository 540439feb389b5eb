//! The links in messages: what somebody may do who follows one, without a signature.

use tindra_model::{ApiError, Call, Reply};

use super::SnsService;
use super::error::{failure, unknown_operation};

impl SnsService {
    /// Answers a call that nobody signed: the token or the ARN in the link is the right to it.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn follow_link(&self, call: Call) -> Result<Reply, ApiError> {
        let output = match call.operation.name() {
            "ConfirmSubscription" => self.confirm_unsigned(call.input).await?,
            "Unsubscribe" => self.unsubscribe_unsigned(call.input).await?,
            other => return Err(unknown_operation(other)),
        };
        Ok(Reply::new(output))
    }

    /// The certificate by that name, as PEM; none for a name that is not the key's.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn certificate(&self, path: &str) -> Result<Option<String>, ApiError> {
        let key = self.keys().key().await.map_err(|error| failure(&error))?;
        Ok((key.certificate_path() == path).then(|| key.certificate_pem.clone()))
    }
}
