//! What can go wrong between here and the database, and what to say about it.

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::StoreError;

/// Why work on the database did not end well.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is no usable connection; the text says why and what to do.
    Away(String),
    /// The database or the connection refused a statement.
    Sql(tokio_postgres::Error),
    /// A row is not what was written.
    Damaged(StoreError),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl Fault {
    /// The error to answer with; `attempt` reads after "failed to".
    pub(super) fn into_error(self, attempt: &str) -> StoreError {
        match self {
            Self::Damaged(error) => error,
            fault => StoreError::storage(attempt, fault.describe()),
        }
    }

    /// In words, with what to do next.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Away(text) => text.clone(),
            Self::Damaged(error) => error.to_string(),
            Self::Sql(error) => match error.as_db_error() {
                Some(refusal) => describe(refusal),
                None => format!(
                    "the connection to PostgreSQL broke ({}); see that it runs and can be reached: the next request connects anew",
                    chain(error)
                ),
            },
        }
    }

    /// Whether the transaction was undone only because others ran beside it.
    pub(super) fn is_collision(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        error.code().is_some_and(|code| {
            *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
        })
    }

    /// Whether the connection is of no further use.
    pub(super) fn is_broken_connection(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        match error.as_db_error() {
            None => true,
            Some(refusal) => !matches!(refusal.parsed_severity(), Some(Severity::Error)),
        }
    }

    /// Whether it is the statement that is to blame, so that others would fare better alone.
    pub(super) fn is_of_the_statement(&self) -> bool {
        matches!(self, Self::Sql(_)) && !self.is_broken_connection() && !self.is_lock_timeout()
    }

    fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Sql(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }
}

fn describe(refusal: &DbError) -> String {
    let code = refusal.code();
    let remedy = match code.code() {
        "53300" => "raise max_connections of PostgreSQL, or run fewer servers",
        "53100" | "58030" => "look at the disk of the database server",
        "57P01" | "57P02" | "57P03" => "it stops or starts; the next request connects anew",
        "55P03" => "another server holds the lock for writing: see pg_stat_activity, and whether a standby is missing",
        "28000" | "28P01" | "3D000" => "correct the user, password or database in the address of the store",
        "42501" => "grant the user the right to create a schema in its database",
        "54000" => "a key must be shorter than 2,000 bytes, and a value than a gigabyte",
        _ => "PostgreSQL's own log says more",
    };
    let detail = refusal.detail().map(|detail| format!("; {detail}")).unwrap_or_default();
    format!("PostgreSQL answered: {} (SQLSTATE {}{detail}); {remedy}", refusal.message(), code.code())
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.ends_with(&next_text) {
            text = format!("{text}: {next_text}");
        }
        cause = next.source();
    }
    text
}
