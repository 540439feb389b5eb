//! One row: the peer's figure and ours, in turn.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::catalog::{Cooling, Kind, Language, Peer, Row};
use super::process::{Process, free_address};
use crate::cold::{EVENT, SETTLE};
use crate::figures::{self, Figures};
use crate::interpreters::Interpreters;
use crate::server::{Server, zip, zip_executable};
use crate::table::Table;
use crate::{http, load, rust_hello, time};

/// Connections of a throughput.
const CALLERS: usize = 16;

/// What all rows use.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) interpreters: Interpreters,
    server: Server,
    rounds: usize,
    windows: usize,
    window: Duration,
    scratch: tempfile::TempDir,
}

impl Bench {
    /// Starts our server.
    pub(super) fn start(is_short: bool) -> Result<Self> {
        Ok(Self {
            interpreters: Interpreters::find()?,
            server: Server::start()?,
            rounds: if is_short { 3 } else { 15 },
            windows: if is_short { 1 } else { 3 },
            window: Duration::from_millis(if is_short { 300 } else { 3_000 }),
            scratch: tempfile::tempdir()?,
        })
    }

    /// Measures a row and adds it to the table.
    pub(super) fn measure(&self, table: &mut Table, peer: Peer, row: Row, what: &str) -> Result<()> {
        self.deploy(row.language)?;
        match row.kind {
            Kind::Cold => {
                let (ours, theirs) = self.cold(peer, row.language)?;
                table.time(what, &ours, &peer.name(), &theirs, row.wanted);
            }
            Kind::Rate => {
                let (ours, theirs) = self.rates(peer, row.language)?;
                table.rate(what, ours, &peer.name(), theirs, row.wanted);
            }
        }
        Ok(())
    }

    /// The search path for peers: the interpreters that we measure, before any version manager's.
    pub(super) fn search_path(&self) -> Result<std::ffi::OsString> {
        let interpreters = [&self.interpreters.python, &self.interpreters.node];
        let first = interpreters.into_iter().filter_map(|path| Some(Path::new(path).parent()?.to_owned()));
        let rest = std::env::var_os("PATH").context("there is no PATH")?;
        let all: Vec<PathBuf> = first.chain(std::env::split_paths(&rest)).collect();
        Ok(std::env::join_paths(all)?)
    }

    fn deploy(&self, language: Language) -> Result<()> {
        let (runtime, handler, code) = match language {
            Language::Node => (
                self.interpreters.node_runtime.as_str(),
                "index.handler",
                zip("index.js", include_str!("../../peers/hello/index.js"))?,
            ),
            Language::Python => (
                self.interpreters.python_runtime.as_str(),
                "app.handler",
                zip("app.py", include_str!("../../peers/hello/app.py"))?,
            ),
            Language::Rust => {
                ("provided.al2023", "any", zip_executable("bootstrap", &std::fs::read(rust_hello::build()?)?)?)
            }
        };
        self.server.prime(language.function(), runtime, handler, &code)
    }

    fn cold(&self, peer: Peer, language: Language) -> Result<(Figures, Figures)> {
        std::thread::sleep(SETTLE);
        let mut theirs = self.cold_starts_of(peer, language)?;
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for number in 0..self.rounds {
            their_times.push(theirs()?);
            our_times.push(self.server.cold_start(language.function(), number)?);
        }
        Ok((Figures::of(our_times), Figures::of(their_times)))
    }

    /// What measures the peer's next cold start.
    fn cold_starts_of(&self, peer: Peer, language: Language) -> Result<Box<dyn FnMut() -> Result<Duration> + '_>> {
        let call = move |address| -> Result<Duration> {
            let mut connection = http::Connection::open(address)?;
            time(|| expect_echo(&connection.post(&peer.path(language), &peer.body())?))
        };
        Ok(match peer.cooling() {
            Cooling::Idling => {
                let (process, address) = self.launch(peer, Kind::Cold)?;
                // The first one also loads parts of the server; it does not count.
                call(address)?;
                let mut warm = process.threads();
                Box::new(move || {
                    process.wait_until_cold(warm)?;
                    let taken = call(address)?;
                    warm = process.threads();
                    Ok(taken)
                })
            }
            Cooling::Restarting => Box::new(move || {
                let (_process, address) = self.launch(peer, Kind::Cold)?;
                call(address)
            }),
            Cooling::Running => Box::new(move || {
                let mut command = peer.command(self, free_address()?, Kind::Cold)?;
                time(|| {
                    let output = command.output().context("failed to run the peer's command")?;
                    ensure!(output.status.success(), "it ended with {}", output.status);
                    Ok(())
                })
            }),
        })
    }

    /// Windows of both in turn, so that drift of the machine hits both; the medians. The first of each does not count: it compiles.
    fn rates(&self, peer: Peer, language: Language) -> Result<(f64, f64)> {
        let (_process, address) = self.launch(peer, Kind::Rate)?;
        let (path, body) = (peer.path(language), peer.body());
        let our_path = format!("/2015-03-31/functions/{}/invocations", language.function());
        let theirs = load::Call { expected: Some(EVENT), ..load::Call::new(address, &path, &body) };
        let ours = load::Call::new(self.server.address(), &our_path, EVENT);
        let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
        for _ in 0..=self.windows {
            their_rates.push(load::rate(theirs, CALLERS, self.window)?);
            our_rates.push(load::rate(ours, CALLERS, self.window)?);
        }
        Ok((figures::median(our_rates.split_off(1)), figures::median(their_rates.split_off(1))))
    }

    fn launch(&self, peer: Peer, kind: Kind) -> Result<(Process, std::net::SocketAddr)> {
        let address = free_address()?;
        let command = peer.command(self, address, kind)?;
        Ok((Process::start(command, address, &self.scratch.path().join("peer.log"))?, address))
    }
}

/// The handlers answer with the event.
fn expect_echo(response: &http::Response) -> Result<()> {
    let text = String::from_utf8_lossy(&response.body);
    ensure!(response.status == 200 && response.body == EVENT, "it answered {}: {text}", response.status);
    Ok(())
}
