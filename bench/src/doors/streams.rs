//! A stream through a URL and through InvokeWithResponseStream, beside bare servers that stream the same.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Bench;
use super::bare::{self, Node};
use super::functions::{HELLO, Way};
use crate::cold::EVENT;
use crate::figures::Figures;
use crate::http::HEADERS;
use crate::server::zip;
use crate::table::Wanted;
use crate::{relay, time};

/// Names of the rows, to which the way and what it stands beside are added.
pub(super) const FIRST_BYTE: &str = "stream: first byte";
pub(super) const THROUGHPUT: &str = "stream: 5 MB";
/// What the function writes; the bare server of Node.js runs the same lines.
pub(super) const SOURCE: &str = include_str!("streams.mjs");
/// What it writes first.
pub(super) const MARK: &[u8] = b"FIRST-BYTES";
/// Of the long stream: below the 6 MB that AWS sends without a limit.
pub(super) const STREAM_BYTES: usize = 5_000_000;

/// Behind the source: the function.
const HANDLER: &str =
    "export const handler = awslambda.streamifyResponse((event, stream) => write(event.rawPath, stream));\n";
const FUNCTION: &str = "streams";
/// What lies between the mark and the end of a stream that is one; the function waits a millisecond longer.
const GAP_LEAST: Duration = Duration::from_millis(2);

/// Streams, in the order in which they take turns: after one of ours comes one of others, so that the function's environment is
/// ready again.
struct Ways {
    url: Way,
    hyper: Way,
    direct: Way,
    /// Not there where the pack's Node.js cannot be run.
    node: Option<Way>,
    _node: Option<Node>,
}

impl Ways {
    fn in_turn(&self) -> impl Iterator<Item = &Way> {
        [&self.url, &self.hyper, &self.direct].into_iter().chain(&self.node)
    }
}

