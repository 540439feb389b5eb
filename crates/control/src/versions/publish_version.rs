//! `PublishVersion`: an immutable copy of `$LATEST`, unless nothing has changed since the last one.

use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::versions::PublishVersionRequest;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use super::Numbered;
use crate::change::check_changeable;
use crate::error::ControlError;
use crate::shape::{self, View};
use crate::{Caller, Control, read, reply, unsupported};

const STATUS: u16 = 201;

impl Control {
    pub(crate) async fn publish_version(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        unsupported::refuse(&input)?;
        let request: PublishVersionRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        loop {
            let record = self.find(&caller.scope, &name).await?;
            let latest = &record.value;
            check_changeable(latest, request.revision_id.as_deref())?;
            check_code(&latest.desired.code.sha256, request.code_sha256.as_deref())?;
            // Writing it as it is makes the batch fail when it is changed or deleted meanwhile.
            let batch =
                Batch::default().put_json(record.key.clone(), Precondition::Revision(record.revision), latest)?;
            let description = request.description.as_deref().filter(|text| !text.is_empty());
            let Numbered { version, is_new, batch } = self.number(latest, description, batch).await?;
            if is_new {
                self.check_code_storage(&caller.scope, version.desired.code.size_bytes).await?;
                match self.store.metadata.commit(batch).await {
                    Ok(_) => {}
                    Err(StoreError::Conflict { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            let number = version.version.to_string();
            let view = View { qualifier: Some(&number), ..View::default() };
            return Ok(Reply { status: Some(STATUS), ..reply(self.configuration(&version, view))? });
        }
    }
}

fn check_code(sha256: &str, wanted: Option<&str>) -> Result<(), ControlError> {
    let now = shape::code_sha256(sha256);
    match wanted.filter(|wanted| !wanted.is_empty() && *wanted != now) {
        Some(wanted) => Err(ControlError::Invalid(format!(
            "CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({now}). Please try again with the CodeSHA256 in $LATEST."
        ))),
        None => Ok(()),
    }
}
