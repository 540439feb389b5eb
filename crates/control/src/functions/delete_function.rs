//! `DeleteFunction`: a whole function with all that belongs to it, or one published version. Invokes that run
//! end in peace; code packages are swept later.

use serde_json::Value;
use tindra_core::alias::Alias;
use tindra_core::function::{Function, Version};
use tindra_core::name::{FunctionName, LATEST};
use tindra_model::Reply;
use tindra_model::lambda::functions::{DeleteFunctionRequest, DeleteFunctionResponse};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError, Versioned};

use crate::concurrency::Reserves;
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

/// What AWS answers, although the newest model says 200.
const STATUS: u16 = 204;

impl Control {
    pub(crate) async fn delete_function(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: DeleteFunctionRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let whole = FunctionName { name: name.name.clone(), qualifier: None };
        loop {
            let record = self.find(&caller.scope, &whole).await?;
            let batch = match name.qualifier.as_deref() {
                None => self.delete_whole(record).await?,
                Some(LATEST) => {
                    let message = "$LATEST version cannot be deleted without deleting the function.";
                    return Err(ControlError::invalid(message));
                }
                Some(qualifier) => match Version::parse(qualifier) {
                    Some(version) => self.delete_version(caller, &name, record, version).await?,
                    None => return Err(ControlError::invalid("Deletion of aliases is not currently supported.")),
                },
            };
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    let output = DeleteFunctionResponse { status_code: Some(i32::from(STATUS)) };
                    return Ok(Reply { status: Some(STATUS), ..reply(output)? });
                }
                // It has settled or changed meanwhile; it is to go all the same.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn delete_whole(&self, record: Versioned<Function>) -> Result<Batch, ControlError> {
        let function = &record.value;
        let batch = Batch::default().delete(record.key, Precondition::Revision(record.revision));
        let batch = self.detach_all(batch, &function.scope, &function.name).await?;
        let batch = self.leave_code_signing(batch, function);
        if function.reserved_concurrency.is_none() {
            return Ok(batch);
        }
        let mut reserves = Reserves::read(&self.store, &function.scope).await?;
        reserves.set(&function.name, None);
        Ok(reserves.write(batch)?)
    }

    async fn delete_version(
        &self,
        caller: &Caller,
        name: &FunctionName,
        latest: Versioned<Function>,
        version: Version,
    ) -> Result<Batch, ControlError> {
        let record = self.find(&caller.scope, name).await?;
        let aliases: Vec<Alias> = self.all(&Alias::key_prefix(&caller.scope, &name.name)).await?;
        let leading: Vec<_> =
            aliases.iter().filter(|alias| alias.leads_to(version)).map(|alias| alias.name.as_str()).collect();
        if !leading.is_empty() {
            return Err(ControlError::Conflict(format!(
                "Unable to delete version because the following aliases reference it: [{}]",
                leading.join(", ")
            )));
        }
        // Writing the function as it is makes the batch fail when an alias comes meanwhile.
        let batch = Batch::default()
            .put_json(latest.key, Precondition::Revision(latest.revision), &latest.value)?
            .delete(record.key, Precondition::Revision(record.revision));
        self.detach(batch, &caller.scope, &name.name, &version.to_string()).await
    }
}
