//! Taking letters, looking at them, and other work on many of them.
//!
//! Letters that wait in no line are taken without the lock of the writers: rows that another server is looking at right now are
//! passed over. Lines are taken from under the lock, because who is first depends on all of a group.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::Connection;
use super::fault::Fault;
use super::mail::{Lines, line_up, note_line};
use super::messages::LOCK_COUNTER;
use super::numbers::{bounds, name, rows, signed, unsigned};
use crate::mailboxes::Fate;
use crate::{
    Letter, LetterCounts, MailWork, Overflow, Posted, Receipt, Standing, TakeRequest, Taken, TakenLetter, checksum,
};

/// Letters that may be looked at beyond those that are wanted, because some turn out to be expired or overflown.
const SPARE: usize = 64;
/// Looks of one take. What is left then waits for the next one.
const LOOKS_MAX: usize = 32;

const FREE: &str = "SELECT number, sent_ms, takes, NULL::bytea FROM letters
    WHERE mailbox = $1 AND visible_ms <= $2 AND number <> ALL($4) ORDER BY visible_ms, number LIMIT $3
    FOR UPDATE SKIP LOCKED";
const READY: &str = "SELECT group_name FROM letter_groups WHERE mailbox = $1 AND ready_ms <= $2
    ORDER BY ready_ms, head LIMIT $3";
const IN_LINE: &str = "SELECT number, sent_ms, takes, group_name, visible_ms FROM letters
    WHERE mailbox = $1 AND group_name = $2 ORDER BY number LIMIT $3 FOR UPDATE";
const TAKE: &str = "UPDATE letters SET visible_ms = $2, takes = takes + 1, taken_ms = $3,
    first_taken_ms = coalesce(first_taken_ms, $3) WHERE number = ANY($1)
    RETURNING id, mailbox, group_name, sent_ms, visible_ms, head, body, checksum, number, takes,
        coalesce(first_taken_ms, 0), origin";
const REREAD: &str = "SELECT id, mailbox, group_name, sent_ms, visible_ms, head, body, checksum, number, takes,
        coalesce(first_taken_ms, 0), origin FROM letters WHERE mailbox = $1 AND id = ANY($2)";
const SET_ASIDE: &str = "UPDATE letters SET visible_ms = 9223372036854775807, takes = 0, group_name = NULL
    WHERE number = ANY($1)";
const OVERFLOW: &str = "UPDATE letters SET mailbox = $2, visible_ms = $3, origin = $4,
    sent_ms = CASE WHEN $5 THEN $3 ELSE sent_ms END WHERE number = ANY($1) RETURNING mailbox, group_name";
const REMOVE: &str = "DELETE FROM letters WHERE number = ANY($1) RETURNING mailbox, group_name";
const NEXT_FREE: &str =
    "SELECT visible_ms FROM letters WHERE mailbox = $1 AND visible_ms > $2 ORDER BY visible_ms LIMIT 1";
const NEXT_READY: &str = "SELECT ready_ms FROM letter_groups WHERE mailbox = $1 AND ready_ms > $2
    ORDER BY ready_ms LIMIT 1";
const STANDINGS: &str = "SELECT id, takes, visible_ms, coalesce(taken_ms, 0) FROM letters
    WHERE mailbox = $1 AND id = ANY($2)";
const POSTED: &str = "SELECT key, id, number FROM letter_keys WHERE mailbox = $1 AND key = ANY($2)";
const COUNTS: &str =
    "SELECT count(*) FILTER (WHERE visible_ms <= $2), count(*) FILTER (WHERE visible_ms > $2 AND takes > 0),
    count(*) FILTER (WHERE visible_ms > $2 AND takes = 0) FROM letters WHERE mailbox = $1 AND sent_ms > $3";
const NEXT_ORIGIN: &str = "SELECT origin FROM letters WHERE mailbox = $1 AND visible_ms <= $2
    ORDER BY visible_ms, number LIMIT 1";
const NEWEST: &str = "SELECT max(number) FROM letters WHERE mailbox = $1";
const NEXT_MAILBOX: &str = "SELECT mailbox FROM letters WHERE mailbox > $1 ORDER BY mailbox LIMIT 1";
const CLEAR: &str =
    "DELETE FROM letters WHERE number IN (SELECT number FROM letters WHERE mailbox = $1 AND number <= $2
    LIMIT $3) RETURNING mailbox, group_name";
const EXPIRE: &str =
    "DELETE FROM letters WHERE number IN (SELECT number FROM letters WHERE mailbox = $1 AND visible_ms <= $2
    ORDER BY visible_ms LIMIT $3) RETURNING mailbox, group_name";
