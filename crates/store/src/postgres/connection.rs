//! A connection that has been looked at: to a primary, of a version that will do, that keeps what it answers.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::error::Severity;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address;
use super::fault::{Fault, chain};
use crate::open::Durability;
use crate::{StoreError, lock};

/// For greeting the database once its host has answered.
const GREETING_TIME_MAX: Duration = Duration::from_secs(2);
/// PostgreSQL 14, as `server_version_num` tells it.
const VERSION_MIN: i32 = 140_000;

/// What every session begins with. There is deliberately no `statement_timeout`: it would end the wait of a COMMIT for a
/// synchronous standby, which PostgreSQL then answers as a success.
const SESSION: &str = "
    SET search_path TO tindra;
    SET default_transaction_isolation TO 'read committed';
    SET lock_timeout TO '5s';
    SET idle_in_transaction_session_timeout TO '10s';
    SET client_min_messages TO warning;
";
const STANDING: &str = "SELECT pg_is_in_recovery(), current_setting('server_version_num', true),
    current_setting('fsync', true), current_setting('synchronous_commit', true), current_setting('full_page_writes', true)";

/// Parameters of a statement.
pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Makes connections.
pub(super) struct Connector {
    config: Config,
    encryption: MakeRustlsConnect,
    durability: Durability,
    runtime: Handle,
    time_max: Duration,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Connector").field(&self.shown()).finish()
    }
}

impl Connector {
    /// Connections live on `runtime`.
    pub(super) fn new(url: &str, durability: Durability, runtime: Handle) -> Result<Self, StoreError> {
        let config = address::parse(url)?;
        let hosts = u32::try_from(config.get_hosts().len().max(config.get_hostaddrs().len())).unwrap_or(u32::MAX);
        let each = config.get_connect_timeout().copied().unwrap_or_default();
        let time_max = each.saturating_mul(hosts).saturating_add(GREETING_TIME_MAX);
        let encryption = address::encryption(&config)?;
        Ok(Self { config, encryption, durability, runtime, time_max })
    }

    /// The database without its password.
    pub(super) fn shown(&self) -> String {
        address::shown(&self.config)
    }

    /// A new connection. Every one is looked at anew: after a failover the same address may be another server.
    pub(super) async fn connect(&self) -> Result<Arc<Connection>, Fault> {
        match timeout(self.time_max, self.greet()).await {
            Ok(greeted) => greeted.map(|(connection, _)| connection),
            Err(_) => Err(self.away(&format!("it did not answer within {} s", self.time_max.as_secs()))),
        }
    }

    /// The first connection: says aloud what does not forbid going on.
    pub(super) async fn connect_first(&self) -> Result<Arc<Connection>, Fault> {
        match timeout(self.time_max, self.greet()).await {
            Ok(greeted) => greeted.map(|(connection, warnings)| {
                for warning in warnings {
                    tracing::warn!(database = self.shown(), "{warning}");
                }
                connection
            }),
            Err(_) => Err(self.away(&format!("it did not answer within {} s", self.time_max.as_secs()))),
        }
    }

