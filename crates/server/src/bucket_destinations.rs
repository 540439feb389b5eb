//! What S3 needs to know of those whom buckets tell.

use std::sync::Weak;

use tindra_core::function::Function;
use tindra_core::name::FunctionReference;
use tindra_core::push::{Content, Push, PushError};
use tindra_doors::front_door::Functions as _;
use tindra_s3::Destinations;
use tindra_store::{BoxFuture, JsonRecords as _, Store};

use crate::adapters::FunctionsOfLambda;
use crate::targets::Receivers;

/// Functions, queues and topics as destinations of notifications.
#[derive(Debug)]
pub(crate) struct DestinationsOfBuckets {
    /// Functions read their code from S3: not kept by it.
    pub(crate) functions: Weak<FunctionsOfLambda>,
    /// Those of the services here; none of those that are elsewhere, which are not asked.
    pub(crate) receivers: Receivers,
    pub(crate) store: Store,
}

impl Destinations for DestinationsOfBuckets {
    fn admit<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<(), PushError>> {
        Box::pin(async move {
            match self.receivers.find(push) {
                _ if push.content == Content::Function => self.admit_to_function(push).await,
                Some(receiver) => receiver.admit(push).await,
                None => Ok(()),
            }
        })
    }
}

impl DestinationsOfBuckets {
    async fn admit_to_function(&self, push: &Push) -> Result<(), PushError> {
        let (arn, source) = (push.target_arn.as_str(), &push.source);
        let reference = FunctionReference::parse(arn);
        let reference = reference.map_err(|error| PushError::lasting("INVALID_PARAMETER", error.to_string()))?;
        let key = Function::key(&reference.owner(&source.scope), reference.name);
        let found = self.store.metadata.get_json::<Function>(&key).await;
        let found = found.map_err(|error| PushError::passing("INTERNAL_ERROR", error.to_string()))?;
        if found.is_none() {
            return Err(PushError::lasting("NO_RESOURCE", format!("the function {arn} does not exist")));
        }
        let Some(functions) = self.functions.upgrade() else { return Ok(()) };
        if functions.lets_in(&source.scope, arn, &source.principal, &source.arn).await {
            return Ok(());
        }
        let message = format!(
            "the policy of the function {arn} does not let {} invoke it for {}; add it: aws lambda add-permission",
            source.principal, source.arn
        );
        Err(PushError::lasting("NO_PERMISSIONS", message))
    }
}
