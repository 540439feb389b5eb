//! Pushing what sources have for targets: tried until a target has it, or until its policy says that it is enough.

use std::sync::Arc;

use bytes::Bytes;
use tindra_core::clock::{Timer, UnixMs};
use tindra_core::push::{Fate, Push, PushError};
use tindra_store::{BoxFuture, Message};

use crate::figures;
use crate::ports::{Again, Handle, Handled, PushTo};

/// The message of a push that is to be tried from now on.
fn push_message(push: &Push, body: Bytes, now_ms: UnixMs) -> Message {
    Message::new(push.queue(), head(push), body, now_ms, now_ms)
}

fn head(push: &Push) -> Bytes {
    // Strings, numbers and lists of them: there is nothing in it that cannot be written.
    serde_json::to_vec(push).unwrap_or_default().into()
}

/// Tries pushes.
#[derive(Debug)]
pub(crate) struct Pushes {
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) targets: Arc<dyn PushTo>,
}

impl Handle for Pushes {
    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Handled> {
        Box::pin(async move {
            let push: Push = match serde_json::from_slice(&message.head) {
                Ok(push) => push,
                Err(error) => {
                    let (id, queue) = (message.id, &message.queue);
                    let reason = error.to_string();
                    tracing::error!(%id, queue, reason, "a push cannot be understood; was it written by a newer tindra? It stays");
                    return Handled::again(Again::later(message, self.timer.unix_ms()));
                }
            };
            match self.targets.push(&push, message.id, &message.body).await {
                Ok(pushed) => Handled { batch: pushed.batch, messages: pushed.messages, again: None },
                Err(error) => self.failed(push, message, &error),
            }
        })
    }

    fn handled(&self, message: &Message) {
        if let Ok(push) = serde_json::from_slice(&message.head) {
            self.targets.pushed(&push);
        }
    }
}

impl Pushes {
    fn failed(&self, mut push: Push, message: &Message, error: &PushError) -> Handled {
        let now_ms = self.timer.unix_ms();
        let fate = push.failed(error, now_ms);
        let source = push.source.arn.clone();
        let (target, attempts, reason) = (push.target_arn.clone(), push.attempts, &error.message);
        figures::push_failed(&push);
        match fate {
            Fate::Again { due_ms } => {
                tracing::info!(source, target, attempts, reason, "a push has failed; trying again");
                // A target that is away is tried by one at a time, and takes no places from what goes elsewhere.
                Handled::again(Again { due_ms, head: head(&push), is_throttled: true })
            }
            Fate::Over { condition } => {
                figures::push_given_up(&push);
                let letter = push.dead_letter(error, condition, now_ms);
                let has_dead_letter = letter.is_some();
                tracing::warn!(source, target, attempts, reason, has_dead_letter, "a push is given up");
                let messages = letter.map(|(letter, body)| {
                    let body = body.map_or_else(|| message.body.clone(), Bytes::from);
                    push_message(&letter, body, now_ms)
                });
                Handled { messages: messages.into_iter().collect(), ..Handled::default() }
            }
        }
    }
}
