//! Taking letters, and other work on many of them, in the writer's thread.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::letters::{line_up, one, remove_body, unsigned};
use super::writer::signed;
use crate::mailboxes::Fate;
use crate::{MailWork, Overflow, TakeRequest, Taken};

/// Letters that may be looked at beyond those that are wanted, because some turn out to be expired or overflown.
const SPARE: usize = 64;
/// Looks of one take. What is left then waits for the next one.
const LOOKS_MAX: usize = 32;

const FREE: &str = "SELECT number, id, sent_ms, takes, NULL FROM letters INDEXED BY letters_by_visible
    WHERE mailbox = ?1 AND visible_ms <= ?2 ORDER BY visible_ms, number LIMIT ?3";
const READY: &str = "SELECT group_name FROM letter_groups INDEXED BY letter_groups_by_ready
    WHERE mailbox = ?1 AND ready_ms <= ?2 ORDER BY ready_ms, head LIMIT ?3";
const IN_LINE: &str =
    "SELECT number, id, sent_ms, takes, group_name, visible_ms FROM letters INDEXED BY letters_by_group
    WHERE mailbox = ?1 AND group_name = ?2 ORDER BY number LIMIT ?3";
const TAKE: &str = "UPDATE letters SET visible_ms = ?2, takes = takes + 1, taken_ms = ?3,
    first_taken_ms = coalesce(first_taken_ms, ?3) WHERE number = ?1";
const SET_ASIDE: &str =
    "UPDATE letters SET visible_ms = 9223372036854775807, takes = 0, group_name = NULL WHERE number = ?1";
const OVERFLOW: &str = "UPDATE letters SET mailbox = ?2, visible_ms = ?3, origin = ?4,
    sent_ms = iif(?5, ?3, sent_ms) WHERE number = ?1";
const REMOVE: &str = "DELETE FROM letters WHERE number = ?1";
const NEXT_FREE: &str =
    "SELECT visible_ms FROM letters INDEXED BY letters_by_visible WHERE mailbox = ?1 AND visible_ms > ?2
    ORDER BY visible_ms LIMIT 1";
const NEXT_READY: &str = "SELECT ready_ms FROM letter_groups INDEXED BY letter_groups_by_ready
    WHERE mailbox = ?1 AND ready_ms > ?2 ORDER BY ready_ms LIMIT 1";
const OLDEST: &str = "SELECT number, group_name FROM letters INDEXED BY letters_by_visible WHERE mailbox = ?1
    AND number <= ?2 LIMIT ?3";
const EXPIRED: &str = "SELECT number, group_name FROM letters INDEXED BY letters_by_visible WHERE mailbox = ?1
    AND visible_ms <= ?2 ORDER BY visible_ms LIMIT ?3";
const RETURNING: &str = "SELECT number, group_name FROM letters INDEXED BY letters_by_visible WHERE mailbox = ?1
    AND visible_ms <= ?2 AND (?3 IS NULL OR origin = ?3) ORDER BY visible_ms, number LIMIT ?4";
const REDIRECT: &str =
    "UPDATE letters SET mailbox = ?2, visible_ms = ?3, takes = 0, taken_ms = NULL, first_taken_ms = NULL,
    origin = NULL, sent_ms = ?3 WHERE number = ?1";
const FORGET_KEYS: &str = "DELETE FROM letter_keys WHERE (mailbox, key) IN
    (SELECT mailbox, key FROM letter_keys INDEXED BY letter_keys_by_end WHERE until_ms <= ?1 LIMIT ?2)";

/// A letter that could be taken.
struct Candidate {
    number: i64,
    id: Vec<u8>,
    sent_ms: u64,
    takes: u32,
    group: Option<String>,
}

impl Candidate {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (number, id) = (row.get(0)?, row.get(1)?);
        Ok(Self { number, id, sent_ms: unsigned(row, 2)?, takes: row.get(3)?, group: row.get(4)? })
    }
}

/// Takes what is there; also says whether letters went to the mailbox for those that overflow.
pub(super) fn take(connection: &Connection, request: &TakeRequest) -> rusqlite::Result<(Taken, bool)> {
    let mut taken = Taken::default();
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    let mut lines: BTreeSet<String> = BTreeSet::new();
    let mut has_overflown = false;
    for _ in 0..LOOKS_MAX {
        let mut is_done = true;
        for candidate in candidates(connection, request, request.letters_max - taken.letters.len() + seen.len())? {
            if taken.letters.len() == request.letters_max {
                break;
            }
            if !seen.insert(candidate.number) {
                continue;
            }
            match request.fate(candidate.sent_ms, candidate.takes) {
                Fate::Taken => match give(connection, request, &candidate)? {
                    Some(letter) => taken.letters.push(letter),
                    None => is_done = false,
                },
                Fate::Expired => {
                    connection.prepare_cached(REMOVE)?.execute([candidate.number])?;
                    remove_body(connection, candidate.number)?;
                    is_done = false;
                }
                Fate::Overflown => {
                    overflow(connection, request, &candidate)?;
                    (has_overflown, is_done) = (true, false);
                }
            }
            lines.extend(candidate.group);
        }
        if request.is_ordered {
            for group in &lines {
                line_up(connection, &request.mailbox, Some(group))?;
            }
        }
        if is_done || taken.letters.len() == request.letters_max {
            break;
        }
    }
    if taken.letters.is_empty() {
        let sql = if request.is_ordered { NEXT_READY } else { NEXT_FREE };
        let next = params![request.mailbox, signed(request.now_ms)];
        taken.next_visible_ms = connection.prepare_cached(sql)?.query_row(next, |row| unsigned(row, 0)).optional()?;
    }
    Ok((taken, has_overflown))
}

