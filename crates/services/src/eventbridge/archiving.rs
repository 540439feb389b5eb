//! How events get into archives, and out of them when they have been kept long enough.
//!
//! An event that an archive takes waits in a queue, durable together with all else that comes of it, and is appended to the
//! archive's journal from there. The record of how much the archive holds guards both.

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use tindra_store::{
    Batch, JournalChange, JsonBatch as _, JsonRecords as _, Message, Precondition, StoreError, Versioned,
};

use super::EventBridgeService;
use super::alarms::{Alarm, Named};
use super::event::Event;
use super::names::Kind;
use super::records::{Archive, ArchiveFigures, Archived};
use crate::outbox::Rung;

/// How often it is looked for what is not kept any more.
pub(super) const TRIM_INTERVAL_MS: u64 = 24 * 60 * 60 * 1_000;
/// Events looked at in one step.
const STEP: usize = 256;

impl EventBridgeService {
    /// What an archive gets of an event; nothing of one that was replayed.
    pub(super) fn message_for_archive(&self, archive: &Archive, event: &Event) -> Option<Message> {
        if event.is_replayed() {
            return None;
        }
        let archived = Archived {
            taken_ms: event.ingested_ms,
            time_ms: event.time_ms(),
            event: String::from_utf8_lossy(event.text()).into_owned(),
        };
        let scope = &archive.bus.scope;
        let alarm = Alarm::Archive(Named { scope: scope.clone(), name: archive.name.clone(), id: archive.id });
        let body = serde_json::to_vec(&archived).ok()?;
        Some(alarm.with_body(scope, body.into(), event.ingested_ms, event.ingested_ms))
    }

    /// The archive as it is; none when it has gone.
    pub(super) async fn archive(&self, named: &Named) -> Result<Option<Archive>, StoreError> {
        let key = Kind::Archive.key(&named.scope, &named.name);
        let archive: Option<Versioned<Archive>> = self.around.store.metadata.get_json(&key).await?;
        Ok(archive.map(|archive| archive.value).filter(|archive| archive.id == named.id))
    }

    /// Appends an event.
    pub(super) async fn take_into(&self, named: &Named, body: &Bytes) -> Result<Rung, StoreError> {
        let Some(archive) = self.archive(named).await? else { return Ok(Rung::default()) };
        let (figures, guard) = self.figures(&archive).await?;
        let journal = archive.journal();
        let at = self.around.store.journals.bounds(&journal).await?.end;
        let figures = ArchiveFigures { events: figures.events + 1, bytes: figures.bytes + bytes_of(body) };
        let batch = Batch::default().put_json(archive.figures_key(), guard, &figures)?.journal(JournalChange::Append {
            journal,
            at,
            records: vec![body.clone()],
        });
        Ok(Rung { batch, ..Rung::default() })
    }

    /// Removes events that are not kept any more.
    pub(super) async fn trim(&self, named: &Named) -> Result<Rung, StoreError> {
        let Some(archive) = self.archive(named).await? else { return Ok(Rung::default()) };
        let now_ms = self.now_ms();
        let head = Alarm::Trim(named.clone()).head();
        let later = Rung { again: Some((now_ms.saturating_add(TRIM_INTERVAL_MS), head.clone())), ..Rung::default() };
        let Some(since_ms) = archive.kept_since_ms(now_ms) else { return Ok(later) };
        let (figures, guard) = self.figures(&archive).await?;
        let journal = archive.journal();
        let oldest = self.around.store.journals.read(&journal, 0, STEP, usize::MAX).await?;
        let expired: Vec<&(u64, Bytes)> = oldest.iter().take_while(|(_, body)| is_before(body, since_ms)).collect();
        let Some((last, _)) = expired.last() else { return Ok(later) };
        let bytes: u64 = expired.iter().map(|(_, body)| bytes_of(body)).sum();
        let count = u64::try_from(expired.len()).unwrap_or(u64::MAX);
        let figures =
            ArchiveFigures { events: figures.events.saturating_sub(count), bytes: figures.bytes.saturating_sub(bytes) };
        let batch = Batch::default()
            .put_json(archive.figures_key(), guard, &figures)?
            .journal(JournalChange::Trim { journal, before: last + 1 });
        let again = if expired.len() == STEP { Some((now_ms, head)) } else { later.again };
        Ok(Rung { batch, again, ..Rung::default() })
    }

    async fn figures(&self, archive: &Archive) -> Result<(ArchiveFigures, Precondition), StoreError> {
        let record: Option<Versioned<ArchiveFigures>> =
            self.around.store.metadata.get_json(&archive.figures_key()).await?;
        Ok(match record {
            Some(record) => (record.value, Precondition::Revision(record.revision)),
            None => (ArchiveFigures::default(), Precondition::Absent),
        })
    }
}

fn is_before(body: &Bytes, since_ms: UnixMs) -> bool {
    serde_json::from_slice::<Archived>(body).is_ok_and(|archived| archived.taken_ms < since_ms)
}

/// The size of the event in a record.
fn bytes_of(body: &Bytes) -> u64 {
    let size = serde_json::from_slice::<Archived>(body).map_or(body.len(), |archived| archived.event.len());
    u64::try_from(size).unwrap_or(u64::MAX)
}
