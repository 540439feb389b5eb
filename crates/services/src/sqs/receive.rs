//! Receiving: messages that are there, or those that come while the caller waits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tindra_core::clock::UnixMs;
use tindra_model::ApiError;
use tindra_store::{Batch, MailChange, Receipt, TakeRequest, Taken, TakenLetter};

use super::error::{bad_value, no_queue, number, optional, stored, texts, unknown_attribute, wrong_kind};
use super::message::{Attribute, Head};
use super::record::Known;
use super::remove::visibility;
use super::send::sequence_number;
use super::{SqsService, digest, receipt};

/// What may be told of a message beside its own attributes.
const SYSTEM: [&str; 9] = [
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];
/// How long an attempt of a FIFO queue can be repeated (AWS).
const ATTEMPT_MS: u64 = 300_000;
/// Attempts that are remembered; what is forgotten receives anew.
const ATTEMPTS_MAX: usize = 10_000;

/// What `ReceiveMessage` wants.
struct Wanted<'a> {
    letters_max: usize,
    wait_s: Option<u64>,
    visibility_s: Option<u64>,
    system: Vec<&'a str>,
    attributes: Vec<&'a str>,
    attempt: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn read(queue: &Known, input: &'a Value) -> Result<Self, ApiError> {
        let most = number(input, "MaxNumberOfMessages", 1..=10, "Must be between 1 and 10, if provided.")?;
        let wait_s = number(input, "WaitTimeSeconds", 0..=20, "Must be >= 0 and <= 20, if provided.")?;
        let mut system = texts(input, "AttributeNames");
        system.extend(texts(input, "MessageSystemAttributeNames"));
        if let Some(unknown) = system.iter().find(|name| **name != "All" && !SYSTEM.contains(name)) {
            return Err(unknown_attribute(unknown));
        }
        let attempt = optional(input, "ReceiveRequestAttemptId");
        match attempt {
            Some(attempt) if !queue.is_fifo() => return Err(wrong_kind("ReceiveRequestAttemptId", attempt)),
            Some(attempt) if attempt.len() > 128 || !attempt.bytes().all(|byte| byte.is_ascii_graphic()) => {
                let reason = "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.";
                return Err(bad_value("ReceiveRequestAttemptId", attempt, reason));
            }
            _ => {}
        }
        Ok(Self {
            letters_max: usize::try_from(most.unwrap_or(1)).unwrap_or(1),
            wait_s,
            visibility_s: visibility(input)?,
            system,
            attributes: texts(input, "MessageAttributeNames"),
            attempt,
        })
    }
}

impl SqsService {
    pub(super) async fn receive_messages(&self, queue: Arc<Known>, input: &Value) -> Result<Value, ApiError> {
        let wanted = Wanted::read(&queue, input)?;
        if let Some(letters) = self.repeated(&queue, &wanted).await? {
            return Ok(shown(&queue, &letters, &wanted));
        }
        let (queue, letters) = self.wait_for(queue, &wanted).await?;
        if let Some(attempt) = wanted.attempt.filter(|_| !letters.is_empty()) {
            let receipts = letters.iter().map(TakenLetter::receipt).collect();
            self.inner.attempts.remember(attempt_key(&queue, attempt), receipts, self.now_ms());
        }
        Ok(shown(&queue, &letters, &wanted))
    }

    /// Takes what is there, or what comes until the time is over: by the clock of everything that waits, and also by the
    /// machine's, because a client does not wait for longer whatever clock there is.
    async fn wait_for(
        &self,
        queue: Arc<Known>,
        wanted: &Wanted<'_>,
    ) -> Result<(Arc<Known>, Vec<TakenLetter>), ApiError> {
        let timer = &self.inner.around.timer;
        let wait_s = wanted.wait_s.unwrap_or(queue.settings.receive_wait_s);
        if wait_s == 0 {
            let taken = self.take(&queue, wanted).await?;
            return Ok((queue, taken.letters));
        }
        let end_ms = timer.unix_ms() + wait_s * 1_000;
        let patience = tokio::time::sleep(Duration::from_secs(wait_s));
        tokio::pin!(patience);
        let mut queue = queue;
        let mut waiting = self.inner.polls.enter(&queue.mailbox);
        loop {
            let taken = self.take(&queue, wanted).await?;
            let now_ms = timer.unix_ms();
            if !taken.letters.is_empty() || now_ms >= end_ms {
                return Ok((queue, taken.letters));
            }
            let look_ms = taken.next_visible_ms.map_or(end_ms, |next_ms| next_ms.min(end_ms));
            tokio::select! {
                () = waiting.told() => {}
                () = timer.wait_until(look_ms) => {}
                () = &mut patience => return Ok((queue, Vec::new())),
            }
            // It may have been purged or deleted meanwhile.
            queue = self.find(&queue.scope, &queue.name).await?.ok_or_else(no_queue)?;
            if waiting.mailbox() != queue.mailbox {
                waiting = self.inner.polls.enter(&queue.mailbox);
            }
        }
    }

