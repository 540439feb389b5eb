//! `GetAccountSettings`: the limits, and what is used of them, counted now.

use serde_json::json;
use tindra_core::function::Function;
use tindra_core::limits;
use tindra_model::Reply;
use tindra_store::JsonRecords as _;

use crate::error::ControlError;
use crate::{Caller, Control};

/// Records read at once.
const PAGE: usize = 256;

impl Control {
    pub(crate) async fn get_account_settings(&self, caller: &Caller) -> Result<Reply, ControlError> {
        let (mut functions, mut code_bytes) = (0_u64, 0_u64);
        let prefix = Function::key_prefix(Some(&caller.scope));
        let mut after: Option<String> = None;
        loop {
            let page = self.store.metadata.list_json::<Function>(&prefix, after.as_deref(), PAGE).await?;
            functions += page.len() as u64;
            code_bytes += page.iter().map(|record| record.value.desired.code.size_bytes).sum::<u64>();
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
        Ok(Reply::new(json!({
            "AccountLimit": {
                "TotalCodeSize": limits::TOTAL_CODE_SIZE_BYTES,
                "CodeSizeUnzipped": limits::UNZIPPED_BYTES_MAX,
                "CodeSizeZipped": limits::ZIP_BYTES_MAX,
                "ConcurrentExecutions": self.options.concurrent_executions_max,
                "UnreservedConcurrentExecutions": self.options.concurrent_executions_max,
            },
            "AccountUsage": { "TotalCodeSize": code_bytes, "FunctionCount": functions },
        })))
    }
}
