//! What is not kept any more is removed beside: records that are too old, closed shards that have none left, and the journals of
//! what was deleted. Nobody sees them meanwhile; they only take room.

use std::sync::Arc;

use tindra_core::clock::{Timer, UnixMs};
use tindra_store::{
    Batch, JournalChange, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned,
};

use super::appender::Appenders;
use super::names::journal;
use super::place::first_since;
use super::records::{GONE, Gone, STREAMS, Stream};

/// Between two looks.
const EACH_MS: u64 = 60_000;
/// Records of one transaction, so that others do not wait for long.
const AT_ONCE: u64 = 1_000;
/// Streams read at once.
const PAGE: usize = 32;

/// Sweeps until it is aborted.
pub(super) async fn run(store: Store, timer: Arc<dyn Timer>, appenders: Arc<Appenders>) {
    loop {
        let now_ms = timer.unix_ms();
        if let Err(error) = sweep(&store, &appenders, now_ms).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "old records of streams could not be removed; trying again");
        }
        while timer.unix_ms() < now_ms.saturating_add(EACH_MS) {
            timer.wait_until(now_ms.saturating_add(EACH_MS)).await;
        }
    }
}

/// Removes what is not kept any more by now.
pub(super) async fn sweep(store: &Store, appenders: &Appenders, now_ms: UnixMs) -> Result<(), StoreError> {
    let mut after: Option<String> = None;
    loop {
        let page: Vec<Versioned<Stream>> = store.metadata.list_json(STREAMS, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|stream| stream.key.clone());
        for stream in page {
            trim(store, &stream.value, now_ms).await?;
            drop_shards(store, appenders, stream, now_ms).await?;
        }
        if is_last {
            break;
        }
    }
    for gone in store.metadata.list_json::<Gone>(GONE, None, PAGE).await? {
        remove(store, gone).await?;
    }
    Ok(())
}

/// Removes all streams with their journals.
pub(super) async fn remove_all(store: &Store, appenders: &Appenders) -> Result<(), StoreError> {
    let mut after: Option<String> = None;
    loop {
        let page: Vec<Versioned<Stream>> = store.metadata.list_json(STREAMS, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for Versioned { key, value: stream, .. } in page {
            let gone = Gone::new(&stream, stream.shards.iter().map(|shard| shard.number));
            remove(store, Versioned { key, value: gone, revision: 0 }).await?;
            appenders.forget_stream(stream.id);
        }
    }
    for gone in store.metadata.list_json::<Gone>(GONE, None, usize::MAX).await? {
        remove(store, gone).await?;
    }
    Ok(())
}

/// Removes records that are too old.
async fn trim(store: &Store, stream: &Stream, now_ms: UnixMs) -> Result<(), StoreError> {
    for shard in &stream.shards {
        let journal = journal(stream.id, shard.number);
        let kept = first_since(store.journals.as_ref(), &journal, stream.horizon_ms(now_ms)).await?;
        trim_to(store, &journal, kept).await?;
    }
    Ok(())
}

async fn trim_to(store: &Store, journal: &str, kept: u64) -> Result<(), StoreError> {
    let mut first = store.journals.bounds(journal).await?.first;
    while first < kept {
        first = kept.min(first.saturating_add(AT_ONCE));
        let change = JournalChange::Trim { journal: journal.to_owned(), before: first };
        store.metadata.commit(Batch::default().journal(change)).await?;
    }
    Ok(())
}

/// Removes closed shards in which nothing is left.
async fn drop_shards(
    store: &Store,
    appenders: &Appenders,
    mut stream: Versioned<Stream>,
    now_ms: UnixMs,
) -> Result<(), StoreError> {
    let horizon_ms = stream.value.horizon_ms(now_ms);
    let (kept, dropped) =
        std::mem::take(&mut stream.value.shards).into_iter().partition(|shard| shard.is_open_at(horizon_ms));
    stream.value.shards = kept;
    let dropped: Vec<u32> = Vec::into_iter(dropped).map(|shard: super::records::Shard| shard.number).collect();
    if dropped.is_empty() {
        return Ok(());
    }
    let gone = Gone::new(&stream.value, dropped.iter().copied());
    let batch = Batch::default()
        .put_json(stream.key, Precondition::Revision(stream.revision), &stream.value)?
        .put_json(gone.key(), Precondition::Absent, &gone)?;
    match store.metadata.commit(batch).await {
        Ok(_) => appenders.forget(stream.value.id, dropped),
        // Changed meanwhile; the next look sees it.
        Err(StoreError::Conflict { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Removes journals bit by bit, and in the end what tells of them.
async fn remove(store: &Store, gone: Versioned<Gone>) -> Result<(), StoreError> {
    let mut batch = Batch::default().delete(gone.key, Precondition::None);
    for shard in gone.value.shards {
        let journal = journal(gone.value.stream, shard);
        let end = store.journals.bounds(&journal).await?.end;
        trim_to(store, &journal, end).await?;
        batch = batch.journal(JournalChange::Remove { journal });
    }
    store.metadata.commit(batch).await.map(drop)
}
