//! Asynchronous invokes: how many events are accepted in a second, how long one waits in an idle queue, and what a million of
//! them take of memory.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection as Database, params};
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::Connection;
use crate::interpreters::Interpreters;
use crate::options::Options;
use crate::server::{Server, zip};
use crate::table::{Table, Wanted};
use crate::{load, notes};

/// The event of all rows: a kilobyte.
const EVENT_BYTES: usize = 1_024;
/// What a queued event takes beside its payload, about: who is meant, since when, and the trace.
const HEAD_BYTES: usize = 330;
/// Batches of one transaction, as in the store.
const GROUP_MAX: usize = 512;
const CALLERS: [usize; 3] = [1, 16, 64];
/// Window of a throughput measurement.
const WINDOW: Duration = Duration::from_secs(3);
/// Events of the last row; `TINDRA_BENCH_EVENTS` names another number.
const EVENTS: u64 = 1_000_000;
/// Growth of the server that counts as none.
const GROWTH_MB_MAX: f64 = 64.0;
/// Events that are timed.
const TIMED: usize = 200;

/// Between an event and the look at when it began.
const PAUSE: Duration = Duration::from_millis(40);
/// The same for the first one.
const COLD: Duration = Duration::from_secs(3);

/// Begins, and is not done for as long as any row takes; one event of it runs at a time.
const SINK: &str = "import time\n\ndef handler(event, context):\n    time.sleep(800)\n";

struct Bench {
    runtimes: PathBuf,
    python: String,
    is_short: bool,
    table: Table,
}

type Measure = fn(&mut Bench, &str) -> Result<()>;

const ROWS: [(&str, Measure); 3] = [
    ("accepted events/s", Bench::accepted),
    ("delay of an event in an idle queue", Bench::delay),
    ("memory of the server with events waiting", Bench::waiting),
];

/// Measures the rows that are wanted.
pub(crate) fn run_all(options: &Options) -> Result<Table> {
    let scratch = tempfile::tempdir()?;
    let runtimes =
        std::env::var_os("TINDRA_BENCH_RUNTIMES").map_or_else(|| scratch.path().join("runtimes"), PathBuf::from);
    let mut bench = Bench {
        runtimes: std::path::absolute(runtimes)?,
        python: Interpreters::find()?.python_runtime,
        is_short: options.is_short,
        table: Table::default(),
    };
    for (what, measure) in ROWS.into_iter().filter(|(what, _)| options.wants(what)) {
        eprintln!("measuring {what}");
        if let Err(error) = measure(&mut bench, what) {
            bench.table.skip(what, &format!("{error:#}"));
        }
    }
    Ok(bench.table)
}

impl Bench {
    fn accepted(&mut self, what: &str) -> Result<()> {
        let server = self.sink()?;
        let window = if self.is_short { WINDOW / 10 } else { WINDOW };
        for callers in CALLERS {
            // In turn, so that drift of the machine hits both.
            let (mut ours, mut floors) = (Vec::new(), Vec::new());
            for _ in 0..if self.is_short { 1 } else { 3 } {
                floors.push(group_commits(callers, window)?);
                ours.push(accepted(&server, callers, window, u64::MAX)?.1);
            }
            let row = format!("{what}, {callers} connections");
            let floor = "group commit of the same bytes by SQLite";
            self.table.rate(&row, load::middle(ours), floor, load::middle(floors), Wanted::Nothing);
        }
        Ok(())
    }

    fn delay(&mut self, what: &str) -> Result<()> {
        let server = Server::start_with(&self.runtimes)?;
        notes::deploy(&server, "notes", &self.python)?;
        let mut connection = Connection::open(server.address())?;
        let mut answered = Vec::new();
        // The first one makes the environment.
        for number in 0..=if self.is_short { TIMED / 10 } else { TIMED } {
            send(&mut connection, "notes", b"{}")?;
            answered.push(SystemTime::now().duration_since(UNIX_EPOCH)?);
            // It is not looked at while the event may run: another environment, which knows nothing, would answer.
            std::thread::sleep(if number == 0 { COLD } else { PAUSE });
            let began = notes::began(&server, "notes")?.len();
            ensure!(began == number + 1, "{began} of {} events have been run after {PAUSE:?}", number + 1);
        }
        let began = notes::began(&server, "notes")?;
        // Some have begun before their senders had the answer.
        let waits = began.iter().zip(&answered).skip(1).map(|(began, answered)| began.saturating_sub(*answered));
        self.table.time_below(what, &Figures::of(waits.collect()), "from the 202 to the handler", 5.0);
        Ok(())
    }

