//! What becomes of Tindra when there is much of something: environments that start at once, idle environments, open
//! connections, deployed functions, callers. Each figure stands beside that of a little of the same thing in the same run.

mod burst;
mod connections;
mod crowd;
mod density;
mod functions;
mod machine;
mod overload;
mod wrk;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::interpreters::Interpreters;
use crate::options::Options;
use crate::server::Server;
use crate::table::Table;

/// Answers with the event.
const ECHO: &str = "def handler(event, context):\n    return event\n";

struct Bench {
    runtimes: PathBuf,
    interpreters: Interpreters,
    is_short: bool,
    /// For the clients; what is blocking runs on the main thread.
    clients: tokio::runtime::Runtime,
    table: Table,
    _scratch: tempfile::TempDir,
}

/// Measures one or several rows; it is given the name of the first one, to which it may add.
type Measure = fn(&mut Bench, &str) -> Result<()>;

/// The rows in the order of the table.
const ROWS: [(&str, Measure); 5] = [
    ("burst: environments from nothing", Bench::burst),
    ("density: memory of an idle environment", Bench::density),
    ("connections: p99 at 1,000 invokes/s", Bench::connections),
    ("functions: warm invoke, 1 connection", Bench::functions),
    ("overload: invokes/s", Bench::overload),
];

/// Measures the rows that are wanted.
pub(crate) fn run_all(options: &Options) -> Result<Table> {
    let scratch = tempfile::tempdir()?;
    let runtimes =
        std::env::var_os("TINDRA_BENCH_RUNTIMES").map_or_else(|| scratch.path().join("runtimes"), PathBuf::from);
    let mut bench = Bench {
        runtimes: std::path::absolute(runtimes)?,
        interpreters: Interpreters::find()?,
        is_short: options.is_short,
        clients: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        table: Table::default(),
        _scratch: scratch,
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
    /// A server of its own for a row, with these settings over the defaults.
    fn server(&self, settings: &[(&str, usize)]) -> Result<Server> {
        let settings: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
        Server::start_set(&self.runtimes, &settings)
    }

    fn python_runtime(&self) -> String {
        self.interpreters.python_runtime.clone()
    }
}

fn invocations(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/invocations")
}

/// Of times that are no [`crate::figures::Figures`], for the columns of the table.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
