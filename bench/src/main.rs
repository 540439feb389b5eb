//! Benchmarks, each as a ratio to a floor measured in the same run. `invoke`: cold start and warm invoke of the hello
//! functions, a cold start to the bare start of the same interpreter, a warm invoke to a bare HTTP echo. `control`: the
//! control plane with 10,000 functions in the store. `doors`: function URLs and HTTP APIs beside Invoke. `environments`: the
//! table of docs/performance.md. `neighbours`: a function beside hostile ones. `peers`: other servers that run the same
//! functions. `queue`: asynchronous invokes. `scaling`: much of everything at once. `sources`: S3, SNS and EventBridge.
//!
//! `cargo build --release && cargo run --release -p tindra-bench` runs it; progress goes to stderr, the table to stdout.
//! Absolute times depend on the machine; quote the ratios.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod cold;
mod control;
mod doors;
mod echo;
mod environments;
mod figures;
mod http;
mod interpreters;
mod load;
mod neighbours;
mod notes;
mod options;
mod peers;
mod queue;
mod relay;
mod rust_hello;
mod scaling;
mod server;
mod sources;
mod table;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use figures::{Figures, Row};
use interpreters::Interpreters;
use options::Options;
use server::Server;

/// Cold starts and bare starts of an interpreter, each measured this often.
const STARTS: usize = 25;
/// Sequential invokes on one connection.
const WARM_CALLS: usize = 3_000;
/// Window of a throughput measurement.
const WINDOW: Duration = Duration::from_secs(3);
/// Pause before a cold start: back-to-back starts hide the cost of attaching to a cgroup.
const PAUSE: Duration = Duration::from_millis(100);

/// A hello function and the floor of its cold start.
struct Subject {
    label: &'static str,
    runtime: String,
    handler: &'static str,
    file: &'static str,
    source: &'static str,
    bare_start: Vec<String>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let benchmark = arguments.next();
    let options = Options::parse(arguments)?;
    let has_table_of_goals = matches!(
        benchmark.as_deref(),
        Some("doors" | "environments" | "neighbours" | "peers" | "queue" | "scaling" | "sources")
    );
    ensure!(
        has_table_of_goals || options == Options::default(),
        "only doors, environments, neighbours, peers, queue, scaling and sources take options"
    );
    match benchmark.as_deref() {
        None | Some("invoke") => print!("{}", figures::table(&invokes()?)),
        Some("control") => print!("{}", figures::table(&control::run()?)),
        Some("doors") => {
            let table = doors::run_all(&options)?;
            print!("{}", table.markdown("beside"));
            options.write(&table)?;
        }
        Some("environments") => {
            let table = environments::run_all(&options)?;
            print!("{}", table.markdown("floor"));
            options.write(&table)?;
        }
        Some("neighbours") => {
            let table = neighbours::run_all(&options)?;
            print!("{}", table.markdown("floor"));
            options.write(&table)?;
        }
        Some("peers") => {
            let table = peers::run_all(&options)?;
            print!("{}", table.markdown("peer"));
            options.write(&table)?;
        }
        Some("queue") => {
            let table = queue::run_all(&options)?;
            print!("{}", table.markdown("floor"));
            options.write(&table)?;
        }
        Some("scaling") => {
            let table = scaling::run_all(&options)?;
            print!("{}", table.markdown("beside"));
            options.write(&table)?;
        }
        Some("sources") => {
            let table = sources::run_all(&options)?;
            print!("{}", table.markdown("beside"));
            options.write(&table)?;
        }
        Some(other) => {
            bail!(
                "there is no benchmark called {other}; there are: invoke (the default), control, doors, environments, neighbours, peers, queue, scaling, sources"
            )
        }
    }
    Ok(())
}

fn invokes() -> Result<Vec<Row>> {
    let subjects = subjects()?;
    eprintln!("measuring the echo floor");
    let echo = echo::start()?;
    let echo_warm = warm(echo, "/", b"{\"name\":\"bench\"}")?;
    let echo_rate = load::rate(call(echo, "/"), 16, WINDOW)?;

    let server = Server::start()?;
    let mut rows = Vec::new();
    for subject in &subjects {
        eprintln!("measuring {}", subject.label);
        server.deploy(subject.label, &subject.runtime, subject.handler, subject.file, subject.source)?;
        let path = format!("/2015-03-31/functions/{}/invocations", subject.label);
        let (bare, cold) = starts(&server, subject, &path)?;
        rows.push(Row::time(subject.label, "cold start", &cold, "bare interpreter start", &bare));
        let warm_calls = warm(server.address(), &path, b"{\"name\":\"bench\"}")?;
        rows.push(Row::time(subject.label, "warm invoke, 1 caller", &warm_calls, "bare HTTP echo", &echo_warm));
        let rate = load::rate(call(server.address(), &path), 16, WINDOW)?;
        rows.push(Row::rate(subject.label, "invokes/s, 16 callers", rate, "bare HTTP echo", echo_rate));
    }
    Ok(rows)
}

/// Bare starts and cold starts in turn, so that drift of the machine hits both.
fn starts(server: &Server, subject: &Subject, path: &str) -> Result<(Figures, Figures)> {
    let (mut bare, mut cold) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        bare.push(time(|| run(&subject.bare_start))?);
        server.make_cold(subject.label, number)?;
        std::thread::sleep(PAUSE);
        let mut connection = http::Connection::open(server.address())?;
        cold.push(time(|| answer(&mut connection, path, b"{\"name\":\"bench\"}"))?);
    }
    Ok((Figures::of(bare), Figures::of(cold)))
}

fn call(address: std::net::SocketAddr, path: &str) -> load::Call<'_> {
    load::Call::new(address, path, cold::EVENT)
}

fn warm(address: std::net::SocketAddr, path: &str, body: &[u8]) -> Result<Figures> {
    let mut connection = http::Connection::open(address)?;
    for _ in 0..WARM_CALLS / 10 {
        answer(&mut connection, path, body)?;
    }
    let times = (0..WARM_CALLS).map(|_| time(|| answer(&mut connection, path, body))).collect::<Result<_>>()?;
    Ok(Figures::of(times))
}

fn answer(connection: &mut http::Connection, path: &str, body: &[u8]) -> Result<()> {
    let response = connection.post(path, body)?;
    if response.status != 200 || response.head.contains("x-amz-function-error") {
        bail!("{path} answered {}: {}", response.status, String::from_utf8_lossy(&response.body));
    }
    Ok(())
}

fn time(action: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    action()?;
    Ok(start.elapsed())
}

fn run(command: &[String]) -> Result<()> {
    let status = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("failed to run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

fn subjects() -> Result<Vec<Subject>> {
    let Interpreters { python, python_runtime, node, node_runtime } = Interpreters::find()?;
    Ok(vec![
        Subject {
            label: "hello-python",
            runtime: python_runtime,
            handler: "app.handler",
            file: "app.py",
            source: include_str!("../../examples/hello/app.py"),
            bare_start: [&python, "-c", "0"].map(str::to_owned).to_vec(),
        },
        Subject {
            label: "hello-node",
            runtime: node_runtime,
            handler: "index.handler",
            file: "index.mjs",
            source: include_str!("../../examples/hello-node/index.mjs"),
            bare_start: [&node, "-e", "0"].map(str::to_owned).to_vec(),
        },
    ])
}

fn ask(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("failed to run {program}"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