const REDIRECT: &str =
    "UPDATE letters SET mailbox = $2, visible_ms = $3, takes = 0, taken_ms = NULL, first_taken_ms = NULL,
        origin = NULL, sent_ms = $3
    WHERE number IN (SELECT number FROM letters WHERE mailbox = $1 AND visible_ms <= $3
        AND ($4::bytea IS NULL OR origin = $4) ORDER BY visible_ms, number LIMIT $5) RETURNING mailbox, group_name";
const FORGET_KEYS: &str = "DELETE FROM letter_keys WHERE (mailbox, key) IN
    (SELECT mailbox, key FROM letter_keys WHERE until_ms <= $1 LIMIT $2)";

/// A letter that could be taken.
struct Candidate {
    number: i64,
    sent_ms: u64,
    takes: u32,
    group: Option<Vec<u8>>,
}

/// What is done with letters, by number.
#[derive(Default)]
struct Fates {
    taken: Vec<i64>,
    expired: Vec<i64>,
    overflown: Vec<i64>,
}

/// Takes what is there; also says whether letters went to the mailbox for those that overflow.
pub(super) async fn take(connection: Arc<Connection>, request: &TakeRequest) -> Result<(Taken, bool), Fault> {
    connection.run("BEGIN").await?;
    if request.is_ordered {
        connection.query(LOCK_COUNTER, &[]).await?;
    }
    let mut taken = Taken::default();
    let mut seen: Vec<i64> = Vec::new();
    let mut has_overflown = false;
    for _ in 0..LOOKS_MAX {
        let mut fates = Fates::default();
        let mut lines = Lines::new();
        let wanted = request.letters_max - taken.letters.len();
        for candidate in candidates(&connection, request, wanted, &seen).await? {
            if fates.taken.len() == wanted {
                break;
            }
            seen.push(candidate.number);
            match request.fate(candidate.sent_ms, candidate.takes) {
                Fate::Taken => fates.taken.push(candidate.number),
                Fate::Expired => fates.expired.push(candidate.number),
                Fate::Overflown => fates.overflown.push(candidate.number),
            }
            lines.extend(candidate.group.map(|group| (request.mailbox.as_bytes().to_vec(), group)));
        }
        let damaged = give(&connection, request, &fates.taken, &mut taken).await?;
        if !fates.expired.is_empty() {
            connection.execute(REMOVE, &[&fates.expired]).await?;
        }
        if let (false, Some(overflow)) = (fates.overflown.is_empty(), &request.overflow) {
            has_overflown = true;
            let Overflow { mailbox, origin, is_sent_anew, .. } = overflow;
            let (mailbox, origin, now_ms) = (mailbox.as_bytes(), origin.as_bytes(), signed(request.now_ms));
            let moved =
                connection.query(OVERFLOW, &[&fates.overflown, &mailbox, &now_ms, &origin, is_sent_anew]).await?;
            noted(&moved, &mut lines);
        }
        line_up(&connection, &lines).await?;
        let is_done = damaged == 0 && fates.expired.is_empty() && fates.overflown.is_empty();
        if is_done || taken.letters.len() == request.letters_max {
            break;
        }
    }
    if taken.letters.is_empty() {
        let sql = if request.is_ordered { NEXT_READY } else { NEXT_FREE };
        let next = connection.query(sql, &[&request.mailbox.as_bytes(), &signed(request.now_ms)]).await?;
        taken.next_visible_ms = next.first().map(|row| unsigned(row, 0));
    }
    connection.commit_whole().await?;
    Ok((taken, has_overflown))
}

/// Hands letters out; returns how many of them are damaged.
async fn give(
    connection: &Connection,
    request: &TakeRequest,
    numbers: &[i64],
    taken: &mut Taken,
) -> Result<usize, Fault> {
    if numbers.is_empty() {
        return Ok(0);
    }
    let (hidden_ms, now_ms) = (signed(request.hidden_until_ms), signed(request.now_ms));
    let rows = connection.query(TAKE, &[&numbers, &hidden_ms, &now_ms]).await?;
    let mut damaged: Vec<i64> = Vec::new();
    let mut letters: Vec<TakenLetter> = Vec::new();
    for row in &rows {
        match intact(row) {
            Some(letter) => letters.push(letter),
            None => damaged.push(row.get(8)),
        }
    }
    if !damaged.is_empty() {
        connection.execute(SET_ASIDE, &[&damaged]).await?;
    }
    // An update answers in any order; the numbers are in the right one.
    letters.sort_by_key(|letter| numbers.iter().position(|number| *number == signed(letter.number)));
    taken.letters.append(&mut letters);
    Ok(damaged.len())
}

