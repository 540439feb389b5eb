//! Making, finding, changing and removing queues.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_model::ApiError;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::error::{bad_value, missing, no_queue, number, optional, pairs, stored, text, texts};
use super::record::{Fifo, Known, Queue, Settings};
use super::{SqsService, attributes, names, sweep, tags};
use crate::Asker;

/// Queues of a page when the request does not say (AWS).
const PAGE_DEFAULT: usize = 1_000;
/// Between two purges of a queue (AWS).
const PURGE_MS: u64 = 60_000;
/// Changes that others came before are tried again as often.
const TRIES_MAX: usize = 10;

/// After which name a page begins and how long it is.
pub(super) fn page(input: &Value, default: usize) -> Result<(String, usize), ApiError> {
    let reason = "Must be between 1 and 1000, if provided.";
    let size = number(input, "MaxResults", 1..=1_000, reason)?
        .map_or(default, |size| usize::try_from(size).unwrap_or(default));
    let Some(token) = optional(input, "NextToken") else { return Ok((String::new(), size)) };
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let name = name.ok_or_else(|| bad_value("NextToken", token, "It is none that was given out."))?;
    Ok((name, size))
}

/// The token of the page after a name.
pub(super) fn token(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

impl SqsService {
    pub(super) async fn create_queue(&self, asker: Asker<'_>, input: &Value) -> Result<Value, ApiError> {
        let name = text(input, "QueueName")?;
        let given = pairs(input, "Attributes");
        let wants_fifo = given.iter().any(|(name, value)| *name == "FifoQueue" && value.eq_ignore_ascii_case("true"));
        names::check(name, wants_fifo)?;
        let url = json!({ "QueueUrl": names::url(asker.endpoint, &asker.scope.account, name) });
        for _ in 0..TRIES_MAX {
            if let Some(known) = self.find(asker.scope, name).await? {
                check_same(&known, &given)?;
                return Ok(url);
            }
            let mut settings = Settings { fifo: wants_fifo.then(Fifo::default), ..Settings::default() };
            attributes::set(&mut settings, &given, true)?;
            let now_ms = self.now_ms();
            let queue = Queue {
                scope: asker.scope.clone(),
                name: name.to_owned(),
                generation: Uuid::now_v7(),
                created_ms: now_ms,
                modified_ms: now_ms,
                purged_ms: 0,
                settings,
                tags: tags::merged(&BTreeMap::new(), &pairs(input, "tags"))?,
            };
            self.check_redrive(&queue).await?;
            let key = Queue::key(&queue.scope, name);
            let batch = Batch::default().put_json(key, Precondition::Absent, &queue).map_err(stored)?;
            match self.inner.around.store.metadata.commit(batch).await {
                Ok(_) => return Ok(url),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(stored(error)),
            }
        }
        Err(busy())
    }

    pub(super) async fn get_queue_url(&self, asker: Asker<'_>, input: &Value) -> Result<Value, ApiError> {
        let name = text(input, "QueueName")?;
        let owner = optional(input, "QueueOwnerAWSAccountId").unwrap_or(&asker.scope.account);
        if owner != asker.scope.account || self.find(asker.scope, name).await?.is_none() {
            return Err(no_queue());
        }
        Ok(json!({ "QueueUrl": names::url(asker.endpoint, owner, name) }))
    }

    pub(super) async fn list_queues(&self, asker: Asker<'_>, input: &Value) -> Result<Value, ApiError> {
        let (after, size) = page(input, PAGE_DEFAULT)?;
        let begin = Queue::key(asker.scope, "");
        let prefix = format!("{begin}{}", optional(input, "QueueNamePrefix").unwrap_or_default());
        let after = (!after.is_empty()).then(|| format!("{begin}{after}"));
        let store = &self.inner.around.store.metadata;
        let mut read: Vec<Versioned<Queue>> =
            store.list_json(&prefix, after.as_deref(), size + 1).await.map_err(stored)?;
        let has_more = read.len() > size;
        read.truncate(size);
        let urls: Vec<String> =
            read.iter().map(|record| names::url(asker.endpoint, &asker.scope.account, &record.value.name)).collect();
        let mut output = json!({});
        if !urls.is_empty() {
            output["QueueUrls"] = json!(urls);
        }
        // AWS pages only for those who ask for pages.
        if let Some(last) = read.last().filter(|_| has_more && input.get("MaxResults").is_some()) {
            output["NextToken"] = token(&last.value.name).into();
        }
        Ok(output)
    }

    pub(super) async fn get_attributes(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let names = texts(input, "AttributeNames");
        let wanted = attributes::wanted(&names)?;
        let is_counted = wanted.as_ref().is_none_or(|names| names.iter().any(|name| name.starts_with("Approximate")));
        let now_ms = self.now_ms();
        let counts = match is_counted {
            true => {
                let mailboxes = &self.inner.around.store.mailboxes;
                mailboxes.counts(&queue.mailbox, now_ms, queue.expired_ms(now_ms)).await.map_err(stored)?
            }
            false => Default::default(),
        };
        let mut shown = attributes::shown(queue, counts);
        shown.retain(|name, _| wanted.as_ref().is_none_or(|wanted| wanted.contains(&name.as_str())));
        Ok(if shown.is_empty() { json!({}) } else { json!({ "Attributes": shown }) })
    }

    pub(super) async fn set_attributes(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let given = pairs(input, "Attributes");
        if given.is_empty() {
            return Err(missing("Attribute.Name"));
        }
        let now_ms = self.now_ms();
        let changed = self
            .change(queue, |queue| {
                attributes::set(&mut queue.settings, &given, false)?;
                queue.modified_ms = now_ms;
                Ok(())
            })
            .await;
        changed.map(|()| json!({}))
    }

    /// Gives the queue another mailbox. What was in the old one is removed beside.
    pub(super) async fn purge_queue(&self, queue: &Known) -> Result<Value, ApiError> {
        let now_ms = self.now_ms();
        let mut old = String::new();
        self.change(queue, |queue| {
            if now_ms < queue.purged_ms.saturating_add(PURGE_MS) {
                let message = format!("Only one PurgeQueue operation on {} is allowed every 60 seconds.", queue.name);
                return Err(ApiError::new("PurgeQueueInProgress", message));
            }
            old = queue.mailbox();
            (queue.generation, queue.purged_ms) = (Uuid::now_v7(), now_ms);
            Ok(())
        })
        .await?;
        self.left_behind(queue.mailbox.clone(), old);
        Ok(json!({}))
    }

    pub(super) async fn delete_queue(&self, queue: &Known) -> Result<Value, ApiError> {
        let key = Queue::key(&queue.scope, &queue.name);
        let batch = Batch::default().delete(key, Precondition::None);
        self.inner.around.store.metadata.commit(batch).await.map_err(stored)?;
        self.left_behind(queue.mailbox.clone(), queue.mailbox.clone());
        Ok(json!({}))
    }

    /// Clears a mailbox that no queue has any more, and wakes whoever waits for it. Should the server end before, the sweep finds
    /// it.
    fn left_behind(&self, known: String, mailbox: String) {
        self.inner.polls.wake(&known);
        self.inner.polls.wake(&mailbox);
        let store = self.inner.around.store.clone();
        tokio::spawn(async move { sweep::clear(&store, &mailbox).await });
    }

    /// Changes a queue as it is in the store, again when others came before.
    pub(super) async fn change(
        &self,
        queue: &Queue,
        mut change: impl FnMut(&mut Queue) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let key = Queue::key(&queue.scope, &queue.name);
        let metadata = &self.inner.around.store.metadata;
        for _ in 0..TRIES_MAX {
            let read = metadata.get_json::<Queue>(&key).await.map_err(stored)?;
            let Versioned { mut value, revision, .. } = read.ok_or_else(no_queue)?;
            let before = value.settings.redrive.clone();
            change(&mut value)?;
            if value.settings.redrive != before {
                self.check_redrive(&value).await?;
            }
            let batch = Batch::default().put_json(&key, Precondition::Revision(revision), &value).map_err(stored)?;
            match metadata.commit(batch).await {
                Ok(_) => {
                    // Somebody may wait by an older setting.
                    self.inner.polls.wake(&value.mailbox());
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(stored(error)),
            }
        }
        Err(busy())
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.inner.around.timer.unix_ms()
    }

    /// A queue by its ARN, which must be one of a scope.
    pub(super) async fn by_arn(&self, scope: &Scope, arn: &str) -> Result<Option<std::sync::Arc<Known>>, ApiError> {
        match names::of_arn(arn) {
            Some((owner, name)) if owner == *scope => self.find(scope, name).await,
            _ => Ok(None),
        }
    }
}

fn busy() -> ApiError {
    ApiError::new("ServiceUnavailableException", "The queue is being changed by others; try again.")
}

/// Refuses to make a queue that is there with other attributes.
fn check_same(known: &Known, given: &[(&str, &str)]) -> Result<(), ApiError> {
    for (name, value) in given {
        let mut settings = known.settings.clone();
        attributes::set(&mut settings, &[(name, value)], true)?;
        if settings != known.settings {
            let message =
                format!("A queue already exists with the same name and a different value for attribute {name}");
            return Err(ApiError::new("QueueNameExists", message));
        }
    }
    Ok(())
}