    fn waiting(&mut self, what: &str) -> Result<()> {
        let named = std::env::var("TINDRA_BENCH_EVENTS").ok().map(|text| text.parse()).transpose()?;
        let events = named.unwrap_or(if self.is_short { 2_000 } else { EVENTS });
        let server = self.sink()?;
        // What a server takes for its first events is not what more of them take.
        accepted(&server, 64, Duration::MAX, 1_000)?;
        let before_mb = anonymous_mb(server.process_id())?;
        let (sent, rate) = accepted(&server, 64, Duration::MAX, events)?;
        let after_mb = anonymous_mb(server.process_id())?;
        let queues = server.call("GET", "/_tindra/queue", &Value::Null)?;
        let waiting = queues["queues"][0]["messages"].as_u64().context("a count of messages")?;
        ensure!(waiting >= sent, "{waiting} of {sent} events wait");
        let ours = format!("{before_mb:.0} MB, then {after_mb:.0} MB with {waiting} events ({rate:.0}/s accepted)");
        let grown = (after_mb - before_mb).max(0.0);
        self.table.figure(what, ours, String::new(), grown, " MB more", Wanted::AtMost(GROWTH_MB_MAX));
        Ok(())
    }

    /// A server whose function takes one event and keeps it.
    fn sink(&self) -> Result<Server> {
        let server = Server::start_with(&self.runtimes)?;
        let code = zip("app.py", SINK)?;
        server.deploy_with("sink", &self.python, "app.handler", &code, &json!({"Timeout": 900, "MemorySize": 128}))?;
        let reserve = json!({"ReservedConcurrentExecutions": 1});
        server.call("PUT", "/2017-10-31/functions/sink/concurrency", &reserve)?;
        Ok(server)
    }
}

/// Events in a closed loop, until the time is over or so many have been sent: how many, and how many in a second.
fn accepted(server: &Server, callers: usize, window: Duration, events: u64) -> Result<(u64, f64)> {
    let sent = AtomicU64::new(0);
    let body = event();
    closed_loop(callers, |begun| {
        let mut connection = Connection::open(server.address())?;
        let mut count = 0;
        while begun.elapsed() < window && sent.fetch_add(1, Ordering::Relaxed) < events {
            send(&mut connection, "sink", &body)?;
            count += 1;
        }
        Ok(count)
    })
}

/// What `callers` have done together, each in a thread of its own, and how much of it in a second.
fn closed_loop(callers: usize, call: impl Fn(Instant) -> Result<u64> + Sync) -> Result<(u64, f64)> {
    let begun = Instant::now();
    let count = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..callers).map(|_| scope.spawn(|| call(begun))).collect();
        callers.into_iter().map(|caller| caller.join().expect("a caller does not panic")).sum::<Result<u64>>()
    })?;
    Ok((count, count as f64 / begun.elapsed().as_secs_f64()))
}

/// `InvokeAsync`, which says in its path what it is.
fn send(connection: &mut Connection, function: &str, body: &[u8]) -> Result<()> {
    let response = connection.post(&format!("/2014-11-13/functions/{function}/invoke-async/"), body)?;
    ensure!(response.status == 202, "answered {}: {}", response.status, String::from_utf8_lossy(&response.body));
    Ok(())
}

fn event() -> Vec<u8> {
    format!("\"{}\"", "x".repeat(EVENT_BYTES - 2)).into_bytes()
}

/// Commits a second when `callers` each wait for the one before: one thread writes what has come meanwhile as one transaction.
fn group_commits(callers: usize, window: Duration) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let (sender, receiver) = mpsc::sync_channel::<(u64, mpsc::SyncSender<()>)>(GROUP_MAX);
    let path = directory.path().join("floor.sqlite");
    let writer = std::thread::spawn(move || write_groups(&path, &receiver));
    let next = AtomicU64::new(0);
    let (_, rate) = closed_loop(callers, |begun| {
        let (reply, answer) = mpsc::sync_channel(1);
        let mut count = 0;
        while begun.elapsed() < window {
            sender.send((next.fetch_add(1, Ordering::Relaxed), reply.clone())).context("the writer has ended")?;
            answer.recv().context("the writer has ended")?;
            count += 1;
        }
        Ok(count)
    })?;
    drop(sender);
    writer.join().expect("the writer does not panic")?;
    Ok(rate)
}

fn write_groups(path: &Path, requests: &mpsc::Receiver<(u64, mpsc::SyncSender<()>)>) -> Result<()> {
    let mut database = Database::open(path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database
        .execute_batch("CREATE TABLE events (id INTEGER PRIMARY KEY, head BLOB NOT NULL, body BLOB NOT NULL) STRICT")?;
    let (head, body) = (vec![b'x'; HEAD_BYTES], event());
    while let Ok(first) = requests.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(request) = requests.try_recv()
        {
            group.push(request);
        }
        let transaction = database.transaction()?;
        for (id, _) in &group {
            let id = i64::try_from(*id)?;
            transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3)")?.execute(params![id, head, body])?;
        }
        transaction.commit()?;
        for (_, reply) in group {
            // The last ones have stopped listening.
            let _ = reply.send(());
        }
    }
    Ok(())
}

/// Memory of a process that no file is behind.
fn anonymous_mb(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb / 1_024.0)
}
