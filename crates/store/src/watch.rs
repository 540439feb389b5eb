//! Telling who watches which keys have changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::lock;

/// Announcements that a slow watcher may leave unread before it has to list again.
const LAG_MAX: usize = 1_024;

/// One committed batch.
#[derive(Debug)]
struct Announcement {
    /// Counted from one.
    number: u64,
    /// None when it is not known which ones have changed.
    keys: Option<Vec<String>>,
}

/// Where committed batches are announced, before the commit is answered.
#[derive(Clone, Debug)]
pub(crate) struct Watchers {
    sender: broadcast::Sender<Arc<Announcement>>,
    register: Arc<Mutex<Register>>,
}

#[derive(Debug, Default)]
struct Register {
    announced: u64,
    marks: Vec<Weak<Mark>>,
}

/// How far one watcher has come.
#[derive(Debug)]
struct Mark {
    prefix: String,
    /// Number of the last announcement with a key under the prefix.
    announced: AtomicU64,
    /// Number of the last one that the watcher has dealt with.
    applied: AtomicU64,
}

impl Watchers {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(LAG_MAX), register: Arc::default() }
    }

    /// Tells every watcher.
    pub(crate) fn announce(&self, keys: Vec<String>) {
        if !keys.is_empty() {
            self.send(Some(keys));
        }
    }

    /// Tells every watcher to list again: changes of other processes were missed.
    pub(crate) fn announce_anything(&self) {
        self.send(None);
    }

    fn send(&self, keys: Option<Vec<String>>) {
        let mut register = lock(&self.register);
        register.announced += 1;
        let number = register.announced;
        register.marks.retain(|mark| {
            let Some(mark) = mark.upgrade() else { return false };
            if keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key.starts_with(&mark.prefix))) {
                mark.announced.store(number, Ordering::Release);
            }
            true
        });
        // Nobody listening any more is fine.
        drop(self.sender.send(Arc::new(Announcement { number, keys })));
    }

    pub(crate) fn watch(&self, prefix: &str) -> Watch {
        let mark = Mark { prefix: prefix.to_owned(), announced: AtomicU64::new(0), applied: AtomicU64::new(0) };
        let mark = Arc::new(mark);
        let mut register = lock(&self.register);
        register.marks.push(Arc::downgrade(&mark));
        Watch { receiver: self.sender.subscribe(), received: 0, mark }
    }
}

/// Tells which keys changed. Level-triggered: after a lag it says so, and the watcher lists again.
#[derive(Debug)]
pub struct Watch {
    receiver: broadcast::Receiver<Arc<Announcement>>,
    received: u64,
    mark: Arc<Mark>,
}

impl Watch {
    /// The next changed keys under the prefix. `None` means "anything may have changed: list again" (the
    /// watcher was too slow, or changes of other processes were missed); an empty vector means that the store has closed.
    ///
    /// Calling it again says that what was told before has been dealt with; see [`Progress`].
    pub async fn changed(&mut self) -> Option<Vec<String>> {
        self.mark.applied.store(self.received, Ordering::Release);
        loop {
            match self.receiver.recv().await {
                Ok(announcement) => {
                    let Some(keys) = &announcement.keys else {
                        self.received = self.received.max(announcement.number);
                        return None;
                    };
                    let keys = keys.iter().filter(|key| key.starts_with(&self.mark.prefix));
                    let keys: Vec<String> = keys.cloned().collect();
                    if !keys.is_empty() {
                        self.received = self.received.max(announcement.number);
                        return Some(keys);
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    self.received = self.mark.announced.load(Ordering::Acquire);
                    return None;
                }
                Err(RecvError::Closed) => return Some(Vec::new()),
            }
        }
    }

    /// A view of how far this watch has come, for those who use what the watcher keeps.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { mark: Arc::clone(&self.mark) }
    }
}

/// Whether a watcher has dealt with every commit that was answered.
#[derive(Clone, Debug)]
pub struct Progress {
    mark: Arc<Mark>,
}

impl Progress {
    /// True while a committed change under the prefix may not have been dealt with.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.has_reached(self.announced())
    }

    /// The last commit under the prefix that was answered so far.
    #[must_use]
    pub fn announced(&self) -> u64 {
        self.mark.announced.load(Ordering::Acquire)
    }

    /// Whether the watcher has dealt with everything up to what [`Progress::announced`] told once.
    #[must_use]
    pub fn has_reached(&self, announced: u64) -> bool {
        self.mark.applied.load(Ordering::Acquire) >= announced
    }
}

#[cfg(test)]
mod tests {
    use super::Watchers;

    #[tokio::test]
    async fn a_watcher_is_behind_until_it_asks_for_more() {
        let watchers = Watchers::new();
        let mut watch = watchers.watch("a/");
        let progress = watch.progress();
        watchers.announce(vec!["b/1".to_owned()]);
        assert!(!progress.is_behind());
        watchers.announce(vec!["a/1".to_owned(), "b/2".to_owned()]);
        assert!(progress.is_behind());
        assert_eq!(watch.changed().await, Some(vec!["a/1".to_owned()]));
        assert!(progress.is_behind());
        watchers.announce(vec!["a/2".to_owned()]);
        assert_eq!(watch.changed().await, Some(vec!["a/2".to_owned()]));
        assert!(progress.is_behind());
        drop(tokio::time::timeout(std::time::Duration::ZERO, watch.changed()).await);
        assert!(!progress.is_behind());
    }

    #[tokio::test]
    async fn one_is_told_to_list_again_when_it_is_not_known_what_has_changed() {
        let watchers = Watchers::new();
        let mut watch = watchers.watch("a/");
        let progress = watch.progress();
        watchers.announce_anything();
        assert!(progress.is_behind());
        assert_eq!(watch.changed().await, None);
        drop(tokio::time::timeout(std::time::Duration::ZERO, watch.changed()).await);
        assert!(!progress.is_behind());
    }

    #[tokio::test]
    async fn one_that_is_too_slow_is_told_so_and_then_is_up_to_date() {
        let watchers = Watchers::new();
        let mut watch = watchers.watch("a/");
        let progress = watch.progress();
        for number in 0..super::LAG_MAX + 10 {
            watchers.announce(vec![format!("a/{number}")]);
        }
        assert_eq!(watch.changed().await, None);
        while let Ok(Some(_)) = tokio::time::timeout(std::time::Duration::from_millis(20), watch.changed()).await {}
        assert!(!progress.is_behind());
    }
}
