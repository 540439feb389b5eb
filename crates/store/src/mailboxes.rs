//! Durable mailboxes: letters that are taken for a while, come back unless they are removed, and may wait in line.
//!
//! Unlike a message of [`crate::Queues`], a letter belongs to nobody who runs here: whoever took one may be a stranger who
//! never returns. Taking is therefore durable: it counts, hides the letter until a time, and gives a receipt that is void once
//! the letter is taken again. Letters of a group wait in line: while one of them is taken, the others stay. All times are the
//! caller's.

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use uuid::Uuid;

use crate::{BoxFuture, StoreError, Watch};

/// A letter as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Unique in the store. Should begin with the time (UUID v7), so that new letters lie side by side.
    pub id: Uuid,
    /// The mailbox that it is in.
    pub mailbox: String,
    /// The line that it waits in, if any.
    pub group: Option<String>,
    /// When it was sent.
    pub sent_ms: UnixMs,
    /// It is not taken before.
    pub visible_ms: UnixMs,
    /// What goes with the body; small.
    pub head: Bytes,
    /// The body. Large ones lie beside the row.
    pub body: Bytes,
}

/// Who may remove or hide a letter: whoever took it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The letter.
    pub id: Uuid,
    /// How often it had been taken by then, this time included.
    pub takes: u32,
}

/// A key under which a mailbox takes one letter for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The key.
    pub key: String,
    /// What time it is.
    pub now_ms: UnixMs,
    /// Until when no other letter is taken under the key.
    pub until_ms: UnixMs,
}

/// A change of a mailbox, as a part of a batch. None of them conflicts; what is not there is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailChange {
    /// Puts a letter in, unless its id is there already or its key is still taken.
    Post {
        /// The letter.
        letter: Letter,
        /// At most one under this key.
        once: Option<Once>,
    },
    /// Takes a letter out for good.
    Remove {
        /// Where it is.
        mailbox: String,
        /// The right to it.
        receipt: Receipt,
    },
    /// Lets a taken letter come back at another time.
    Hide {
        /// Where it is.
        mailbox: String,
        /// The right to it.
        receipt: Receipt,
        /// When it comes back.
        visible_ms: UnixMs,
    },
}

/// Where letters go that were taken too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// Those that were taken as often.
    pub takes_max: u32,
    /// Where they go.
    pub mailbox: String,
    /// What is noted of where they were.
    pub origin: String,
    /// Whether they count as sent when they move.
    pub is_sent_anew: bool,
}

/// Which letters are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeRequest {
    /// Where from.
    pub mailbox: String,
    /// Whether its letters wait in lines; all of them have a group then.
    pub is_ordered: bool,
    /// What time it is.
    pub now_ms: UnixMs,
    /// Until when what is taken is hidden.
    pub hidden_until_ms: UnixMs,
    /// At most as many.
    pub letters_max: usize,
    /// Those that were sent then or before are removed.
    pub sent_after_ms: UnixMs,
    /// Where those go that were taken too often.
    pub overflow: Option<Overflow>,
}

/// What is done with a letter that could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Expired,
    Overflown,
    Taken,
}

impl TakeRequest {
    pub(crate) fn fate(&self, sent_ms: UnixMs, takes: u32) -> Fate {
        match &self.overflow {
            _ if sent_ms <= self.sent_after_ms => Fate::Expired,
            Some(overflow) if takes >= overflow.takes_max => Fate::Overflown,
            _ => Fate::Taken,
        }
    }
}

/// A letter and the right to remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenLetter {
    /// The letter; its group and its times as they are now.
    pub letter: Letter,
    /// Grows with every letter of the store.
    pub number: u64,
    /// How often it has been taken, this time included.
    pub takes: u32,
    /// When it was taken for the first time.
    pub first_taken_ms: UnixMs,
    /// What was noted when it came from another mailbox.
    pub origin: Option<String>,
}

impl TakenLetter {
    /// The right to it.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        Receipt { id: self.letter.id, takes: self.takes }
    }
}