    async fn greet(&self) -> Result<(Arc<Connection>, Vec<String>), Fault> {
        let connected = self.config.connect(self.encryption.clone()).await;
        let (client, mut driver) = connected.map_err(|error| match error.as_db_error() {
            Some(_) => Fault::Sql(error),
            None => self.away(&chain(&error)),
        })?;
        let warned = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&warned);
        drop(self.runtime.spawn(poll_fn(move |context| {
            loop {
                match driver.poll_message(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None | Some(Err(_))) => return Poll::Ready(()),
                    Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => {
                        if notice.parsed_severity() == Some(Severity::Warning) {
                            seen.store(true, Ordering::Release);
                        }
                        tracing::warn!(severity = notice.severity(), "PostgreSQL says: {}", notice.message());
                    }
                    Poll::Ready(Some(Ok(_))) => {}
                }
            }
        })));
        client.batch_execute(SESSION).await?;
        let warnings = standing(&client.query_one(STANDING, &[]).await?, self.durability)
            .map_err(|cause| Fault::Away(format!("the database {} cannot be used: {cause}", self.shown())))?;
        Ok((Arc::new(Connection { client, statements: Mutex::default(), warned }), warnings))
    }

    fn away(&self, cause: &str) -> Fault {
        let database = self.shown();
        if cause.contains("invalid peer certificate") {
            return Fault::Away(format!(
                "the database {database} cannot be trusted ({cause}); add its certificate authority to those that this machine trusts, or name a file with it in SSL_CERT_FILE; sslmode=disable in the address does without encryption"
            ));
        }
        Fault::Away(format!(
            "the database {database} is away ({cause}); see that PostgreSQL runs there and lets this server in: the next request tries again"
        ))
    }
}

/// Whether a server may be trusted with what we answer for; what is doubtful but allowed comes back as warnings.
fn standing(row: &Row, durability: Durability) -> Result<Vec<String>, String> {
    let setting = |column: usize| row.get::<_, Option<&str>>(column);
    if row.get(0) {
        return Err("it is a standby that only reads; name the primary, or all of them as HOST,HOST".to_owned());
    }
    if let Some(version) = setting(1).and_then(|version| version.parse::<i32>().ok())
        && version < VERSION_MIN
    {
        return Err(format!("it is PostgreSQL {}; upgrade it to 14 or later", version / 10_000));
    }
    let mut warnings = Vec::new();
    for (name, value) in [("fsync", setting(2)), ("synchronous_commit", setting(3))] {
        if value == Some("off") {
            let text = format!("it has {name} = off, so a power cut takes what was answered; set it to on");
            match durability {
                Durability::Full => return Err(text),
                Durability::Normal | Durability::Off => warnings.push(text),
            }
        }
    }
    if let Some(value @ ("local" | "remote_write")) = setting(3) {
        warnings.push(format!(
            "synchronous_commit = {value}: a failover may take what was answered; set it to on for this database"
        ));
    }
    if setting(4) == Some("off") {
        warnings.push(
            "full_page_writes = off: a power cut may damage the database unless its file system never tears a page; set it to on".to_owned(),
        );
    }
    Ok(warnings)
}

/// A session with its prepared statements.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    warned: Arc<AtomicBool>,
}

impl Connection {
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn query(&self, sql: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>, Fault> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query(&statement, parameters).await?)
    }

    /// Returns how many rows it concerned.
    pub(super) async fn execute(&self, sql: &'static str, parameters: Parameters<'_>) -> Result<u64, Fault> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.execute(&statement, parameters).await?)
    }

    /// Runs statements that have no parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Ends a transaction. PostgreSQL answers with a warning when it committed but gave up waiting for its synchronous
    /// standby, which is no success for us.
    pub(super) async fn commit(&self) -> Result<Committed, tokio_postgres::Error> {
        self.warned.store(false, Ordering::Release);
        self.client.batch_execute("COMMIT").await?;
        Ok(if self.warned.load(Ordering::Acquire) { Committed::WithWarning } else { Committed::Whole })
    }

    /// Ends a transaction that may be done again; [`Committed::WithWarning`] is a fault.
    pub(super) async fn commit_whole(&self) -> Result<(), Fault> {
        match self.commit().await? {
            Committed::Whole => Ok(()),
            Committed::WithWarning => Err(Fault::Away(
                "PostgreSQL committed with a warning, which is in this server's log: a standby may not have it; see that the standby is there, and try again".to_owned(),
            )),
        }
    }

    async fn prepared(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let known = lock(&self.statements).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        lock(&self.statements).insert(sql, statement.clone());
        Ok(statement)
    }
}

/// How a commit was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Committed {
    Whole,
    WithWarning,
}
