//! Sending: a message is durable before it is answered for.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tindra_model::ApiError;
use tindra_store::{Batch, Letter, MailChange, Once};
use uuid::Uuid;

use super::error::{invalid, missing, stored, wrong_kind};
use super::message::Message;
use super::record::{Known, Queue};
use super::{SqsService, batch, digest};
use crate::Asker;

/// How long a FIFO queue takes no second message with the same deduplication id (AWS).
const DEDUPLICATION_MS: u64 = 300_000;
/// Of all messages of a batch together (AWS).
const BATCH_BYTES_MAX: usize = 1 << 20;

impl SqsService {
    pub(super) async fn send_message(&self, asker: Asker<'_>, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let sender = self.sender(asker).await;
        let message = Message::read(input, &sender)?;
        let post = post(queue, message, asker.trace_id, Uuid::now_v7(), self.now_ms())?;
        let mut sent = self.post(queue, vec![post]).await?;
        Ok(sent.pop().unwrap_or_default())
    }

    pub(super) async fn send_messages(
        &self,
        asker: Asker<'_>,
        queue: &Known,
        input: &Value,
    ) -> Result<Value, ApiError> {
        let sender = self.sender(asker).await;
        let now_ms = self.now_ms();
        let entries = batch::entries(input, "SendMessageBatchRequestEntry")?;
        let read: Vec<(&str, Result<Message, ApiError>)> =
            entries.iter().map(|(id, entry)| (*id, Message::read(entry, &sender))).collect();
        let bytes: usize = read.iter().filter_map(|(_, message)| message.as_ref().ok()).map(Message::bytes).sum();
        if bytes > BATCH_BYTES_MAX {
            let message =
                format!("Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. You have sent {bytes} bytes.");
            return Err(ApiError::new("BatchRequestTooLong", message));
        }
        let mut posts = Vec::new();
        let mut outcomes: Vec<(&str, Result<Value, ApiError>)> = Vec::new();
        for (id, message) in read {
            let accepted = message.and_then(|message| post(queue, message, asker.trace_id, Uuid::now_v7(), now_ms));
            outcomes.push((id, accepted.map(|accepted| posts.push(accepted)).map(|()| Value::Null)));
        }
        let mut sent = self.post(queue, posts).await?.into_iter();
        for (_, outcome) in &mut outcomes {
            if let Ok(done) = outcome {
                *done = sent.next().unwrap_or_default();
            }
        }
        Ok(batch::answer(outcomes))
    }

    /// Makes messages durable in one commit, and says what came of each.
    async fn post(&self, queue: &Known, posts: Vec<Post>) -> Result<Vec<Value>, ApiError> {
        if posts.is_empty() {
            return Ok(Vec::new());
        }
        let store = &self.inner.around.store;
        let changes = posts.iter().map(|post| post.change.clone());
        store.metadata.commit(changes.fold(Batch::default(), Batch::mail)).await.map_err(stored)?;
        let mut known = Vec::new();
        if queue.is_fifo() {
            let keys = posts.iter().filter_map(|post| post.key.clone()).collect();
            known = store.mailboxes.posted(&queue.mailbox, keys).await.map_err(stored)?;
        }
        Ok(posts
            .into_iter()
            .map(|Post { id, key, mut answer, .. }| {
                // A message that was sent before is answered for with what it was then.
                let kept = known.iter().find(|posted| Some(&posted.key) == key.as_ref());
                answer["MessageId"] = kept.map_or(id, |kept| kept.id).to_string().into();
                if let Some(kept) = kept {
                    answer["SequenceNumber"] = sequence_number(kept.number).into();
                }
                answer
            })
            .collect())
    }

    /// `SenderId`.
    async fn sender(&self, asker: Asker<'_>) -> String {
        match self.inner.iam.id_and_arn(asker.identity).await {
            Ok((id, _)) => id,
            // The message counts for more than who sent it.
            Err(_) => asker.identity.account.clone(),
        }
    }
}

/// A message ready to be put in.
pub(super) struct Post {
    id: Uuid,
    key: Option<String>,
    pub(super) change: MailChange,
    answer: Value,
}

/// Twenty digits that grow with every message.
pub(super) fn sequence_number(number: u64) -> String {
    let number = 18_800_000_000_000_000_000_u128 + u128::from(number) * 256;
    format!("{number:020}")
}

/// Checks a message against its queue. It is of the trace that it names, or else of the request's.
pub(super) fn post(
    queue: &Known,
    mut message: Message,
    trace_id: Option<&str>,
    id: Uuid,
    now_ms: u64,
) -> Result<Post, ApiError> {
    let settings = &queue.settings;
    if message.bytes() as u64 > settings.message_bytes_max {
        let most = settings.message_bytes_max;
        return Err(invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        )));
    }
    let once = deduplication(queue, &mut message, now_ms)?;
    let delay_s = message.delay_s.unwrap_or(settings.delay_s);
    let mut answer = json!({ "MD5OfMessageBody": digest::of_body(message.body.as_bytes()) });
    if let Some(of_attributes) = digest::of_attributes(message.head.attributes.iter()) {
        answer["MD5OfMessageAttributes"] = of_attributes.into();
    }
    if let Some(of_system) = message.system_digest() {
        answer["MD5OfMessageSystemAttributes"] = of_system.into();
    }
    message.head.trace = message.head.trace.or_else(|| trace_id.map(str::to_owned));
    // Texts and lists of them: there is nothing in it that cannot be written.
    let head = serde_json::to_vec(&message.head).unwrap_or_default();
    let letter = Letter {
        id,
        mailbox: queue.mailbox.clone(),
        group: message.head.group.filter(|_| queue.is_fifo()),
        sent_ms: now_ms,
        visible_ms: now_ms + delay_s * 1_000,
        head: head.into(),
        body: message.body.into(),
    };
    let key = once.as_ref().map(|once| once.key.clone());
    Ok(Post { id, key, change: MailChange::Post { letter, once }, answer })
}

/// What a FIFO queue wants of a message, and under which key it takes it once; what a standard queue does not take.
fn deduplication(queue: &Queue, message: &mut Message, now_ms: u64) -> Result<Option<Once>, ApiError> {
    let head = &mut message.head;
    let Some(fifo) = &queue.settings.fifo else {
        return match &head.deduplication {
            Some(id) => Err(wrong_kind("MessageDeduplicationId", id)),
            None => Ok(None),
        };
    };
    if let Some(delay_s) = message.delay_s.filter(|delay_s| *delay_s > 0) {
        return Err(wrong_kind("DelaySeconds", delay_s));
    }
    // Zero is what many clients send for nothing.
    message.delay_s = None;
    let Some(group) = &head.group else { return Err(missing("MessageGroupId")) };
    let id = match &head.deduplication {
        Some(id) => id.clone(),
        None if fifo.by_content => digest::hex(&Sha256::digest(message.body.as_bytes())),
        None => {
            return Err(invalid(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            ));
        }
    };
    // No id has a space in it.
    let key = if fifo.is_per_group { format!("{group} {id}") } else { id.clone() };
    head.deduplication = Some(id);
    Ok(Some(Once { key, now_ms, until_ms: now_ms + DEDUPLICATION_MS }))
}
