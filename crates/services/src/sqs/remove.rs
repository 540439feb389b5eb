//! Deleting messages, and letting them come back at another time.

use serde_json::{Value, json};
use tindra_model::ApiError;
use tindra_store::{Batch, MailChange, Receipt, Standing};

use super::error::{bad_value, missing, number, stored, text};
use super::record::Known;
use super::{SqsService, batch, receipt};

/// How long a message can stay hidden after it was received (AWS).
const HIDDEN_MS_MAX: u64 = 43_200_000;

/// A handle as it was given, and what it says.
type Handed<'a> = (&'a str, Option<Receipt>);

impl SqsService {
    pub(super) async fn delete_message(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let outcomes = self.delete_each(queue, &[("", input)]).await?;
        single(outcomes)
    }

    pub(super) async fn delete_messages(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let entries = batch::entries(input, "DeleteMessageBatchRequestEntry")?;
        Ok(batch::answer(self.delete_each(queue, &entries).await?))
    }

    pub(super) async fn change_visibility(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let outcomes = self.hide_each(queue, &[("", input)]).await?;
        single(outcomes)
    }

    pub(super) async fn change_visibilities(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let entries = batch::entries(input, "ChangeMessageVisibilityBatchRequestEntry")?;
        Ok(batch::answer(self.hide_each(queue, &entries).await?))
    }

    async fn delete_each<'a>(
        &self,
        queue: &Known,
        entries: &[(&'a str, &Value)],
    ) -> Result<Vec<(&'a str, Result<Value, ApiError>)>, ApiError> {
        let read: Vec<_> = entries.iter().map(|(id, entry)| (*id, read(queue, entry))).collect();
        // A FIFO queue says when a handle is too old; a standard one deletes what it can.
        let standings = if queue.is_fifo() { self.standings(queue, &read).await? } else { Vec::new() };
        let now_ms = self.now_ms();
        let (mut changes, mut outcomes) = (Batch::default(), Vec::new());
        for (id, read) in read {
            let checked = read.and_then(|(handle, receipt)| {
                let Some(receipt) = receipt else { return Ok(json!({})) };
                let standing = standings.iter().find(|standing| standing.id == receipt.id);
                if standing.is_some_and(|standing| standing.takes != receipt.takes || standing.visible_ms <= now_ms) {
                    return Err(bad_value("ReceiptHandle", handle, "The receipt handle has expired."));
                }
                changes.mail.push(MailChange::Remove { mailbox: queue.mailbox.clone(), receipt });
                Ok(json!({}))
            });
            outcomes.push((id, checked));
        }
        self.commit_mail(changes).await?;
        Ok(outcomes)
    }

    async fn hide_each<'a>(
        &self,
        queue: &Known,
        entries: &[(&'a str, &Value)],
    ) -> Result<Vec<(&'a str, Result<Value, ApiError>)>, ApiError> {
        let read: Vec<_> = entries.iter().map(|(id, entry)| (*id, read(queue, entry))).collect();
        let standings = self.standings(queue, &read).await?;
        let now_ms = self.now_ms();
        let (mut changes, mut outcomes) = (Batch::default(), Vec::new());
        for ((id, read), (_, entry)) in read.into_iter().zip(entries) {
            let checked = read.and_then(|(handle, receipt)| {
                let timeout_s = visibility(entry)?.ok_or_else(|| missing("VisibilityTimeout"))?;
                let standing = receipt.and_then(|receipt| {
                    standings.iter().find(|standing| standing.id == receipt.id && standing.takes == receipt.takes)
                });
                let (Some(receipt), Some(standing)) = (receipt, standing) else {
                    let reason = "Message does not exist or is not available for visibility timeout change.";
                    return Err(bad_value("ReceiptHandle", handle, reason));
                };
                let visible_ms = hidden_until(standing, now_ms, timeout_s)?;
                changes.mail.push(MailChange::Hide { mailbox: queue.mailbox.clone(), receipt, visible_ms });
                Ok(json!({}))
            });
            outcomes.push((id, checked));
        }
        self.commit_mail(changes).await?;
        Ok(outcomes)
    }

    async fn standings(
        &self,
        queue: &Known,
        read: &[(&str, Result<Handed<'_>, ApiError>)],
    ) -> Result<Vec<Standing>, ApiError> {
        let ids = read.iter().filter_map(|(_, read)| read.as_ref().ok()?.1).map(|receipt| receipt.id).collect();
        self.inner.around.store.mailboxes.standings(&queue.mailbox, ids).await.map_err(stored)
    }

    async fn commit_mail(&self, changes: Batch) -> Result<(), ApiError> {
        if changes.mail.is_empty() {
            return Ok(());
        }
        self.inner.around.store.metadata.commit(changes).await.map(drop).map_err(stored)
    }
}

fn read<'a>(queue: &Known, entry: &'a Value) -> Result<Handed<'a>, ApiError> {
    let handle = text(entry, "ReceiptHandle")?;
    Ok((handle, receipt::read(queue, handle)?))
}

/// `VisibilityTimeout`, if it is there.
pub(super) fn visibility(input: &Value) -> Result<Option<u64>, ApiError> {
    number(input, "VisibilityTimeout", 0..=43_200, "Must be between 0 and 43200, if provided.")
}

fn hidden_until(standing: &Standing, now_ms: u64, timeout_s: u64) -> Result<u64, ApiError> {
    if standing.visible_ms <= now_ms {
        return Err(ApiError::new("MessageNotInflight", "The specified message isn't in flight."));
    }
    let visible_ms = now_ms + timeout_s * 1_000;
    if visible_ms > standing.taken_ms.saturating_add(HIDDEN_MS_MAX) {
        let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
        return Err(bad_value("VisibilityTimeout", timeout_s, reason));
    }
    Ok(visible_ms)
}

fn single(mut outcomes: Vec<(&str, Result<Value, ApiError>)>) -> Result<Value, ApiError> {
    outcomes.pop().map_or_else(|| Ok(json!({})), |(_, outcome)| outcome)
}
