//! `GetAccountSettings`: the limits, and what is used of them.

use tindra_core::limits;
use tindra_model::Reply;
use tindra_model::lambda::account::{AccountLimit, AccountUsage, GetAccountSettingsResponse};

use crate::concurrency::Reserves;
use crate::error::ControlError;
use crate::shape::{small, whole};
use crate::{Caller, Control, reply};

impl Control {
    pub(crate) async fn get_account_settings(&self, caller: &Caller) -> Result<Reply, ControlError> {
        let used = self.usage.of(&caller.scope).await?;
        let reserved = Reserves::read(&self.store, &caller.scope).await?.sum();
        let unreserved = self.options.concurrent_executions_max.saturating_sub(reserved);
        let concurrency = Some(small(self.options.concurrent_executions_max));
        reply(GetAccountSettingsResponse {
            account_limit: Some(AccountLimit {
                total_code_size: Some(whole(self.options.code_bytes_max)),
                code_size_unzipped: Some(whole(limits::UNZIPPED_BYTES_MAX)),
                code_size_zipped: Some(whole(limits::ZIP_BYTES_MAX as u64)),
                concurrent_executions: concurrency,
                unreserved_concurrent_executions: Some(small(unreserved)),
            }),
            account_usage: Some(AccountUsage {
                total_code_size: Some(whole(used.code_bytes)),
                function_count: Some(whole(used.functions)),
            }),
        })
    }
}
