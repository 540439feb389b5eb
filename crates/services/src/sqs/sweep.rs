//! What nobody asks for is removed beside: messages that are too old, mailboxes that no queue has any more, and deduplication ids
//! that no longer count. Nobody sees them meanwhile; they only take room.

use std::sync::Arc;

use tindra_core::clock::Timer;
use tindra_store::{JsonRecords as _, MailWork, Store, StoreError};

use super::names;
use super::record::Queue;

/// Between two looks for deduplication ids.
const KEYS_EACH_MS: u64 = 60_000;
/// Mailboxes are gone through at every so many of them.
const MAILBOXES_EACH: u64 = 60;
/// Letters or keys of one transaction, so that others do not wait for long.
const AT_ONCE: usize = 1_000;
/// Mailboxes that are listed at once.
const MAILBOXES_AT_ONCE: usize = 100;

/// Sweeps until it is aborted.
pub(super) async fn run(store: Store, timer: Arc<dyn Timer>) {
    for round in 0_u64.. {
        let now_ms = timer.unix_ms();
        if let Err(error) = forget_keys(&store, now_ms).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "deduplication ids could not be let go; trying again"
            );
        }
        if round.is_multiple_of(MAILBOXES_EACH)
            && let Err(error) = mailboxes(&store, now_ms).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "old messages could not be removed; trying again");
        }
        while timer.unix_ms() < now_ms.saturating_add(KEYS_EACH_MS) {
            timer.wait_until(now_ms.saturating_add(KEYS_EACH_MS)).await;
        }
    }
}

async fn forget_keys(store: &Store, until_ms: u64) -> Result<(), StoreError> {
    work_off(store, MailWork::ForgetKeys { until_ms, keys_max: AT_ONCE }).await
}

async fn mailboxes(store: &Store, now_ms: u64) -> Result<(), StoreError> {
    let mut after = names::MAILBOX_PREFIX.to_owned();
    loop {
        let found = store.mailboxes.mailboxes(&after, MAILBOXES_AT_ONCE).await?;
        let Some(last) = found.last().cloned() else { return Ok(()) };
        after = last;
        for mailbox in found.iter().filter(|mailbox| mailbox.starts_with(names::MAILBOX_PREFIX)) {
            match owner(store, mailbox).await? {
                Some(queue) => {
                    let visible_ms = queue.expired_ms(now_ms);
                    let work = MailWork::Expire { mailbox: mailbox.clone(), visible_ms, letters_max: AT_ONCE };
                    work_off(store, work).await?;
                }
                None => clear(store, mailbox).await,
            }
        }
    }
}

/// The queue that has a mailbox, as the store knows it.
async fn owner(store: &Store, mailbox: &str) -> Result<Option<Queue>, StoreError> {
    let Some((scope, name, generation)) = names::of_mailbox(mailbox) else { return Ok(None) };
    let queue = store.metadata.get_json::<Queue>(&Queue::key(&scope, name)).await?;
    Ok(queue.map(|queue| queue.value).filter(|queue| queue.generation == generation))
}

/// Removes all that is in a mailbox.
pub(super) async fn clear(store: &Store, mailbox: &str) {
    let work = MailWork::Clear { mailbox: mailbox.to_owned(), number_max: u64::MAX, letters_max: AT_ONCE };
    if let Err(error) = work_off(store, work).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, mailbox, "what a queue has left behind could not be removed; the next sweep tries again");
    }
}

async fn work_off(store: &Store, work: MailWork) -> Result<(), StoreError> {
    while store.mailboxes.work(work.clone()).await? >= AT_ONCE as u64 {}
    Ok(())
}