fn give(
    connection: &Connection,
    request: &TakeRequest,
    candidate: &Candidate,
) -> rusqlite::Result<Option<crate::TakenLetter>> {
    let Some(mut letter) = one(connection, &candidate.id)? else {
        connection.prepare_cached(SET_ASIDE)?.execute([candidate.number])?;
        return Ok(None);
    };
    let (hidden_ms, now_ms) = (signed(request.hidden_until_ms), signed(request.now_ms));
    connection.prepare_cached(TAKE)?.execute([candidate.number, hidden_ms, now_ms])?;
    letter.takes += 1;
    letter.letter.visible_ms = request.hidden_until_ms;
    if candidate.takes == 0 {
        letter.first_taken_ms = request.now_ms;
    }
    Ok(Some(letter))
}

fn overflow(connection: &Connection, request: &TakeRequest, candidate: &Candidate) -> rusqlite::Result<()> {
    let Some(Overflow { mailbox, origin, is_sent_anew, .. }) = &request.overflow else { return Ok(()) };
    connection.prepare_cached(OVERFLOW)?.execute(params![
        candidate.number,
        mailbox,
        signed(request.now_ms),
        origin,
        is_sent_anew
    ])?;
    line_up(connection, mailbox, candidate.group.as_deref()).map(drop)
}

fn candidates(connection: &Connection, request: &TakeRequest, wanted: usize) -> rusqlite::Result<Vec<Candidate>> {
    let limit = i64::try_from(wanted + SPARE).unwrap_or(i64::MAX);
    let TakeRequest { mailbox, now_ms, .. } = request;
    if !request.is_ordered {
        let mut statement = connection.prepare_cached(FREE)?;
        return statement.query_map(params![mailbox, signed(*now_ms), limit], Candidate::read)?.collect();
    }
    let mut ready = connection.prepare_cached(READY)?;
    let groups = ready.query_map(params![mailbox, signed(*now_ms), limit], |row| row.get::<_, String>(0))?;
    let groups: Vec<String> = groups.collect::<rusqlite::Result<_>>()?;
    let mut found: Vec<Candidate> = Vec::new();
    let mut line = connection.prepare_cached(IN_LINE)?;
    for group in groups {
        let left = i64::try_from((wanted + SPARE).saturating_sub(found.len())).unwrap_or(i64::MAX);
        if left == 0 {
            break;
        }
        let mut rows = line.query(params![mailbox, group, left])?;
        while let Some(row) = rows.next()? {
            // Whoever stands behind one that is not there yet stays behind it.
            if unsigned(row, 5)? > *now_ms {
                break;
            }
            found.push(Candidate::read(row)?);
        }
    }
    Ok(found)
}

/// Work on many letters; returns how many it was about.
pub(super) fn work(connection: &Connection, work: &MailWork) -> rusqlite::Result<u64> {
    let rows = |limit: usize| i64::try_from(limit).unwrap_or(i64::MAX);
    match work {
        MailWork::Clear { mailbox, number_max, letters_max } => {
            let found = named(connection, OLDEST, params![mailbox, signed(*number_max), rows(*letters_max)])?;
            remove(connection, mailbox, &found)
        }
        MailWork::Expire { mailbox, visible_ms, letters_max } => {
            let found = named(connection, EXPIRED, params![mailbox, signed(*visible_ms), rows(*letters_max)])?;
            remove(connection, mailbox, &found)
        }
        MailWork::ForgetKeys { until_ms, keys_max } => {
            let forgotten = connection.prepare_cached(FORGET_KEYS)?.execute([signed(*until_ms), rows(*keys_max)])?;
            Ok(forgotten as u64)
        }
        MailWork::Redirect { from, to, origin, now_ms, letters_max } => {
            let wanted = params![from, signed(*now_ms), origin, rows(*letters_max)];
            let found = named(connection, RETURNING, wanted)?;
            for (number, group) in &found {
                connection.prepare_cached(REDIRECT)?.execute(params![number, to, signed(*now_ms)])?;
                line_up(connection, from, group.as_deref())?;
                line_up(connection, to, group.as_deref())?;
            }
            Ok(found.len() as u64)
        }
        MailWork::Purge { prefix } => purge(connection, prefix),
    }
}

type Named = (i64, Option<String>);

fn named(connection: &Connection, sql: &str, wanted: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<Named>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(wanted, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn remove(connection: &Connection, mailbox: &str, found: &[Named]) -> rusqlite::Result<u64> {
    for (number, _) in found {
        connection.prepare_cached(REMOVE)?.execute([number])?;
        remove_body(connection, *number)?;
    }
    let lines: BTreeSet<&str> = found.iter().filter_map(|(_, group)| group.as_deref()).collect();
    for group in lines {
        line_up(connection, mailbox, Some(group))?;
    }
    Ok(found.len() as u64)
}

fn purge(connection: &Connection, prefix: &str) -> rusqlite::Result<u64> {
    let begins = "substr(mailbox, 1, length(?1)) = ?1";
    connection.execute(
        &format!("DELETE FROM letter_bodies WHERE number IN (SELECT number FROM letters WHERE {begins})"),
        [prefix],
    )?;
    let removed = connection.execute(&format!("DELETE FROM letters WHERE {begins}"), [prefix])?;
    connection.execute(&format!("DELETE FROM letter_groups WHERE {begins}"), [prefix])?;
    connection.execute(&format!("DELETE FROM letter_keys WHERE {begins}"), [prefix])?;
    Ok(removed as u64)
}
