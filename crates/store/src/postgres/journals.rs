//! Reading journals: a row for where each begins and ends, and a row for each record.

use std::sync::Arc;

use bytes::Bytes;

use super::connection::Connection;
use super::fault::Fault;
use super::numbers::{name, rows, signed, unsigned};
use crate::{JournalBounds, StoreError, checksum};

const BOUNDS: &str = "SELECT first, next FROM journals WHERE journal = $1";
/// The sizes are known without the values, so that those beyond the bound are not even read.
const READ: &str = "SELECT r.position, r.value, r.checksum FROM journal_records r JOIN (
        SELECT position, sum(octet_length(value)) OVER (ORDER BY position) - octet_length(value) AS before FROM (
            SELECT position, value FROM journal_records WHERE journal = $1 AND position >= $2 ORDER BY position LIMIT $3
        ) page
    ) sizes ON r.position = sizes.position
    WHERE r.journal = $1 AND sizes.before < $4 ORDER BY r.position";

pub(super) async fn read(
    connection: Arc<Connection>,
    journal: &str,
    from: u64,
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<(u64, Bytes)>, Fault> {
    let found = connection.query(READ, &[&journal.as_bytes(), &signed(from), &rows(limit), &rows(bytes_max)]).await?;
    let mut records = Vec::with_capacity(found.len());
    for row in &found {
        let position = unsigned(row, 0);
        let value: &[u8] = row.get(1);
        if u64::from(checksum::of_value(journal, value, position)) != unsigned(row, 2) {
            let attempt = format!("read record {position} of the journal {journal}");
            let cause = "its checksum does not match: the database server's disk changed it; restore it from a backup";
            return Err(Fault::Damaged(StoreError::storage(attempt, cause)));
        }
        records.push((position, Bytes::copy_from_slice(value)));
    }
    Ok(records)
}

pub(super) async fn bounds(connection: Arc<Connection>, journal: &str) -> Result<JournalBounds, Fault> {
    let found = connection.query(BOUNDS, &[&journal.as_bytes()]).await?;
    let bounds = found.first().map(|row| JournalBounds { first: unsigned(row, 0), end: unsigned(row, 1) });
    Ok(bounds.unwrap_or_default())
}

pub(super) async fn names(connection: Arc<Connection>) -> Result<Vec<String>, Fault> {
    let found = connection.query("SELECT journal FROM journals ORDER BY journal", &[]).await?;
    Ok(found.iter().map(|row| name(row, 0)).collect())
}
