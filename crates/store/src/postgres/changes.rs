//! Telling watchers what other servers have written.
//!
//! Each commit notes the keys that it changed in the table `changes`, deletions among them, and every server looks
//! there a few times a second. Commits become visible in the order of their revisions ([`super::writer`]), so whoever has
//! seen a revision misses none before it. Old notes are trimmed; who finds that some were trimmed that it has not seen
//! tells its watchers to list again, and so does who made a commit whose outcome it does not know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::Connection;
use super::fault::Fault;
use super::mail::NOTE_PREFIX;
use super::messages::LOCK_COUNTER;
use super::numbers::{name, signed, unsigned};
use super::pool::Pool;
use super::writer::Told;
use crate::StoreError;

/// Changes of other servers are seen after as long, half of it on average.
const INTERVAL: Duration = Duration::from_millis(100);

const ATTEMPT: &str = "look for changes of other servers";

/// One statement, hence one state of the database: nothing is trimmed between the look at the notes and the look at how
/// far they go back.
const UNSEEN: &str = "SELECT c.revision, c.trimmed, n.revision, n.key
    FROM counter c LEFT JOIN changes n ON n.revision > $1 AND n.origin <> $2
    WHERE c.id = 0 ORDER BY n.revision, n.place";

/// The newest revision.
pub(super) async fn newest(connection: &Connection) -> Result<u64, Fault> {
    let found = connection.query("SELECT revision FROM counter WHERE id = 0", &[]).await?;
    Ok(found.first().map_or(0, |row| unsigned(row, 0)))
}

/// What looks for changes.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) pool: Arc<Pool>,
    pub(super) told: Told,
    /// Marks the changes of this process, which were announced when they were made.
    pub(super) origin: Uuid,
    pub(super) is_uncertain: Arc<AtomicBool>,
    /// The last revision that was seen.
    pub(super) seen: u64,
}

impl Changes {
    /// Looks until the store is closed, which ends the runtime that this runs on.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_away = false;
        loop {
            ticks.tick().await;
            match self.look().await {
                Ok(()) if is_away => {
                    is_away = false;
                    tracing::info!("the database is back");
                }
                Ok(()) => {}
                Err(error) if !is_away => {
                    is_away = true;
                    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::error!(cause, "the store's database cannot be used; requests that need it are refused");
                }
                Err(_) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        if self.is_uncertain.swap(false, Ordering::AcqRel) {
            // The lock is free once the transaction with the unknown outcome has ended one way or the other.
            let settled = self
                .pool
                .with(ATTEMPT, |connection: Arc<Connection>| async move { connection.query(LOCK_COUNTER, &[]).await })
                .await;
            if let Err(error) = settled {
                self.is_uncertain.store(true, Ordering::Release);
                return Err(error);
            }
            self.told.announce_anything();
        }
        let (seen, origin) = (signed(self.seen), self.origin);
        let rows =
            self.pool
                .with(ATTEMPT, |connection: Arc<Connection>| async move {
                    connection.query(UNSEEN, &[&seen, &origin]).await
                })
                .await?;
        self.tell(&rows);
        Ok(())
    }

    fn tell(&mut self, rows: &[Row]) {
        let Some(first) = rows.first() else { return };
        let (newest, trimmed) = (unsigned(first, 0), unsigned(first, 1));
        // One that is behind what was seen is an older copy, and what it has may be anything.
        if trimmed > self.seen || newest < self.seen {
            self.told.announce_anything();
        } else {
            let noted = rows.iter().filter_map(|row| Some((row.get::<_, Option<i64>>(2)?, name(row, 3))));
            let noted: Vec<(i64, String)> = noted.collect();
            for batch in noted.chunk_by(|one, next| one.0 == next.0) {
                let of_mail = |key: &str| key.strip_prefix(NOTE_PREFIX).map(str::to_owned);
                let mailboxes = batch.iter().filter_map(|(_, key)| of_mail(key)).collect();
                let keys = batch.iter().filter(|(_, key)| of_mail(key).is_none()).map(|(_, key)| key.clone()).collect();
                self.told.records.announce(keys);
                self.told.mail.announce(mailboxes);
            }
        }
        self.seen = newest;
    }
}
