//! Journals in SQLite: a row for where each begins and ends, and a row for each record.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Savepoint, params};

use super::writer::{Refusal, signed};
use crate::checksum;
use crate::{JournalBounds, JournalChange, StoreError};

const BOUNDS: &str = "SELECT first, next FROM journals WHERE journal = ?1";
const SET_BOUNDS: &str = "INSERT INTO journals (journal, first, next) VALUES (?1, ?2, ?3)
    ON CONFLICT (journal) DO UPDATE SET first = ?2, next = ?3";
const APPEND: &str = "INSERT INTO journal_records (journal, position, value, checksum) VALUES (?1, ?2, ?3, ?4)";
const TRIM: &str = "DELETE FROM journal_records WHERE journal = ?1 AND position < ?2";
const READ: &str = "SELECT position, value, checksum FROM journal_records WHERE journal = ?1 AND position >= ?2
    ORDER BY position LIMIT ?3";

/// Makes one change of a batch.
pub(super) fn apply(savepoint: &Savepoint<'_>, change: &JournalChange) -> Result<(), Refusal> {
    let set = |journal: &str, bounds: JournalBounds| {
        savepoint.prepare_cached(SET_BOUNDS)?.execute(params![journal, signed(bounds.first), signed(bounds.end)])
    };
    match change {
        JournalChange::Append { journal, at, records } => {
            let known = read_bounds(savepoint, journal)?;
            if known.end != *at {
                return Err(Refusal::Conflict(format!("of the end of {journal}, which is {},", known.end)));
            }
            let mut position = *at;
            for record in records {
                let sum = checksum::of_value(journal, record, position);
                savepoint.prepare_cached(APPEND)?.execute(params![journal, signed(position), &record[..], sum])?;
                position += 1;
            }
            set(journal, JournalBounds { end: position, ..known })?;
        }
        JournalChange::Trim { journal, before } => {
            let known = read_bounds(savepoint, journal)?;
            let first = (*before).clamp(known.first, known.end);
            savepoint.prepare_cached(TRIM)?.execute(params![journal, signed(first)])?;
            set(journal, JournalBounds { first, ..known })?;
        }
        JournalChange::Remove { journal } => {
            savepoint.prepare_cached("DELETE FROM journal_records WHERE journal = ?1")?.execute([journal])?;
            savepoint.prepare_cached("DELETE FROM journals WHERE journal = ?1")?.execute([journal])?;
        }
    }
    Ok(())
}

pub(super) fn read(
    connection: &Connection,
    journal: &str,
    from: u64,
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<(u64, Bytes)>, StoreError> {
    let failed = |error| StoreError::storage(format!("read the journal {journal}"), error);
    let mut statement = connection.prepare_cached(READ).map_err(failed)?;
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![journal, signed(from), limit_rows]).map_err(failed)?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    while bytes < bytes_max
        && let Some(row) = rows.next().map_err(failed)?
    {
        let position: i64 = row.get(0).map_err(failed)?;
        let value: Vec<u8> = row.get(1).map_err(failed)?;
        let sum: u32 = row.get(2).map_err(failed)?;
        let position = position.unsigned_abs();
        if checksum::of_value(journal, &value, position) != sum {
            let attempt = format!("read record {position} of the journal {journal}");
            let cause = "its checksum does not match: the disk changed it; restore it from a backup";
            return Err(StoreError::storage(attempt, cause));
        }
        bytes += value.len();
        records.push((position, value.into()));
    }
    Ok(records)
}

pub(super) fn bounds(connection: &Connection, journal: &str) -> Result<JournalBounds, StoreError> {
    read_bounds(connection, journal)
        .map_err(|error| StoreError::storage(format!("look at the journal {journal}"), error))
}

pub(super) fn names(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let read = || -> rusqlite::Result<Vec<String>> {
        connection
            .prepare_cached("SELECT journal FROM journals ORDER BY journal")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    read().map_err(|error| StoreError::storage("list the journals", error))
}

fn read_bounds(connection: &Connection, journal: &str) -> rusqlite::Result<JournalBounds> {
    let row = connection
        .prepare_cached(BOUNDS)?
        .query_row([journal], |row| {
            let (first, end): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(JournalBounds { first: first.unsigned_abs(), end: end.unsigned_abs() })
        })
        .optional()?;
    Ok(row.unwrap_or_default())
}
