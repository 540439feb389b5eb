//! `PutFunctionConcurrency`, `GetFunctionConcurrency`, `DeleteFunctionConcurrency`.

use serde_json::Value;
use tindra_core::function::Scope;
use tindra_core::limits;
use tindra_core::name::FunctionName;
use tindra_core::provisioned::Provisioned;
use tindra_model::Reply;
use tindra_model::lambda::concurrency::{
    DeleteFunctionConcurrencyRequest, GetFunctionConcurrencyRequest, GetFunctionConcurrencyResponse,
    PutFunctionConcurrencyRequest,
};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use super::Reserves;
use crate::error::ControlError;
use crate::shape::small;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn put_function_concurrency(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: PutFunctionConcurrencyRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let reserve = u32::try_from(request.reserved_concurrent_executions).unwrap_or(0);
        self.set_reserve(&caller.scope, &name, Some(reserve)).await?;
        reply(GetFunctionConcurrencyResponse { reserved_concurrent_executions: Some(small(reserve)) })
    }

    pub(crate) async fn get_function_concurrency(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetFunctionConcurrencyRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let function = self.find(&caller.scope, &name).await?.value;
        reply(GetFunctionConcurrencyResponse {
            reserved_concurrent_executions: function.reserved_concurrency.map(small),
        })
    }

    pub(crate) async fn delete_function_concurrency(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: DeleteFunctionConcurrencyRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        self.set_reserve(&caller.scope, &name, None).await?;
        Ok(Reply::default())
    }

    /// It is no change of code or configuration: the revision id stays, and nothing is prepared anew.
    async fn set_reserve(&self, scope: &Scope, name: &FunctionName, reserve: Option<u32>) -> Result<(), ControlError> {
        loop {
            let mut record = self.find(scope, name).await?;
            let mut reserves = Reserves::read(&self.store, scope).await?;
            reserves.set(&name.name, reserve);
            let provisioned: Vec<Provisioned> = self.all(&Provisioned::scope_prefix(scope)).await?;
            let kept = i64::from(reserves.sum()) + i64::from(reserves.sum_outside(&provisioned));
            let left = i64::from(self.options.concurrent_executions_max) - kept;
            if reserve.is_some() && left < i64::from(limits::UNRESERVED_CONCURRENCY_MIN) {
                return Err(ControlError::Invalid(format!(
                    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{}].",
                    limits::UNRESERVED_CONCURRENCY_MIN
                )));
            }
            check_provisioned(&provisioned, &name.name, reserve)?;
            record.value.reserved_concurrency = reserve;
            let precondition = Precondition::Revision(record.revision);
            let batch = Batch::default().put_json(record.key, precondition, &record.value)?;
            match self.store.metadata.commit(reserves.write(batch)?).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A reserve has to hold what is provisioned.
fn check_provisioned(provisioned: &[Provisioned], name: &str, reserve: Option<u32>) -> Result<(), ControlError> {
    let own = provisioned.iter().filter(|provisioned| provisioned.function_name == name);
    let sum: u32 = own.map(|provisioned| provisioned.requested).sum();
    match reserve.filter(|reserve| *reserve < sum) {
        Some(_) => Err(ControlError::Invalid(format!(
            "ReservedConcurrentExecutions for function should not be lower than function's total provisioned concurrency [{sum}]."
        ))),
        None => Ok(()),
    }
}