impl Bench<'_> {
    /// From the request to the first byte of the body.
    pub(super) fn first_bytes(&mut self) -> Result<()> {
        if !self.wants_stream(FIRST_BYTE) {
            return Ok(());
        }
        eprintln!("measuring {FIRST_BYTE}");
        let ways = self.ways("/first", FIRST_BYTE)?;
        let rounds = if self.options.is_short { 5 } else { 400 };
        let mut connections = ways.in_turn().map(Way::connect).collect::<Result<Vec<_>>>()?;
        let mut all: Vec<(Vec<Duration>, Vec<Duration>)> = vec![Default::default(); connections.len()];
        for round in 0..rounds + rounds / 10 {
            for ((way, connection), (firsts, gaps)) in ways.in_turn().zip(&mut connections).zip(&mut all) {
                let (first, whole) = connection.post_until(&way.path, &way.body, MARK)?;
                // The first ones are uncounted: interpreters compile.
                if round >= rounds / 10 {
                    firsts.push(first);
                    gaps.push(whole - first);
                }
            }
        }
        for (way, (_, gaps)) in ways.in_turn().zip(&all) {
            let gap_ms = Figures::of(gaps.clone()).percentile_ms(50);
            ensure!(gap_ms >= milliseconds(GAP_LEAST), "{} did not stream: all came within {gap_ms:.3} ms", way.name);
        }
        let figures: Vec<Figures> = all.into_iter().map(|(firsts, _)| Figures::of(firsts)).collect();
        self.write_streams(&ways, &figures, FIRST_BYTE, |bench, row, ours, other, others| {
            let show = |figures: &Figures| {
                format!("{:.3} ms (p99 {:.3})", figures.percentile_ms(50), figures.percentile_ms(99))
            };
            let ratio = ours.percentile_ms(50) / others.percentile_ms(50);
            bench.table.figure(row, show(ours), format!("{other}: {}", show(others)), ratio, "×", Wanted::Nothing);
        });
        Ok(())
    }

    /// From the request to the last of 5 MB.
    pub(super) fn throughputs(&mut self) -> Result<()> {
        if !self.wants_stream(THROUGHPUT) {
            return Ok(());
        }
        eprintln!("measuring {THROUGHPUT}");
        let ways = self.ways("/much", THROUGHPUT)?;
        let rounds = if self.options.is_short { 2 } else { 60 };
        let mut connections = ways.in_turn().map(Way::connect).collect::<Result<Vec<_>>>()?;
        let mut all: Vec<Vec<Duration>> = vec![Vec::new(); connections.len()];
        for round in 0..rounds + rounds / 10 {
            for ((way, connection), times) in ways.in_turn().zip(&mut connections).zip(&mut all) {
                let taken = time(|| {
                    let response = connection.post(&way.path, &way.body)?;
                    let length = response.body.len();
                    ensure!(response.status == 200 && length > STREAM_BYTES, "{}: {length} bytes came", way.name);
                    Ok(())
                })?;
                if round >= rounds / 10 {
                    times.push(taken);
                }
            }
        }
        let figures: Vec<Figures> = all.into_iter().map(Figures::of).collect();
        self.write_streams(&ways, &figures, THROUGHPUT, |bench, row, ours, other, others| {
            let rate = |figures: &Figures| STREAM_BYTES as f64 / figures.percentile_ms(50) / 1_000.0;
            let (ours, others) = (rate(ours), rate(others));
            let beside = format!("{other}: {others:.0} MB/s");
            bench.table.figure(row, format!("{ours:.0} MB/s"), beside, ours / others, "×", Wanted::Nothing);
        });
        Ok(())
    }

    /// Ours, each beside each bare server.
    fn write_streams(
        &mut self,
        ways: &Ways,
        figures: &[Figures],
        what: &str,
        write: impl Fn(&mut Self, &str, &Figures, &str, &Figures),
    ) {
        let [url, hyper, direct, rest @ ..] = figures else { return };
        for (way, ours) in [(&ways.url, url), (&ways.direct, direct)] {
            let floors = [(&ways.hyper, hyper)].into_iter().chain(ways.node.iter().zip(rest));
            for (floor, others) in floors {
                let row = row(what, way.name, floor.name);
                if self.options.wants(&row) {
                    write(self, &row, ours, floor.name, others);
                }
            }
        }
    }

    fn wants_stream(&self, what: &str) -> bool {
        let ways = ["through a URL", "through InvokeWithResponseStream"];
        ways.iter().any(|way| ["hyper", "node:http"].iter().any(|floor| self.options.wants(&row(what, way, floor))))
    }

    /// All of them, each tried once.
    fn ways(&mut self, path: &str, what: &str) -> Result<Ways> {
        let runtime = self.interpreters.node_runtime.clone();
        self.server.prime(FUNCTION, &runtime, "index.handler", &zip("index.mjs", &format!("{SOURCE}{HANDLER}"))?)?;
        let url = self.url(FUNCTION, "RESPONSE_STREAM", path)?;
        let mut direct = self.direct(FUNCTION, self.event_at(path)?);
        direct.name = "through InvokeWithResponseStream";
        direct.path = format!("/2021-11-15/functions/{FUNCTION}/response-streaming-invocations");
        let bare = |name, address| {
            let (headers, path) = (HEADERS.to_owned(), path.to_owned());
            Way { name, address, headers, path, body: EVENT.to_vec() }
        };
        let hyper = bare("hyper", bare::start_hyper()?);
        let started = relay::pack(&self.runtimes, &runtime).and_then(|pack| Node::start(&pack, self.scratch.path()));
        let process =
            started.map_err(|error| self.table.skip(&format!("{what} beside node:http"), &format!("{error:#}")));
        let process = process.ok();
        let node = process.as_ref().map(|node| bare("node:http", node.address));
        let ways = Ways { url, hyper, direct, node, _node: process };
        for way in ways.in_turn() {
            let response = way.connect()?.post(&way.path, &way.body)?;
            let has_streamed = response.body.windows(10).any(|bytes| bytes == b"LAST-BYTES");
            let text = String::from_utf8_lossy(&response.body[..response.body.len().min(500)]);
            ensure!(response.status == 200 && has_streamed, "{} answered {}: {text}", way.name, response.status);
        }
        Ok(ways)
    }

    /// The event of a request to a URL at this path.
    fn event_at(&self, path: &str) -> Result<Vec<u8>> {
        let [.., echo] = &HELLO;
        self.deploy(echo)?;
        self.event_of(&self.url(echo.name, "BUFFERED", path)?)
    }
}

fn row(what: &str, way: &str, floor: &str) -> String {
    format!("{what} {way}, beside {floor}")
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
