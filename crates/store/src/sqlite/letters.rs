//! Letters in SQLite: put in, hidden and removed as parts of batches. Taking them is in [`super::taking`].

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tindra_core::clock::UnixMs;
use uuid::Uuid;

use super::writer::signed;
use crate::{Letter, LetterCounts, MailChange, Once, Posted, Receipt, Standing, StoreError, TakenLetter, checksum};

/// Larger bodies lie in a table of their own: taking a letter writes its row anew.
const ROW_BODY_BYTES_MAX: usize = 1_000;

const POST: &str = "INSERT INTO letters (id, mailbox, group_name, sent_ms, visible_ms, takes, head, body, checksum)
    VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING";
const POST_BODY: &str = "INSERT INTO letter_bodies (number, body) VALUES (last_insert_rowid(), ?1)";
const TAKE_KEY: &str =
    "INSERT INTO letter_keys (mailbox, key, id, number, made_ms, until_ms) VALUES (?1, ?2, ?3, 0, ?4, ?5)
    ON CONFLICT (mailbox, key) DO UPDATE SET id = excluded.id, made_ms = excluded.made_ms, until_ms = excluded.until_ms
    WHERE letter_keys.until_ms <= excluded.made_ms";
const NUMBER_KEY: &str = "UPDATE letter_keys SET number = ?3 WHERE mailbox = ?1 AND key = ?2";
const REMOVE: &str = "DELETE FROM letters WHERE id = ?1 AND mailbox = ?2 AND takes = ?3
    RETURNING number, group_name, body IS NULL";
const REMOVE_BODY: &str = "DELETE FROM letter_bodies WHERE number = ?1";
const HIDE: &str = "UPDATE letters SET visible_ms = ?4 WHERE id = ?1 AND mailbox = ?2 AND takes = ?3
    RETURNING group_name";
const STAND_IN_LINE: &str = "INSERT INTO letter_groups (mailbox, group_name, head, ready_ms)
    SELECT mailbox, group_name, number, max(visible_ms, coalesce((SELECT t.visible_ms
        FROM letters t INDEXED BY letters_taken WHERE t.mailbox = ?1 AND t.group_name = ?2 AND t.takes > 0
        ORDER BY t.visible_ms DESC LIMIT 1), 0))
    FROM letters INDEXED BY letters_by_group WHERE mailbox = ?1 AND group_name = ?2 ORDER BY number LIMIT 1
    ON CONFLICT (mailbox, group_name) DO UPDATE SET head = excluded.head, ready_ms = excluded.ready_ms";
const LEAVE_LINE: &str = "DELETE FROM letter_groups WHERE mailbox = ?1 AND group_name = ?2";
const STANDING: &str = "SELECT takes, visible_ms, coalesce(taken_ms, 0) FROM letters WHERE id = ?1 AND mailbox = ?2";
const POSTED: &str = "SELECT id, number FROM letter_keys WHERE mailbox = ?1 AND key = ?2";
const COUNTS: &str =
    "SELECT count(*) FILTER (WHERE visible_ms <= ?2), count(*) FILTER (WHERE visible_ms > ?2 AND takes > 0),
    count(*) FILTER (WHERE visible_ms > ?2 AND takes = 0)
    FROM letters INDEXED BY letters_by_visible WHERE mailbox = ?1 AND sent_ms > ?3";
const ONE: &str =
    "SELECT l.id, l.mailbox, l.group_name, l.sent_ms, l.visible_ms, l.head, coalesce(l.body, b.body), l.checksum,
    l.number, l.takes, coalesce(l.first_taken_ms, 0), l.origin
    FROM letters l LEFT JOIN letter_bodies b ON b.number = l.number WHERE l.id = ?1";
const NEXT_ORIGIN: &str = "SELECT origin FROM letters INDEXED BY letters_by_visible
    WHERE mailbox = ?1 AND visible_ms <= ?2 ORDER BY visible_ms, number LIMIT 1";
const NEWEST: &str = "SELECT max(number) FROM letters WHERE mailbox = ?1";
const NEXT_MAILBOX: &str = "SELECT mailbox FROM letters WHERE mailbox > ?1 ORDER BY mailbox LIMIT 1";

