//! What is attached to a function or to one of its versions or aliases, and goes with it.
//!
//! Each kind has its records under `KIND/ACCOUNT/REGION/FUNCTION/QUALIFIER`, with `$LATEST` as the qualifier of
//! the unpublished version.

use tindra_core::alias::Alias;
use tindra_core::event_invoke_config::EVENT_INVOKE_CONFIG_PREFIX;
use tindra_core::function::{Function, Scope};
use tindra_core::function_url::URL_KIND;
use tindra_core::scaling::SCALABLE_TARGET_KIND;
use tindra_store::{Batch, Precondition};

use crate::Control;
use crate::error::ControlError;

/// A kind of record that belongs to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attachment {
    /// Resource policies.
    Policy,
    /// Function URLs.
    Url,
    /// Configurations of asynchronous invokes.
    EventInvokeConfig,
    /// Provisioned concurrency.
    ProvisionedConcurrency,
    /// What scales provisioned concurrency, with its policies and scheduled actions.
    ScalableTarget,
}

impl Attachment {
    const ALL: [Self; 5] =
        [Self::Policy, Self::Url, Self::EventInvokeConfig, Self::ProvisionedConcurrency, Self::ScalableTarget];

    fn kind(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Url => URL_KIND,
            Self::EventInvokeConfig => EVENT_INVOKE_CONFIG_PREFIX.trim_end_matches('/'),
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::ScalableTarget => SCALABLE_TARGET_KIND,
        }
    }

    /// The prefix of the keys of those that belong to one function.
    pub(crate) fn prefix(self, scope: &Scope, function: &str) -> String {
        format!("{}/{}/{}/{function}/", self.kind(), scope.account, scope.region)
    }

    /// The key of the one that belongs to a version or an alias.
    pub(crate) fn key(self, scope: &Scope, function: &str, qualifier: &str) -> String {
        format!("{}{qualifier}", self.prefix(scope, function))
    }
}

impl Control {
    /// Adds to a batch that everything goes which belongs to a function, the function's own record apart.
    pub(crate) async fn detach_all(
        &self,
        mut batch: Batch,
        scope: &Scope,
        function: &str,
    ) -> Result<Batch, ControlError> {
        batch = self.drop_url_ids(batch, scope, function).await?;
        let prefixes = [Function::versions_prefix(scope, function), Alias::key_prefix(scope, function)];
        let attachments = Attachment::ALL.map(|attachment| attachment.prefix(scope, function));
        for prefix in prefixes.into_iter().chain(attachments) {
            batch = self.delete_under(batch, &prefix).await?;
        }
        Ok(batch)
    }

    /// Adds to a batch that everything goes which belongs to one version or alias. The batch can fail when
    /// something comes meanwhile; then it is to be made anew.
    pub(crate) async fn detach(
        &self,
        batch: Batch,
        scope: &Scope,
        function: &str,
        qualifier: &str,
    ) -> Result<Batch, ControlError> {
        let batch = self.drop_url(batch, scope, function, qualifier).await?;
        let others = Attachment::ALL.into_iter().filter(|attachment| *attachment != Attachment::Url);
        Ok(others.fold(batch, |batch, attachment| {
            batch.delete(attachment.key(scope, function, qualifier), Precondition::None)
        }))
    }

    async fn delete_under(&self, mut batch: Batch, prefix: &str) -> Result<Batch, ControlError> {
        const AT_ONCE: usize = 256;
        let mut after: Option<String> = None;
        loop {
            let page = self.store.metadata.list(prefix, after.as_deref(), AT_ONCE).await?;
            let is_last = page.len() < AT_ONCE;
            after = page.last().map(|record| record.key.clone());
            batch = page.into_iter().fold(batch, |batch, record| batch.delete(record.key, Precondition::None));
            if is_last {
                return Ok(batch);
            }
        }
    }
}
