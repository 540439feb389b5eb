//! The HTTP front doors of functions, a function URL and an HTTP API of API Gateway, beside a direct Invoke with the event that
//! the door makes; streams beside bare HTTP servers. One server, and all that stands in a row measured in turn.

mod bare;
mod functions;
mod requests;
mod streams;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::interpreters::Interpreters;
use crate::options::Options;
use crate::server::Server;
use crate::table::Table;
use functions::HELLO;

const CONNECTIONS: [usize; 3] = [1, 16, 64];

struct Bench<'a> {
    options: &'a Options,
    server: Server,
    runtimes: PathBuf,
    interpreters: Interpreters,
    /// How often each of the measured things has its turn.
    turns: usize,
    window: Duration,
    table: Table,
    scratch: tempfile::TempDir,
}

/// Measures the rows that are wanted.
pub(crate) fn run_all(options: &Options) -> Result<Table> {
    let scratch = tempfile::tempdir()?;
    let runtimes =
        std::env::var_os("TINDRA_BENCH_RUNTIMES").map_or_else(|| scratch.path().join("runtimes"), PathBuf::from);
    let runtimes = std::path::absolute(runtimes)?;
    let mut bench = Bench {
        options,
        server: Server::start_with(&runtimes)?,
        runtimes,
        interpreters: Interpreters::find()?,
        turns: if options.is_short { 1 } else { 8 },
        window: Duration::from_millis(if options.is_short { 60 } else { 750 }),
        table: Table::default(),
        scratch,
    };
    for hello in HELLO {
        bench.measure(hello.name, |bench| bench.requests(&hello));
    }
    bench.measure(streams::FIRST_BYTE, Bench::first_bytes);
    bench.measure(streams::THROUGHPUT, Bench::throughputs);
    Ok(bench.table)
}

impl Bench<'_> {
    fn measure(&mut self, what: &str, measure: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(error) = measure(self) {
            self.table.skip(what, &format!("{error:#}"));
        }
    }
}

fn times(connections: usize) -> String {
    format!("{connections} connection{}", if connections == 1 { "" } else { "s" })
}
