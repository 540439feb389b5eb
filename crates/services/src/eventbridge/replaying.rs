//! A replay at work: step by step through the archive's journal, each step one commit with what it pushes.

use std::sync::Arc;

use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Message, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::EventBridgeService;
use super::alarms::{Alarm, Named};
use super::event::{Event, REPLAY_NAME};
use super::live::{Listener, Live};
use super::names::Kind;
use super::records::{Archived, Replay, ReplayState};
use crate::outbox::Rung;

/// Events looked at in one step.
const STEP: usize = 32;

impl EventBridgeService {
    /// The next step of a replay.
    pub(super) async fn replay_on(&self, named: &Named) -> Result<Rung, StoreError> {
        let key = Kind::Replay.key(&named.scope, &named.name);
        let record: Option<Versioned<Replay>> = self.around.store.metadata.get_json(&key).await?;
        let Some(record) = record.filter(|record| record.value.id == named.id && !record.value.state.is_over()) else {
            return Ok(Rung::default());
        };
        let (mut replay, now_ms) = (record.value, self.now_ms());
        let messages = self.step(&mut replay).await?;
        if replay.state.is_over() {
            replay.ended_ms = Some(now_ms);
        }
        let again = (!replay.state.is_over()).then(|| (now_ms, Alarm::Replay(named.clone()).head()));
        let batch = Batch::default().put_json(key, Precondition::Revision(record.revision), &replay)?;
        Ok(Rung { batch, messages, again })
    }

    /// What comes of the next events.
    async fn step(&self, replay: &mut Replay) -> Result<Vec<Message>, StoreError> {
        let archive = &replay.archive;
        let named = Named { scope: archive.bus.scope.clone(), name: archive.name.clone(), id: archive.id };
        let Some(archive) = self.archive(&named).await? else {
            replay.state = ReplayState::Failed;
            replay.state_reason = Some("The archive was deleted.".to_owned());
            return Ok(Vec::new());
        };
        if self.table.catch_up().await.is_err() {
            // The next step finds the same place.
            return Ok(Vec::new());
        }
        let page = self.around.store.journals.read(&archive.journal(), replay.offset, STEP, usize::MAX).await?;
        let kept_since_ms = archive.kept_since_ms(self.now_ms()).unwrap_or(0);
        let (mut messages, mut next) = (Vec::new(), replay.end);
        for (offset, body) in page.into_iter().filter(|(offset, _)| *offset < replay.end) {
            next = offset + 1;
            let Ok(archived) = serde_json::from_slice::<Archived>(&body) else { continue };
            let is_wanted = (replay.from_ms..=replay.to_ms).contains(&archived.time_ms);
            if is_wanted && archived.taken_ms >= kept_since_ms {
                messages.extend(self.again(replay, &archived).await?);
                replay.last_replayed_ms = replay.last_replayed_ms.max(Some(archived.time_ms));
            }
        }
        replay.offset = next;
        replay.state = if next >= replay.end { ReplayState::Completed } else { ReplayState::Running };
        Ok(messages)
    }

    /// What comes of an event that is sent again.
    async fn again(&self, replay: &Replay, archived: &Archived) -> Result<Vec<Message>, StoreError> {
        let scope = &replay.archive.bus.scope;
        let read = Event::read(archived.event.as_bytes(), Uuid::new_v4(), scope, self.now_ms());
        let Ok(mut event) = read else { return Ok(Vec::new()) };
        event.value[REPLAY_NAME] = replay.name.as_str().into();
        let mut messages = Vec::new();
        for live in self.table.matching(&replay.archive.bus, &event) {
            if let Some(Listener::Rule(rule)) = wanted(replay, &live) {
                messages.extend(self.messages_for(rule, &event).await?);
            }
        }
        Ok(messages)
    }
}

/// A rule that the replay is for.
fn wanted<'a>(replay: &Replay, live: &'a Arc<Live>) -> Option<&'a Listener> {
    let Listener::Rule(rule) = &live.listener else { return None };
    let is_wanted = replay.filter_arns.is_empty() || replay.filter_arns.contains(&rule.arn());
    is_wanted.then_some(&live.listener)
}
