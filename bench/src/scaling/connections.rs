//! The same invokes over few connections and over very many.

use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::crowd::{Answer, Caller, all_at_once, complaints, gather};
use super::{Bench, ECHO, invocations, machine};
use crate::cold::EVENT;
use crate::figures::Figures;
use crate::server::{Server, zip};
use crate::table::Wanted;

const FEW: usize = 100;
const MANY: usize = 10_000;
/// Invokes per second, over all connections together.
const RATE: usize = 1_000;
/// A multiple of the time in which each of many connections has its turn.
const WINDOW: Duration = Duration::from_secs(20);
const SERVER_MB_MAX: f64 = 200.0;

impl Bench {
    pub(super) fn connections(&mut self, what: &str) -> Result<()> {
        let (many, window) = if self.is_short { (1_000, Duration::from_secs(2)) } else { (MANY, WINDOW) };
        let server = self.server(&[])?;
        server.prime("echo", &self.python_runtime(), "app.handler", &zip("app.py", ECHO)?)?;
        // Uncounted: environments are started.
        self.clients.block_on(async {
            let callers = gather(server.address(), FEW).await?;
            let (_, answers) = all_at_once(callers, &invocations("echo"), &Bytes::from_static(EVENT)).await?;
            ensure!(answers.iter().all(Answer::is_good), "{}", complaints(&answers));
            anyhow::Ok(())
        })?;
        self.over(&server, FEW, window / 4)?;
        let before_mb = machine::resident_mb(server.process_id())?;
        // In turn, so that what else the machine does meets both.
        let mut few = self.over(&server, FEW, window)?.times;
        let over_many = self.over(&server, many, window)?;
        few.extend(self.over(&server, FEW, window)?.times);
        let (few, times) = (Figures::of(few), Figures::of(over_many.times));
        let (p99, floor) = (times.percentile_ms(99), few.percentile_ms(99));
        let show =
            |figures: &Figures| format!("{:.2} ms (p50 {:.2})", figures.percentile_ms(99), figures.percentile_ms(50));
        let row = format!("{what} over {many} connections");
        let other = format!("over {FEW}: {}", show(&few));
        self.table.figure(&row, show(&times), other, p99 / floor, "×", Wanted::AtMost(2.0));
        let added = over_many.server_mb - before_mb;
        let row = format!("connections: memory of the server with {many} open");
        let ours = format!("{:.0} MB", over_many.server_mb);
        let other = format!("before: {before_mb:.0} MB");
        self.table.figure(&row, ours, other, added, " MB more", Wanted::AtMost(SERVER_MB_MAX));
        Ok(())
    }

    fn over(&self, server: &Server, connections: usize, window: Duration) -> Result<Measured> {
        let path = invocations("echo");
        self.clients.block_on(async {
            let callers = gather(server.address(), connections).await?;
            let (times, callers) = paced(callers, &path, window).await?;
            let server_mb = machine::resident_mb(server.process_id())?;
            // Open until the server has been looked at.
            drop(callers);
            Ok(Measured { times, server_mb })
        })
    }
}

struct Measured {
    times: Vec<Duration>,
    server_mb: f64,
}

/// Each caller sends at fixed times of its own, evenly spread; a time is counted from when the request was due, however late
/// it was sent.
async fn paced(callers: Vec<Caller>, path: &str, window: Duration) -> Result<(Vec<Duration>, Vec<Caller>)> {
    let count = callers.len();
    let between = Duration::from_secs(1) / u32::try_from(RATE)?;
    let period = between * u32::try_from(count)?;
    let start = Instant::now() + Duration::from_millis(200);
    let mut tasks = JoinSet::new();
    for (number, mut caller) in callers.into_iter().enumerate() {
        let (path, first) = (path.to_owned(), start + between * u32::try_from(number)?);
        tasks.spawn(async move {
            let (mut times, mut due) = (Vec::new(), first);
            while due < start + window {
                tokio::time::sleep_until(due).await;
                let answer = caller.post(&path, Bytes::from_static(EVENT)).await?;
                ensure!(answer.is_good(), "{}", complaints(&[answer]));
                times.push(due.elapsed());
                due += period;
            }
            anyhow::Ok((caller, times))
        });
    }
    let (mut callers, mut times) = (Vec::with_capacity(count), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (caller, more) = done??;
        callers.push(caller);
        times.extend(more);
    }
    Ok((times, callers))
}
