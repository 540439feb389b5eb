//! Reading records.

use std::sync::Arc;

use bytes::Bytes;
use tokio_postgres::Row;

use super::connection::Connection;
use super::fault::Fault;
use super::numbers::{bounds, name, rows, unsigned};
use crate::{Record, StoreError, checksum};

const GET: &str = "SELECT key, value, revision, checksum FROM records WHERE key = $1";
const LIST: &str =
    "SELECT key, value, revision, checksum FROM records WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3";

pub(super) async fn get(connection: Arc<Connection>, key: &str) -> Result<Option<Record>, Fault> {
    connection.query(GET, &[&key.as_bytes()]).await?.first().map(checked).transpose()
}

pub(super) async fn list(
    connection: Arc<Connection>,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Record>, Fault> {
    let (below, above) = bounds(prefix, after);
    connection.query(LIST, &[&below, &above, &rows(limit)]).await?.iter().map(checked).collect()
}

/// PostgreSQL checksums its pages only where it was set up to, so each record carries its own.
fn checked(row: &Row) -> Result<Record, Fault> {
    let record = Record { key: name(row, 0), value: Bytes::copy_from_slice(row.get(1)), revision: unsigned(row, 2) };
    if u64::from(checksum::of_value(&record.key, &record.value, record.revision)) == unsigned(row, 3) {
        return Ok(record);
    }
    let attempt = format!("read the record {}", record.key);
    let cause = "its checksum does not match: the database server's disk changed it; restore it from a backup";
    Err(Fault::Damaged(StoreError::storage(attempt, cause)))
}
