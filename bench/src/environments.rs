//! Cold starts, restores, warm invokes and memory, each beside its floor or bound in the same run.

mod memory;
mod start;
mod warm;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::interpreters::Interpreters;
use crate::options::Options;
use crate::server::Server;
use crate::table::Table;

/// Environments whose memory is measured together.
const CROWD: usize = 100;

const PYTHON: &str = "def handler(event, context):\n    return event\n";
const PYTHON_SDK: &str = "import boto3\ndef handler(event, context):\n    return event\n";
const PYTHON_WAIT: &str = "import time\ndef handler(event, context):\n    time.sleep(3)\n";
const PYTHON_SDK_WAIT: &str = "import boto3, time\ndef handler(event, context):\n    time.sleep(3)\n";
const PYTHON_SLOW: &str = "import time\ntime.sleep(2)\ndef handler(event, context):\n    return event\n";
const NODE: &str = "export const handler = async (event) => event;\n";
const NODE_WAIT: &str = "export const handler = () => new Promise((resolve) => setTimeout(resolve, 3000));\n";
const JAVA: &str = "public class Hello { public static void main(String[] a) { System.out.println(\"hello\"); }\n\
    public Object handle(Object event) { return event; } }\n";

struct Bench {
    server: Server,
    runtimes: PathBuf,
    interpreters: Interpreters,
    rounds: usize,
    crowd: usize,
    window: Duration,
    table: Table,
    scratch: tempfile::TempDir,
}

/// Measures one row; it is given the row's name, to which it may add.
type Measure = fn(&mut Bench, &str) -> Result<()>;

/// The rows in the order of the table.
const ROWS: [(&str, Measure); 15] = [
    ("hello-python: cold start", Bench::python),
    ("hello-sdk: cold start", Bench::sdk),
    ("hello-node: cold start", Bench::node),
    ("hello-java: cold start", Bench::java),
    ("hello-rust: cold start", Bench::rust),
    ("SnapStart restore of an init phase of 2 s: first invoke", Bench::restore),
    ("hello-python: warm invoke, 1 connection", |bench, what| bench.warm(what, &bench.warm_python())),
    ("hello-python: invokes/s, 16 connections", |bench, what| bench.rate(what, &bench.warm_python(), 16)),
    ("hello-python: invokes/s, 64 connections", |bench, what| bench.rate(what, &bench.warm_python(), 64)),
    ("hello-node: warm invoke, 1 connection", |bench, what| bench.warm(what, &bench.warm_node())),
    ("hello-node: invokes/s, 16 connections", |bench, what| bench.rate(what, &bench.warm_node(), 16)),
    ("hello-node: invokes/s, 64 connections", |bench, what| bench.rate(what, &bench.warm_node(), 64)),
    ("crowd-python: memory of an idle environment", Bench::memory_python),
    ("crowd-sdk: memory of an idle environment", Bench::memory_sdk),
    ("crowd-node: memory of an idle environment", Bench::memory_node),
];

/// Measures the rows that are wanted.
pub(crate) fn run_all(options: &Options) -> Result<Table> {
    let scratch = tempfile::tempdir()?;
    let runtimes =
        std::env::var_os("TINDRA_BENCH_RUNTIMES").map_or_else(|| scratch.path().join("runtimes"), PathBuf::from);
    let runtimes = std::path::absolute(runtimes)?;
    let mut bench = Bench {
        server: Server::start_with(&runtimes)?,
        runtimes,
        interpreters: Interpreters::find()?,
        rounds: if options.is_short { 3 } else { 25 },
        crowd: if options.is_short { 10 } else { CROWD },
        window: Duration::from_millis(if options.is_short { 300 } else { 3_000 }),
        table: Table::default(),
        scratch,
    };
    for (what, measure) in ROWS.into_iter().filter(|(what, _)| options.wants(what)) {
        eprintln!("measuring {what}");
        if let Err(error) = measure(&mut bench, what) {
            bench.table.skip(what, &format!("{error:#}"));
        }
    }
    Ok(bench.table)
}
