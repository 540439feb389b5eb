//! More and more callers, up to ten times as many as may run at once. The load is made by wrk, which is not ours.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::wrk::{self, Load};
use super::{Bench, invocations};
use crate::server::zip;
use crate::table::Wanted;

/// Callers while there is room.
const GROWING: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Invokes of the function that may run at once.
const RESERVED: usize = 64;
const TIMES_TOO_MANY: usize = 10;
const WINDOW: Duration = Duration::from_secs(8);
/// After a run: invokes whose callers have gone go on, and count, until they end.
const SETTLE: Duration = Duration::from_secs(2);
/// Waits for something else, as functions do, so that callers overlap, and computes a little.
const WAITING: &str = r#"import time
def handler(event, context):
    time.sleep(0.01)
    return {"sum": sum(range(1000))}
"#;

impl Bench {
    pub(super) fn overload(&mut self, what: &str) -> Result<()> {
        let wrk = wrk::find()?;
        let server = self.server(&[("TINDRA_REQUESTS_PER_S_PER_CONCURRENCY", 0)])?;
        server.prime("waiting", &self.python_runtime(), "app.handler", &zip("app.py", WAITING)?)?;
        let path = "/2017-10-31/functions/waiting/concurrency";
        server.call("PUT", path, &json!({ "ReservedConcurrentExecutions": RESERVED }))?;
        let url = format!("http://{}{}", server.address(), invocations("waiting"));
        let window = if self.is_short { Duration::from_secs(1) } else { WINDOW };
        // Uncounted: environments are started.
        wrk.run(&url, RESERVED, 2 * window)?;
        let mut rates = Vec::new();
        for connections in GROWING {
            std::thread::sleep(SETTLE);
            let load = wrk.run(&url, connections, window)?;
            ensure!(load.refused + load.others == 0.0, "{connections} connections had {load:?}");
            rates.push(load.good_per_s);
        }
        let growth = rates.iter().map(|rate| format!("{rate:.0}")).collect::<Vec<_>>().join(", ");
        let fell = rates.windows(2).map(|pair| pair[1] / pair[0]).fold(f64::INFINITY, f64::min);
        let row = format!("{what}, {GROWING:?} connections");
        // A tenth is what two runs of the same differ by.
        self.table.figure(
            &row,
            format!("{growth}/s"),
            "each beside the one before".into(),
            fell,
            "×",
            Wanted::AtLeast(0.9),
        );
        let peak = rates.into_iter().fold(0.0, f64::max);
        std::thread::sleep(SETTLE);
        let Load { good_per_s, refused, others, p99_ms } = wrk.run(&url, RESERVED * TIMES_TOO_MANY, window)?;
        ensure!(others == 0.0, "{others} answers were neither 200 nor 429");
        let row = format!("{what}, {} connections, {RESERVED} may run at once", RESERVED * TIMES_TOO_MANY);
        let ours = format!(
            "{good_per_s:.0}/s good, {:.0}/s refused (429), p99 {p99_ms:.0} ms",
            refused / window.as_secs_f64()
        );
        self.table.figure(
            &row,
            ours,
            format!("the most of the row above: {peak:.0}/s"),
            good_per_s / peak,
            "×",
            Wanted::AtLeast(0.9),
        );
        Ok(())
    }
}
