//! The tables, and how an older database is brought forward.
//!
//! Names are bytes: they are compared as such, whatever the database's language is, and may hold any character. One
//! consequence is that what begins with a prefix lies between two bounds.

use tokio_postgres::error::SqlState;

use super::connection::{Connection, Connector};
use super::fault::Fault;
use crate::StoreError;

/// Each entry brings the schema from its index to the next version. Entries are only ever added.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE counter (
        id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 0),
        revision BIGINT NOT NULL,
        trimmed BIGINT NOT NULL
    );
    INSERT INTO counter (id, revision, trimmed) VALUES (0, 0, 0);
    CREATE TABLE records (
        key BYTEA NOT NULL PRIMARY KEY,
        value BYTEA NOT NULL,
        revision BIGINT NOT NULL,
        checksum BIGINT NOT NULL
    );
    CREATE TABLE changes (
        revision BIGINT NOT NULL,
        place BIGINT NOT NULL,
        key BYTEA NOT NULL,
        origin UUID NOT NULL,
        PRIMARY KEY (revision, place)
    );
    CREATE SEQUENCE lease_epochs;
    CREATE TABLE messages (
        id UUID NOT NULL PRIMARY KEY,
        number BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
        queue BYTEA NOT NULL,
        enqueued_ms BIGINT NOT NULL,
        due_ms BIGINT NOT NULL,
        lease_epoch BIGINT NOT NULL,
        held_until_ms BIGINT,
        head BYTEA NOT NULL,
        head_checksum BIGINT NOT NULL,
        body BYTEA NOT NULL,
        body_checksum BIGINT NOT NULL
    );
    CREATE INDEX messages_by_due ON messages (queue, due_ms, number);
    CREATE TABLE journals (
        journal BYTEA NOT NULL PRIMARY KEY,
        first BIGINT NOT NULL,
        next BIGINT NOT NULL
    );
    CREATE TABLE journal_records (
        journal BYTEA NOT NULL,
        position BIGINT NOT NULL,
        value BYTEA NOT NULL,
        checksum BIGINT NOT NULL,
        PRIMARY KEY (journal, position)
    );
",
    "
    CREATE SEQUENCE letter_numbers;
    CREATE TABLE letters (
        number BIGINT NOT NULL PRIMARY KEY,
        id UUID NOT NULL UNIQUE,
        mailbox BYTEA NOT NULL,
        group_name BYTEA,
        sent_ms BIGINT NOT NULL,
        visible_ms BIGINT NOT NULL,
        takes BIGINT NOT NULL,
        taken_ms BIGINT,
        first_taken_ms BIGINT,
        origin BYTEA,
        head BYTEA NOT NULL,
        body BYTEA NOT NULL,
        checksum BIGINT NOT NULL
    );
    CREATE INDEX letters_by_visible ON letters (mailbox, visible_ms, number);
    CREATE INDEX letters_by_group ON letters (mailbox, group_name, number) WHERE group_name IS NOT NULL;
    CREATE INDEX letters_taken ON letters (mailbox, group_name, visible_ms) WHERE group_name IS NOT NULL AND takes > 0;
    CREATE TABLE letter_groups (
        mailbox BYTEA NOT NULL,
        group_name BYTEA NOT NULL,
        head BIGINT NOT NULL,
        ready_ms BIGINT NOT NULL,
        PRIMARY KEY (mailbox, group_name)
    );
    CREATE INDEX letter_groups_by_ready ON letter_groups (mailbox, ready_ms, head);
    CREATE TABLE letter_keys (
        mailbox BYTEA NOT NULL,
        key BYTEA NOT NULL,
        id UUID NOT NULL,
        number BIGINT NOT NULL,
        made_ms BIGINT NOT NULL,
        until_ms BIGINT NOT NULL,
        PRIMARY KEY (mailbox, key)
    );
    CREATE INDEX letter_keys_by_end ON letter_keys (until_ms);
",
];

const VERSION_ROW: &str = "
    CREATE SCHEMA IF NOT EXISTS tindra;
    CREATE TABLE IF NOT EXISTS schema_version (
        id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 0),
        version BIGINT NOT NULL
    );
    INSERT INTO schema_version (id, version) VALUES (0, 0) ON CONFLICT (id) DO NOTHING;
";

/// Two servers that start on an empty database meet at most this often.
const TRIES_MAX: usize = 5;

/// Brings the schema to this version. One server at a time: the others wait for the row with the version.
pub(super) async fn migrate(connection: &Connection, connector: &Connector) -> Result<(), StoreError> {
    let attempt = format!("bring the database {} up to date", connector.shown());
    let failed = |fault: Fault| fault.into_error(&attempt);
    let mut tries = 0;
    while let Err(fault) = connection.run(VERSION_ROW).await {
        tries += 1;
        if tries == TRIES_MAX || !was_made_meanwhile(&fault) {
            return Err(failed(fault));
        }
    }
    connection.run("BEGIN").await.map_err(failed)?;
    let rows = connection.query("SELECT version FROM schema_version WHERE id = 0 FOR UPDATE", &[]).await;
    let version = rows.map_err(failed)?.first().map_or(0, |row| row.get::<_, i64>(0));
    let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > newest {
        return Err(StoreError::storage(
            format!("open the database {}", connector.shown()),
            format!(
                "it was written by a newer tindra (schema {version}, this one knows up to {newest}); run that version, or restore a backup from before the upgrade"
            ),
        ));
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        connection.run(migration).await.map_err(failed)?;
    }
    connection.execute("UPDATE schema_version SET version = $1 WHERE id = 0", &[&newest]).await.map_err(failed)?;
    connection.run("COMMIT").await.map_err(failed)
}

/// "If not exists" is looked at before it is made, and somebody may have come between.
fn was_made_meanwhile(fault: &Fault) -> bool {
    let Fault::Sql(error) = fault else { return false };
    error.code().is_some_and(|code| {
        [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_SCHEMA, SqlState::DUPLICATE_OBJECT]
            .contains(code)
    })
}
