//! STS: who the caller is, and keys that expire.
//!
//! What AssumeRole and GetSessionToken give out are records of IAM; the front door finds them there. Whether the
//! caller may assume the role is decided before, by the front door.

mod sessions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::Clock;
use tindra_model::{ApiError, Call, Reply};
use tindra_store::Store;

use crate::iam::{IamError, IamService, Identity, parse};

/// STS of every account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StsService {
    store: Store,
    clock: Arc<dyn Clock>,
    iam: IamService,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyInfoRequest {
    access_key_id: String,
}

impl StsService {
    /// Over the identities of `iam`, which lie in the same store.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, iam: IamService) -> Self {
        Self { store, clock, iam }
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, caller: &Identity, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(caller, call.operation.name(), call.input).await?))
    }

    /// Answers one operation, told by its name in the service model, with the members of its output.
    ///
    /// # Errors
    /// As the API has them; see [`IamError`].
    pub async fn answer(&self, caller: &Identity, operation: &str, input: Value) -> Result<Value, IamError> {
        match operation {
            "GetCallerIdentity" => self.caller_identity(caller).await,
            "AssumeRole" => self.assume_role(caller, parse(input)?).await,
            "GetSessionToken" => self.session_token(caller, parse(input)?).await,
            "GetAccessKeyInfo" => self.key_info(caller, parse(input)?).await,
            "AssumeRoleWithWebIdentity" => Err(IamError::new(
                "InvalidIdentityTokenException",
                "tindra knows no OpenID Connect providers, so that no web identity can assume a role; use AssumeRole.",
            )),
            _ => Err(IamError::unknown_operation(operation)),
        }
    }

    async fn caller_identity(&self, caller: &Identity) -> Result<Value, IamError> {
        let (id, arn) = self.iam.id_and_arn(caller).await?;
        Ok(json!({ "UserId": id, "Account": caller.account, "Arn": arn }))
    }

    /// The operator's own key is in no store; whoever uses it may ask about it.
    async fn key_info(&self, caller: &Identity, request: KeyInfoRequest) -> Result<Value, IamError> {
        let id = request.access_key_id;
        let is_callers = caller.access_key_id.as_ref() == Some(&id);
        let account = self.iam.find_key(&id).await?.map(|key| key.account.clone());
        match account.or_else(|| is_callers.then(|| caller.account.clone())) {
            Some(account) => Ok(json!({ "Account": account })),
            None => Err(IamError::invalid(format!("Access Key ID {id} is not known here."))),
        }
    }
}