async fn candidates(
    connection: &Connection,
    request: &TakeRequest,
    wanted: usize,
    seen: &[i64],
) -> Result<Vec<Candidate>, Fault> {
    let (mailbox, now_ms, limit) = (request.mailbox.as_bytes(), signed(request.now_ms), rows(wanted + SPARE));
    let read = |row: &Row| Candidate {
        number: row.get(0),
        sent_ms: unsigned(row, 1),
        takes: takes(row, 2),
        group: row.get::<_, Option<&[u8]>>(3).map(<[u8]>::to_vec),
    };
    if !request.is_ordered {
        // No more than are wanted: what is locked here cannot be taken by anybody else meanwhile.
        let found = connection.query(FREE, &[&mailbox, &now_ms, &rows(wanted), &seen]).await?;
        return Ok(found.iter().map(read).collect());
    }
    let mut found: Vec<Candidate> = Vec::new();
    for ready in connection.query(READY, &[&mailbox, &now_ms, &limit]).await? {
        let group: &[u8] = ready.get(0);
        for row in connection.query(IN_LINE, &[&mailbox, &group, &limit]).await? {
            // Whoever stands behind one that is not there yet stays behind it.
            if row.get::<_, i64>(4) > now_ms {
                break;
            }
            let candidate = read(&row);
            if !seen.contains(&candidate.number) {
                found.push(candidate);
            }
        }
        if found.len() >= wanted + SPARE {
            break;
        }
    }
    Ok(found)
}

fn takes(row: &Row, column: usize) -> u32 {
    u32::try_from(row.get::<_, i64>(column)).unwrap_or(u32::MAX)
}

/// A letter; none when a disk has changed it.
fn intact(row: &Row) -> Option<TakenLetter> {
    let letter = Letter {
        id: row.get(0),
        mailbox: name(row, 1),
        group: row.get::<_, Option<&[u8]>>(2).map(|group| String::from_utf8_lossy(group).into_owned()),
        sent_ms: unsigned(row, 3),
        visible_ms: unsigned(row, 4),
        head: Bytes::copy_from_slice(row.get(5)),
        body: Bytes::copy_from_slice(row.get(6)),
    };
    if u64::from(checksum::of_letter(letter.id, &letter.head, &letter.body)) != unsigned(row, 7) {
        tracing::error!(
            id = %letter.id,
            mailbox = letter.mailbox,
            "a letter is damaged: its checksum does not match, so the database server's disk changed it; it stays where it is and is not delivered. Restore the database from a backup to have it back"
        );
        return None;
    }
    Some(TakenLetter {
        letter,
        number: unsigned(row, 8),
        takes: takes(row, 9),
        first_taken_ms: unsigned(row, 10),
        origin: origin(row, 11),
    })
}

fn origin(row: &Row, column: usize) -> Option<String> {
    row.get::<_, Option<&[u8]>>(column).map(|origin| String::from_utf8_lossy(origin).into_owned())
}

pub(super) async fn reread(
    connection: Arc<Connection>,
    mailbox: &str,
    receipts: &[Receipt],
) -> Result<Vec<TakenLetter>, Fault> {
    let ids: Vec<Uuid> = receipts.iter().map(|receipt| receipt.id).collect();
    let found = connection.query(REREAD, &[&mailbox.as_bytes(), &ids]).await?;
    let mut letters: Vec<TakenLetter> =
        found.iter().filter_map(intact).filter(|letter| receipts.contains(&letter.receipt())).collect();
    letters.sort_by_key(|letter| ids.iter().position(|id| *id == letter.letter.id));
    Ok(letters)
}

pub(super) async fn standings(
    connection: Arc<Connection>,
    mailbox: &str,
    ids: &[Uuid],
) -> Result<Vec<Standing>, Fault> {
    let found = connection.query(STANDINGS, &[&mailbox.as_bytes(), &ids]).await?;
    let standing = |row: &Row| Standing {
        id: row.get(0),
        takes: takes(row, 1),
        visible_ms: unsigned(row, 2),
        taken_ms: unsigned(row, 3),
    };
    let mut standings: Vec<Standing> = found.iter().map(standing).collect();
    standings.sort_by_key(|standing| ids.iter().position(|id| *id == standing.id));
    Ok(standings)
}

pub(super) async fn posted(connection: Arc<Connection>, mailbox: &str, keys: &[String]) -> Result<Vec<Posted>, Fault> {
    let wanted: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
    let found = connection.query(POSTED, &[&mailbox.as_bytes(), &wanted]).await?;
    let posted = |row: &Row| Posted { key: name(row, 0), id: row.get(1), number: unsigned(row, 2) };
    let mut posted: Vec<Posted> = found.iter().map(posted).collect();
    posted.sort_by_key(|posted| keys.iter().position(|key| *key == posted.key));
    Ok(posted)
}

