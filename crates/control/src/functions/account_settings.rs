//! `GetAccountSettings`: the limits, and what is used of them, counted now.

use tindra_core::function::Function;
use tindra_core::limits;
use tindra_model::Reply;
use tindra_model::lambda::account::{AccountLimit, AccountUsage, GetAccountSettingsResponse};
use tindra_store::JsonRecords as _;

use crate::concurrency::Reserves;
use crate::error::ControlError;
use crate::shape::{small, whole};
use crate::{Caller, Control, reply};

/// Records read at once.
const PAGE: usize = 256;

impl Control {
    pub(crate) async fn get_account_settings(&self, caller: &Caller) -> Result<Reply, ControlError> {
        let (mut functions, mut code_bytes) = (0_u64, 0_u64);
        let prefix = Function::key_prefix(&caller.scope);
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
        let reserved = Reserves::read(&self.store, &caller.scope).await?.sum();
        let unreserved = self.options.concurrent_executions_max.saturating_sub(reserved);
        let concurrency = Some(small(self.options.concurrent_executions_max));
        reply(GetAccountSettingsResponse {
            account_limit: Some(AccountLimit {
                total_code_size: Some(whole(limits::TOTAL_CODE_SIZE_BYTES)),
                code_size_unzipped: Some(whole(limits::UNZIPPED_BYTES_MAX)),
                code_size_zipped: Some(whole(limits::ZIP_BYTES_MAX as u64)),
                concurrent_executions: concurrency,
                unreserved_concurrent_executions: Some(small(unreserved)),
            }),
            account_usage: Some(AccountUsage {
                total_code_size: Some(whole(code_bytes)),
                function_count: Some(whole(functions)),
            }),
        })
    }
}
