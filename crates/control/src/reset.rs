//! Emptying everything, for development servers.

use std::collections::BTreeSet;

use tindra_core::function::LATEST_PREFIX;
use tindra_store::{Batch, JournalChange};

use crate::error::ControlError;
use crate::{Control, link, sweep};

/// Records read and removed at once.
const PAGE: usize = 512;

impl Control {
    /// Removes every function of every account with its code and its logs, and whatever else lies in the store.
    /// Links to code end with the code.
    ///
    /// # Errors
    /// When the store fails; what is gone by then stays gone.
    pub async fn reset(&self) -> Result<(), ControlError> {
        let mut scopes = BTreeSet::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.store.metadata.list("", after.as_deref(), PAGE).await?;
            let batch =
                page.iter().filter(|record| record.key != link::KEY_RECORD).fold(Batch::default(), |batch, record| {
                    batch.delete(record.key.clone(), tindra_store::Precondition::None)
                });
            if !batch.changes.is_empty() {
                self.store.metadata.commit(batch).await?;
            }
            scopes.extend(page.iter().filter_map(|record| log_scope(&record.key)));
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
        let journals = self.store.journals.names().await?.into_iter();
        let batch = journals.fold(Batch::default(), |batch, journal| batch.journal(JournalChange::Remove { journal }));
        if !batch.journals.is_empty() {
            self.store.metadata.commit(batch).await?;
        }
        for scope in &scopes {
            for group in self.store.logs.groups(scope).await? {
                self.store.logs.delete_group(scope, &group.name).await?;
            }
        }
        sweep::sweep(&self.store, &self.packages).await?;
        Ok(())
    }
}

/// `ACCOUNT/REGION` in the key of a function.
fn log_scope(key: &str) -> Option<String> {
    let mut parts = key.strip_prefix(LATEST_PREFIX)?.split('/');
    Some(format!("{}/{}", parts.next()?, parts.next()?))
}
