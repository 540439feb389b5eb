//! What CloudWatch Logs needs to know of the functions that get its events.

use std::sync::Arc;

use tindra_core::function::{Function, Scope};
use tindra_core::name::FunctionReference;
use tindra_doors::front_door::Functions as _;
use tindra_services::logs::{Destinations, LogsTo};
use tindra_store::{BoxFuture, JsonRecords as _, Store};

use crate::adapters::FunctionsOfLambda;

/// Functions as destinations of log events.
#[derive(Debug)]
pub(crate) struct FunctionsOfLogs {
    pub(crate) functions: Arc<FunctionsOfLambda>,
    pub(crate) store: Store,
}

impl Destinations for FunctionsOfLogs {
    fn find<'a>(
        &'a self,
        scope: &'a Scope,
        function_arn: &'a str,
        source_arn: &'a str,
    ) -> BoxFuture<'a, Option<LogsTo>> {
        Box::pin(async move {
            let reference = FunctionReference::parse(function_arn).ok()?;
            let owner = reference.owner(scope);
            let key = Function::key(&owner, reference.name);
            let found = self.store.metadata.get_json::<Function>(&key).await;
            let found = found.inspect_err(|error| {
                tracing::error!(error = error as &dyn std::error::Error, function_arn, "a function could not be read");
            });
            let group = found.ok()??.value.desired.configuration.logging.group;
            // Policies name either; AWS's own examples the one of the region.
            for principal in [format!("logs.{}.amazonaws.com", scope.region), "logs.amazonaws.com".to_owned()] {
                if self.functions.lets_in(scope, function_arn, &principal, source_arn).await {
                    return Some(LogsTo { scope: owner, group, principal });
                }
            }
            None
        })
    }
}
