//! Opening the database: settings, check after an unclean stop, migrations.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::StoreError;
use crate::open::Durability;

/// Each entry brings the schema from its index to the next version. Entries are only ever added.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE records (
        key TEXT NOT NULL PRIMARY KEY COLLATE BINARY,
        value BLOB NOT NULL,
        revision INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE counter (
        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 0),
        revision INTEGER NOT NULL
    ) STRICT;
    INSERT INTO counter (id, revision) VALUES (0, 0);
",
    "
    CREATE TABLE messages (
        number INTEGER NOT NULL PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        queue TEXT NOT NULL COLLATE BINARY,
        enqueued_ms INTEGER NOT NULL,
        due_ms INTEGER NOT NULL,
        head BLOB NOT NULL,
        head_checksum INTEGER NOT NULL,
        body BLOB,
        body_checksum INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX messages_by_due ON messages (queue, due_ms, number, enqueued_ms);
    CREATE TABLE bodies (
        number INTEGER NOT NULL PRIMARY KEY,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE journals (
        journal TEXT NOT NULL PRIMARY KEY COLLATE BINARY,
        first INTEGER NOT NULL,
        next INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE journal_records (
        journal TEXT NOT NULL COLLATE BINARY,
        position INTEGER NOT NULL,
        value BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (journal, position)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE letters (
        number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,
        mailbox TEXT NOT NULL COLLATE BINARY,
        group_name TEXT COLLATE BINARY,
        sent_ms INTEGER NOT NULL,
        visible_ms INTEGER NOT NULL,
        takes INTEGER NOT NULL,
        taken_ms INTEGER,
        first_taken_ms INTEGER,
        origin TEXT,
        head BLOB NOT NULL,
        body BLOB,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX letters_by_visible ON letters (mailbox, visible_ms, number, takes, sent_ms);
    CREATE INDEX letters_by_group ON letters (mailbox, group_name, number) WHERE group_name IS NOT NULL;
    CREATE INDEX letters_taken ON letters (mailbox, group_name, visible_ms) WHERE group_name IS NOT NULL AND takes > 0;
    CREATE TABLE letter_bodies (
        number INTEGER NOT NULL PRIMARY KEY,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE letter_groups (
        mailbox TEXT NOT NULL COLLATE BINARY,
        group_name TEXT NOT NULL COLLATE BINARY,
        head INTEGER NOT NULL,
        ready_ms INTEGER NOT NULL,
        PRIMARY KEY (mailbox, group_name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX letter_groups_by_ready ON letter_groups (mailbox, ready_ms, head);
    CREATE TABLE letter_keys (
        mailbox TEXT NOT NULL COLLATE BINARY,
        key TEXT NOT NULL COLLATE BINARY,
        id BLOB NOT NULL,
        number INTEGER NOT NULL,
        made_ms INTEGER NOT NULL,
        until_ms INTEGER NOT NULL,
        PRIMARY KEY (mailbox, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX letter_keys_by_end ON letter_keys (until_ms);
",
];

/// How long a connection waits for another one that has the whole database, which happens only while the
/// last one closes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The writer's connection, with the schema of this version.
pub(super) fn open(path: &Path, durability: Durability, check: bool) -> Result<Connection, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::storage(format!("open the database {}", path.display()), error);
    let mut connection = Connection::open(path).map_err(failed)?;
    configure(&connection, durability).map_err(failed)?;
    if check {
        quick_check(&connection, path)?;
    }
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn configure(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
        Durability::Off => "OFF",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)
}

fn quick_check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let attempt = || format!("check the database {} after an unclean stop", path.display());
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| StoreError::storage(attempt(), error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::storage(attempt(), format!("it is damaged ({verdict}); restore the data directory from a backup")))
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let attempt = || format!("bring the database {} up to date", path.display());
    let failed = |error: rusqlite::Error| StoreError::storage(attempt(), error);
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let newest = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if version > newest {
        return Err(StoreError::storage(
            format!("open the database {}", path.display()),
            format!(
                "it was written by a newer tindra (schema {version}, this one knows up to {newest}); run that version, or restore a backup from before the upgrade"
            ),
        ));
    }
    for (migration, reached) in MIGRATIONS.iter().zip(1_u32..).skip(version as usize) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.pragma_update(None, "user_version", reached).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