pub(super) async fn counts(
    connection: Arc<Connection>,
    mailbox: &str,
    now_ms: UnixMs,
    sent_after_ms: UnixMs,
) -> Result<LetterCounts, Fault> {
    let found = connection.query(COUNTS, &[&mailbox.as_bytes(), &signed(now_ms), &signed(sent_after_ms)]).await?;
    let counts =
        |row: &Row| LetterCounts { visible: unsigned(row, 0), taken: unsigned(row, 1), delayed: unsigned(row, 2) };
    Ok(found.first().map(counts).unwrap_or_default())
}

pub(super) async fn next_origin(
    connection: Arc<Connection>,
    mailbox: &str,
    now_ms: UnixMs,
) -> Result<Option<Option<String>>, Fault> {
    let found = connection.query(NEXT_ORIGIN, &[&mailbox.as_bytes(), &signed(now_ms)]).await?;
    Ok(found.first().map(|row| origin(row, 0)))
}

pub(super) async fn newest(connection: Arc<Connection>, mailbox: &str) -> Result<Option<u64>, Fault> {
    let found = connection.query(NEWEST, &[&mailbox.as_bytes()]).await?;
    Ok(found.first().and_then(|row| row.get::<_, Option<i64>>(0)).map(i64::unsigned_abs))
}

/// Goes from one name to the next in the index, whatever is under each.
pub(super) async fn mailboxes(connection: Arc<Connection>, after: &str, limit: usize) -> Result<Vec<String>, Fault> {
    let mut names: Vec<String> = Vec::new();
    while names.len() < limit {
        let last = names.last().map_or(after, String::as_str);
        match connection.query(NEXT_MAILBOX, &[&last.as_bytes()]).await?.first() {
            Some(row) => names.push(name(row, 0)),
            None => break,
        }
    }
    Ok(names)
}

/// Work on many letters, under the lock of the writers; returns how many it was about.
pub(super) async fn work(connection: Arc<Connection>, work: &MailWork) -> Result<u64, Fault> {
    connection.run("BEGIN").await?;
    connection.query(LOCK_COUNTER, &[]).await?;
    let mut lines = Lines::new();
    let count = match work {
        MailWork::Clear { mailbox, number_max, letters_max } => {
            let wanted: super::connection::Parameters<'_> =
                &[&mailbox.as_bytes(), &signed(*number_max), &rows(*letters_max)];
            noted(&connection.query(CLEAR, wanted).await?, &mut lines)
        }
        MailWork::Expire { mailbox, visible_ms, letters_max } => {
            let wanted: super::connection::Parameters<'_> =
                &[&mailbox.as_bytes(), &signed(*visible_ms), &rows(*letters_max)];
            noted(&connection.query(EXPIRE, wanted).await?, &mut lines)
        }
        MailWork::ForgetKeys { until_ms, keys_max } => {
            connection.execute(FORGET_KEYS, &[&signed(*until_ms), &rows(*keys_max)]).await?
        }
        MailWork::Redirect { from, to, origin, now_ms, letters_max } => {
            let origin = origin.as_deref().map(str::as_bytes);
            let wanted: super::connection::Parameters<'_> =
                &[&from.as_bytes(), &to.as_bytes(), &signed(*now_ms), &origin, &rows(*letters_max)];
            let count = noted(&connection.query(REDIRECT, wanted).await?, &mut lines);
            // They have left lines of the same names.
            let left: BTreeSet<_> = lines.iter().map(|(_, group)| (from.as_bytes().to_vec(), group.clone())).collect();
            lines.extend(left);
            count
        }
        MailWork::Purge { prefix } => {
            let (below, above) = bounds(prefix, None);
            let range: super::connection::Parameters<'_> = &[&below, &above];
            connection.execute("DELETE FROM letter_groups WHERE mailbox >= $1 AND mailbox < $2", range).await?;
            connection.execute("DELETE FROM letter_keys WHERE mailbox >= $1 AND mailbox < $2", range).await?;
            connection.execute("DELETE FROM letters WHERE mailbox >= $1 AND mailbox < $2", range).await?
        }
    };
    line_up(&connection, &lines).await?;
    connection.commit_whole().await?;
    Ok(count)
}

fn noted(rows: &[Row], lines: &mut Lines) -> u64 {
    for row in rows {
        note_line(row, lines);
    }
    rows.len() as u64
}
