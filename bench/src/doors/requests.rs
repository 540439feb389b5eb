//! Requests per second and latency through the doors of a function, beside Invoke.

use std::time::Duration;

use anyhow::Result;

use super::functions::{Hello, Way};
use super::{Bench, CONNECTIONS, times};
use crate::figures::{Figures, median};
use crate::load;
use crate::table::Wanted;

/// What a door may add to a request of one caller.
const DOOR_MOST: f64 = 1.15;
/// What of Invoke's throughput is to be left.
const RATE_LEAST: f64 = 0.85;
const MEASURES: [&str; 3] = ["requests/s", "p50", "p99"];

/// What all turns of one way brought.
#[derive(Default)]
struct Turns {
    rates: Vec<f64>,
    times: Vec<Duration>,
}

impl Bench<'_> {
    /// All rows of a function.
    pub(super) fn requests(&mut self, hello: &Hello) -> Result<()> {
        let doors = ["through a URL", "through an HTTP API"];
        let wanted: Vec<&str> = doors.into_iter().filter(|door| self.wants(hello, door)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.deploy(hello)?;
        let url = self.url(hello.name, "BUFFERED", "/")?;
        let direct = self.direct(hello.name, self.event_of(&url)?);
        let mut ways = vec![direct];
        if wanted.contains(&url.name) {
            ways.push(url);
        }
        if wanted.contains(&doors[1]) {
            match self.http_api(hello.name) {
                Ok(api) => ways.push(api),
                Err(error) => self.table.skip(&format!("{} {}", hello.name, doors[1]), &format!("{error:#}")),
            }
        }
        if ways.len() == 1 {
            return Ok(());
        }
        for connections in CONNECTIONS {
            let is_wanted =
                |way: &Way| MEASURES.iter().any(|of| self.options.wants(&row(hello, way.name, connections, of)));
            if ways[1..].iter().any(is_wanted) {
                eprintln!("measuring {} at {}", hello.name, times(connections));
                let turns = self.take_turns(&ways, connections)?;
                self.write(hello, &ways, connections, turns);
            }
        }
        Ok(())
    }

    fn wants(&self, hello: &Hello, door: &str) -> bool {
        CONNECTIONS.iter().any(|callers| MEASURES.iter().any(|of| self.options.wants(&row(hello, door, *callers, of))))
    }

    fn take_turns(&self, ways: &[Way], connections: usize) -> Result<Vec<Turns>> {
        // Uncounted: environments are started, and interpreters compile.
        for way in ways {
            load::run(way.call(), connections, self.window)?;
        }
        let mut all: Vec<Turns> = ways.iter().map(|_| Turns::default()).collect();
        for _ in 0..self.turns {
            for (way, turns) in ways.iter().zip(&mut all) {
                let load = load::run(way.call(), connections, self.window)?;
                turns.rates.push(load.per_s);
                turns.times.extend(load.times);
            }
        }
        Ok(all)
    }

    fn write(&mut self, hello: &Hello, ways: &[Way], connections: usize, turns: Vec<Turns>) {
        let mut measured = turns.into_iter().map(|turns| (median(turns.rates), Figures::of(turns.times)));
        let Some((floor_rate, floor)) = measured.next() else { return };
        for (way, (rate, figures)) in ways[1..].iter().zip(measured) {
            let [of_rate, of_p50, of_p99] = MEASURES.map(|of| row(hello, way.name, connections, of));
            if self.options.wants(&of_rate) {
                self.table.rate(&of_rate, rate, "Invoke", floor_rate, Wanted::AtLeast(RATE_LEAST));
            }
            let p50 = if connections == 1 { Wanted::AtMost(DOOR_MOST) } else { Wanted::Nothing };
            for (row, percent, goal) in [(of_p50, 50, p50), (of_p99, 99, Wanted::Nothing)] {
                if self.options.wants(&row) {
                    let (ours, others) = (figures.percentile_ms(percent), floor.percentile_ms(percent));
                    let (shown, beside) = (format!("{ours:.3} ms"), format!("Invoke: {others:.3} ms"));
                    self.table.figure(&row, shown, beside, ours / others, "×", goal);
                }
            }
        }
    }
}

fn row(hello: &Hello, door: &str, connections: usize, of: &str) -> String {
    format!("{} {door}, {}: {of}", hello.name, times(connections))
}