    async fn take(&self, queue: &Known, wanted: &Wanted<'_>) -> Result<Taken, ApiError> {
        let now_ms = self.now_ms();
        let hidden_s = wanted.visibility_s.unwrap_or(queue.settings.visibility_s);
        let request = TakeRequest {
            mailbox: queue.mailbox.clone(),
            is_ordered: queue.is_fifo(),
            now_ms,
            hidden_until_ms: now_ms + hidden_s * 1_000,
            letters_max: wanted.letters_max,
            sent_after_ms: queue.expired_ms(now_ms),
            overflow: self.overflow(queue).await?,
        };
        self.inner.around.store.mailboxes.take(request).await.map_err(stored)
    }

    /// The messages of an attempt that is made again while its messages are still hidden; they are hidden anew.
    async fn repeated(&self, queue: &Known, wanted: &Wanted<'_>) -> Result<Option<Vec<TakenLetter>>, ApiError> {
        let now_ms = self.now_ms();
        let Some(attempt) = wanted.attempt else { return Ok(None) };
        let Some(receipts) = self.inner.attempts.recall(&attempt_key(queue, attempt), now_ms) else { return Ok(None) };
        let store = &self.inner.around.store;
        let letters = store.mailboxes.reread(&queue.mailbox, receipts.clone()).await.map_err(stored)?;
        if letters.len() != receipts.len() || letters.iter().any(|taken| taken.letter.visible_ms <= now_ms) {
            return Ok(None);
        }
        let hidden_s = wanted.visibility_s.unwrap_or(queue.settings.visibility_s);
        let hide = |receipt| MailChange::Hide {
            mailbox: queue.mailbox.clone(),
            receipt,
            visible_ms: now_ms + hidden_s * 1_000,
        };
        let batch = receipts.into_iter().map(hide).fold(Batch::default(), Batch::mail);
        store.metadata.commit(batch).await.map_err(stored)?;
        Ok(Some(letters))
    }
}

fn attempt_key(queue: &Known, attempt: &str) -> String {
    format!("{} {attempt}", queue.mailbox)
}

/// What attempts have received, for clients whose connection broke before the answer.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    made: Mutex<HashMap<String, (UnixMs, Vec<Receipt>)>>,
}

impl Attempts {
    fn remember(&self, key: String, receipts: Vec<Receipt>, now_ms: UnixMs) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= ATTEMPTS_MAX {
            made.retain(|_, (at_ms, _)| at_ms.saturating_add(ATTEMPT_MS) > now_ms);
        }
        if made.len() < ATTEMPTS_MAX {
            made.insert(key, (now_ms, receipts));
        }
    }

    fn recall(&self, key: &str, now_ms: UnixMs) -> Option<Vec<Receipt>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.get(key)
            .filter(|(at_ms, _)| at_ms.saturating_add(ATTEMPT_MS) > now_ms)
            .map(|(_, receipts)| receipts.clone())
    }
}

fn shown(queue: &Known, letters: &[TakenLetter], wanted: &Wanted<'_>) -> Value {
    let messages: Vec<Value> = letters.iter().map(|taken| message(queue, taken, wanted)).collect();
    if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) }
}

fn message(queue: &Known, taken: &TakenLetter, wanted: &Wanted<'_>) -> Value {
    let letter = &taken.letter;
    // What was written is what is read; the store has checked it.
    let head: Head = serde_json::from_slice(&letter.head).unwrap_or_default();
    let mut message = json!({
        "MessageId": letter.id.to_string(),
        "ReceiptHandle": receipt::handle(queue, taken.receipt()),
        "MD5OfBody": digest::of_body(&letter.body),
        "Body": String::from_utf8_lossy(&letter.body),
    });
    let system = system_attributes(queue, taken, &head, &wanted.system);
    if !system.is_empty() {
        message["Attributes"] = Value::Object(system);
    }
    let asked = |attribute: &&Attribute| wanted.attributes.iter().any(|pattern| names(pattern, &attribute.name));
    let attributes: BTreeMap<&str, &Attribute> =
        head.attributes.iter().filter(asked).map(|attribute| (attribute.name.as_str(), attribute)).collect();
    if let Some(of_attributes) = digest::of_attributes(attributes.values().copied()) {
        message["MD5OfMessageAttributes"] = of_attributes.into();
        let shown = attributes.into_iter().map(|(name, attribute)| (name.to_owned(), attribute.shown()));
        message["MessageAttributes"] = Value::Object(shown.collect());
    }
    message
}

/// Whether a pattern means an attribute: its name, what it begins with, or all.
fn names(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(".*") {
        _ if pattern == "All" || pattern == name => true,
        Some(prefix) => name.starts_with(prefix),
        None => false,
    }
}

fn system_attributes(queue: &Known, taken: &TakenLetter, head: &Head, wanted: &[&str]) -> Map<String, Value> {
    let number = || queue.is_fifo().then(|| sequence_number(taken.number));
    let told = [
        ("SenderId", Some(head.sender.clone())),
        ("SentTimestamp", Some(taken.letter.sent_ms.to_string())),
        ("ApproximateReceiveCount", Some(taken.takes.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(taken.first_taken_ms.to_string())),
        ("SequenceNumber", number()),
        ("MessageDeduplicationId", head.deduplication.clone()),
        ("MessageGroupId", head.group.clone()),
        ("AWSTraceHeader", head.trace.clone()),
        ("DeadLetterQueueSourceArn", taken.origin.clone()),
    ];
    told.into_iter()
        .filter(|(name, _)| wanted.iter().any(|wanted| wanted == name || *wanted == "All"))
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
        .collect()
}
