//! Those who wait for messages: woken when the store has put something into the mailbox that they wait for, on this server or
//! on another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tindra_store::Watch;
use tokio::sync::watch;

/// Whoever waits, by mailbox.
#[derive(Debug, Default)]
pub(super) struct Polls {
    waiting: Mutex<HashMap<String, watch::Sender<()>>>,
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiting {
    polls: Arc<Polls>,
    mailbox: String,
    told: watch::Receiver<()>,
}

impl Polls {
    /// Waits for a mailbox from now on.
    pub(super) fn enter(self: &Arc<Self>, mailbox: &str) -> Waiting {
        let mut waiting = self.lock();
        let told = match waiting.get(mailbox) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, told) = watch::channel(());
                waiting.insert(mailbox.to_owned(), sender);
                told
            }
        };
        Waiting { polls: Arc::clone(self), mailbox: mailbox.to_owned(), told }
    }

    /// Wakes whoever waits for a mailbox.
    pub(super) fn wake(&self, mailbox: &str) {
        if let Some(sender) = self.lock().get(mailbox) {
            sender.send_replace(());
        }
    }

    /// Wakes whoever waits for what the store tells of, until it closes.
    pub(super) async fn follow(self: Arc<Self>, mut mail: Watch) {
        loop {
            match mail.changed().await {
                Some(mailboxes) if mailboxes.is_empty() => return,
                Some(mailboxes) => mailboxes.iter().for_each(|mailbox| self.wake(mailbox)),
                None => self.lock().values().for_each(|sender| sender.send_replace(())),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The mailbox that is waited for.
    pub(super) fn mailbox(&self) -> &str {
        &self.mailbox
    }

    /// Returns when something has come since the last look.
    pub(super) async fn told(&mut self) {
        // The sender is kept as long as anybody waits.
        if self.told.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.polls.lock();
        // This one still counts.
        if waiting.get(&self.mailbox).is_some_and(|sender| sender.receiver_count() <= 1) {
            waiting.remove(&self.mailbox);
        }
    }
}