/// What was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Those that have waited longest first; those of a group in the order of their numbers.
    pub letters: Vec<TakenLetter>,
    /// When nothing was taken: when the next letter will be there, if nothing changes.
    pub next_visible_ms: Option<UnixMs>,
}

/// How a letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which one.
    pub id: Uuid,
    /// How often it has been taken.
    pub takes: u32,
    /// Until when it is hidden.
    pub visible_ms: UnixMs,
    /// When it was taken last; 0 for one that was not.
    pub taken_ms: UnixMs,
}

/// The letter that has a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The key.
    pub key: String,
    /// The letter.
    pub id: Uuid,
    /// Its number.
    pub number: u64,
}

/// How many letters a mailbox has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetterCounts {
    /// Could be taken, but for those before them in line.
    pub visible: u64,
    /// Taken, and not back.
    pub taken: u64,
    /// Never taken, and not there yet.
    pub delayed: u64,
}

/// Work on many letters at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailWork {
    /// Removes letters of a mailbox, the oldest first.
    Clear {
        /// Where.
        mailbox: String,
        /// Those with this number or a smaller one.
        number_max: u64,
        /// At most as many.
        letters_max: usize,
    },
    /// Removes letters that could have been taken then or before.
    Expire {
        /// Where.
        mailbox: String,
        /// When.
        visible_ms: UnixMs,
        /// At most as many.
        letters_max: usize,
    },
    /// Lets keys go whose time has passed.
    ForgetKeys {
        /// By then.
        until_ms: UnixMs,
        /// At most as many.
        keys_max: usize,
    },
    /// Puts letters that could be taken into another mailbox, as if they had never been taken.
    Redirect {
        /// Where from.
        from: String,
        /// Where to.
        to: String,
        /// Only those that came from there; none for all.
        origin: Option<String>,
        /// What time it is.
        now_ms: UnixMs,
        /// At most as many.
        letters_max: usize,
    },
    /// Removes everything of the mailboxes whose name starts so.
    Purge {
        /// How.
        prefix: String,
    },
}

/// Durable mailboxes. A mailbox exists while it has letters.
pub trait Mailboxes: Send + Sync + std::fmt::Debug {
    /// Takes what is there. A damaged letter is left out, kept, and named in the log.
    fn take(&self, request: TakeRequest) -> BoxFuture<'_, Result<Taken, StoreError>>;

    /// Reads letters again that are still in the hands of those who have these receipts.
    fn reread<'a>(
        &'a self,
        mailbox: &'a str,
        receipts: Vec<Receipt>,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, StoreError>>;

    /// How letters stand; those that are not there are left out.
    fn standings<'a>(&'a self, mailbox: &'a str, ids: Vec<Uuid>) -> BoxFuture<'a, Result<Vec<Standing>, StoreError>>;

    /// The letters that were posted under keys, also those that are not there any more.
    fn posted<'a>(&'a self, mailbox: &'a str, keys: Vec<String>) -> BoxFuture<'a, Result<Vec<Posted>, StoreError>>;

    /// How many letters there are that were sent after a time.
    fn counts<'a>(
        &'a self,
        mailbox: &'a str,
        now_ms: UnixMs,
        sent_after_ms: UnixMs,
    ) -> BoxFuture<'a, Result<LetterCounts, StoreError>>;

    /// Where the letter came from that could be taken next; the outer none when there is no letter.
    fn next_origin<'a>(
        &'a self,
        mailbox: &'a str,
        now_ms: UnixMs,
    ) -> BoxFuture<'a, Result<Option<Option<String>>, StoreError>>;

    /// The highest number of a letter of the mailbox.
    fn newest<'a>(&'a self, mailbox: &'a str) -> BoxFuture<'a, Result<Option<u64>, StoreError>>;

    /// Mailboxes whose name is greater than `after`, by name, at most `limit`.
    fn mailboxes<'a>(&'a self, after: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>, StoreError>>;

    /// Does work on many letters in one transaction. Returns how many letters or keys it was about.
    fn work(&self, work: MailWork) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Watches for letters that may be taken earlier than was known: the names of their mailboxes are told.
    fn watch_mail(&self, prefix: &str) -> Watch;
}