/// Makes one change of a batch; `true` when somebody may take a letter earlier than was known.
pub(super) fn apply(connection: &Connection, change: &MailChange) -> rusqlite::Result<bool> {
    match change {
        MailChange::Post { letter, once } => post(connection, letter, once.as_ref()),
        MailChange::Remove { mailbox, receipt } => {
            let removed: Option<(i64, Option<String>, bool)> = connection
                .prepare_cached(REMOVE)?
                .query_row(params![receipt.id.as_bytes(), mailbox, receipt.takes], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()?;
            let Some((number, group, lies_beside)) = removed else { return Ok(false) };
            if lies_beside {
                remove_body(connection, number)?;
            }
            line_up(connection, mailbox, group.as_deref())
        }
        MailChange::Hide { mailbox, receipt, visible_ms } => {
            let hidden: Option<Option<String>> = connection
                .prepare_cached(HIDE)?
                .query_row(params![receipt.id.as_bytes(), mailbox, receipt.takes, signed(*visible_ms)], |row| {
                    row.get(0)
                })
                .optional()?;
            let Some(group) = hidden else { return Ok(false) };
            line_up(connection, mailbox, group.as_deref())?;
            Ok(true)
        }
    }
}

fn post(connection: &Connection, letter: &Letter, once: Option<&Once>) -> rusqlite::Result<bool> {
    let Letter { id, mailbox, group, sent_ms, visible_ms, head, body } = letter;
    if let Some(Once { key, now_ms, until_ms }) = once {
        let key = params![mailbox, key, id.as_bytes(), signed(*now_ms), signed(*until_ms)];
        if connection.prepare_cached(TAKE_KEY)?.execute(key)? == 0 {
            return Ok(false);
        }
    }
    let in_row = body.len() <= ROW_BODY_BYTES_MAX;
    let put = connection.prepare_cached(POST)?.execute(params![
        id.as_bytes(),
        mailbox,
        group,
        signed(*sent_ms),
        signed(*visible_ms),
        &head[..],
        in_row.then_some(&body[..]),
        checksum::of_letter(*id, head, body),
    ])?;
    if put == 0 {
        return Ok(false);
    }
    let number = connection.last_insert_rowid();
    if !in_row {
        connection.prepare_cached(POST_BODY)?.execute([&body[..]])?;
    }
    if let Some(once) = once {
        connection.prepare_cached(NUMBER_KEY)?.execute(params![mailbox, once.key, number])?;
    }
    line_up(connection, mailbox, group.as_deref())?;
    Ok(true)
}

pub(super) fn remove_body(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(REMOVE_BODY)?.execute([number]).map(drop)
}

/// Writes down anew who is first in a line and when it goes on; `true` when there is such a line.
pub(super) fn line_up(connection: &Connection, mailbox: &str, group: Option<&str>) -> rusqlite::Result<bool> {
    let Some(group) = group else { return Ok(false) };
    let stands = connection.prepare_cached(STAND_IN_LINE)?.execute([mailbox, group])? > 0;
    if !stands {
        connection.prepare_cached(LEAVE_LINE)?.execute([mailbox, group])?;
    }
    Ok(stands)
}

/// A letter; none when it is gone or the disk has changed it.
pub(super) fn one(connection: &Connection, id: &[u8]) -> rusqlite::Result<Option<TakenLetter>> {
    let read = connection.prepare_cached(ONE)?.query_row([id], |row| {
        let (head, body): (Vec<u8>, Option<Vec<u8>>) = (row.get(5)?, row.get(6)?);
        let letter = Letter {
            id: Uuid::from_bytes(row.get(0)?),
            mailbox: row.get(1)?,
            group: row.get(2)?,
            sent_ms: unsigned(row, 3)?,
            visible_ms: unsigned(row, 4)?,
            head: head.into(),
            body: body.unwrap_or_default().into(),
        };
        if checksum::of_letter(letter.id, &letter.head, &letter.body) != row.get::<_, u32>(7)? {
            tracing::error!(
                id = %letter.id,
                mailbox = letter.mailbox,
                "a letter is damaged: its checksum does not match, so the disk changed it; it stays where it is and is not delivered. Restore the data directory from a backup to have it back"
            );
            return Ok(None);
        }
        Ok(Some(TakenLetter {
            letter,
            number: unsigned(row, 8)?,
            takes: row.get(9)?,
            first_taken_ms: unsigned(row, 10)?,
            origin: row.get(11)?,
        }))
    });
    read.optional().map(Option::flatten)
}

pub(super) fn reread(
    connection: &Connection,
    mailbox: &str,
    receipts: &[Receipt],
) -> Result<Vec<TakenLetter>, StoreError> {
    let failed = |error| StoreError::storage(format!("read letters of {mailbox}"), error);
    let found = receipts.iter().map(|receipt| one(connection, receipt.id.as_bytes()).map(|one| (receipt, one)));
    let found: Vec<_> = found.collect::<rusqlite::Result<_>>().map_err(failed)?;
    let is_still = |receipt: &Receipt, one: &TakenLetter| one.takes == receipt.takes && one.letter.mailbox == mailbox;
    Ok(found.into_iter().filter_map(|(receipt, one)| one.filter(|one| is_still(receipt, one))).collect())
}

pub(super) fn standings(connection: &Connection, mailbox: &str, ids: &[Uuid]) -> Result<Vec<Standing>, StoreError> {
    let failed = |error| StoreError::storage(format!("look at letters of {mailbox}"), error);
    let mut statement = connection.prepare_cached(STANDING).map_err(failed)?;
    let mut standings = Vec::with_capacity(ids.len());
    for id in ids {
        let standing = statement.query_row(params![id.as_bytes(), mailbox], |row| {
            let (takes, visible_ms, taken_ms) = (row.get(0)?, unsigned(row, 1)?, unsigned(row, 2)?);
            Ok(Standing { id: *id, takes, visible_ms, taken_ms })
        });
        standings.extend(standing.optional().map_err(failed)?);
    }
    Ok(standings)
}

pub(super) fn posted(connection: &Connection, mailbox: &str, keys: &[String]) -> Result<Vec<Posted>, StoreError> {
    let failed = |error| StoreError::storage(format!("look at the keys of {mailbox}"), error);
    let mut statement = connection.prepare_cached(POSTED).map_err(failed)?;
    let mut posted = Vec::with_capacity(keys.len());
    for key in keys {
        let one = statement.query_row(params![mailbox, key], |row| {
            Ok(Posted { key: key.clone(), id: Uuid::from_bytes(row.get(0)?), number: unsigned(row, 1)? })
        });
        posted.extend(one.optional().map_err(failed)?);
    }
    Ok(posted)
}

pub(super) fn counts(
    connection: &Connection,
    mailbox: &str,
    now_ms: UnixMs,
    sent_after_ms: UnixMs,
) -> Result<LetterCounts, StoreError> {
    let counted = connection.prepare_cached(COUNTS).and_then(|mut statement| {
        statement.query_row(params![mailbox, signed(now_ms), signed(sent_after_ms)], |row| {
            Ok(LetterCounts { visible: unsigned(row, 0)?, taken: unsigned(row, 1)?, delayed: unsigned(row, 2)? })
        })
    });
    counted.map_err(|error| StoreError::storage(format!("count the letters of {mailbox}"), error))
}

pub(super) fn next_origin(
    connection: &Connection,
    mailbox: &str,
    now_ms: UnixMs,
) -> Result<Option<Option<String>>, StoreError> {
    let found = connection
        .prepare_cached(NEXT_ORIGIN)
        .and_then(|mut statement| statement.query_row(params![mailbox, signed(now_ms)], |row| row.get(0)).optional());
    found.map_err(|error| StoreError::storage(format!("look at the letters of {mailbox}"), error))
}

pub(super) fn newest(connection: &Connection, mailbox: &str) -> Result<Option<u64>, StoreError> {
    let found = connection
        .prepare_cached(NEWEST)
        .and_then(|mut statement| statement.query_row([mailbox], |row| row.get::<_, Option<i64>>(0)));
    let found = found.map_err(|error| StoreError::storage(format!("look at the letters of {mailbox}"), error))?;
    Ok(found.map(i64::unsigned_abs))
}

/// Goes from one name to the next in the index, whatever is under each.
pub(super) fn mailboxes(connection: &Connection, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
    let failed = |error| StoreError::storage("list the mailboxes", error);
    let mut statement = connection.prepare_cached(NEXT_MAILBOX).map_err(failed)?;
    let mut names: Vec<String> = Vec::new();
    while names.len() < limit {
        let last = names.last().map_or(after, String::as_str);
        match statement.query_row([last], |row| row.get(0)).optional().map_err(failed)? {
            Some(name) => names.push(name),
            None => break,
        }
    }
    Ok(names)
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    Ok(number.unsigned_abs())
}
