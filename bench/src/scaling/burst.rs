//! Many environments of one function that are wanted in the same moment, while none is there.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use super::crowd::{Answer, all_at_once, complaints, gather};
use super::{Bench, invocations, milliseconds};
use crate::figures::Figures;
use crate::server::zip;
use crate::table::Wanted;

/// Environments at once.
const ENVIRONMENTS: usize = 1_000;
/// How long every handler stays, counted from the first request: longer than the slowest environment takes to come, so that
/// none serves two of them.
const STAY: Duration = Duration::from_secs(25);
const WANTED_MS: f64 = 4_000.0;

/// Tells when it began and in which environment.
pub(super) const STAYING: &str = r#"import os, time
ENVIRONMENT = os.urandom(8).hex()
def handler(event, context):
    began = time.time()
    time.sleep(max(0.0, event["until"] - began))
    return {"environment": ENVIRONMENT, "began": began}
"#;

impl Bench {
    pub(super) fn burst(&mut self, what: &str) -> Result<()> {
        let (count, stay) = if self.is_short { (50, Duration::from_secs(3)) } else { (ENVIRONMENTS, STAY) };
        // One spare at most, because none at all would also switch off the template.
        let server = self.server(&[
            ("TINDRA_ENVIRONMENTS_MAX", count + 10),
            ("TINDRA_ACCOUNT_CONCURRENCY", count + 100),
            ("TINDRA_SPARES_MAX", 1),
        ])?;
        server.prime("staying", &self.python_runtime(), "app.handler", &zip("app.py", STAYING)?)?;
        server.wait_for_spares(1)?;
        let path = invocations("staying");
        let took = self.clients.block_on(async {
            let callers = gather(server.address(), count).await?;
            let began = since_epoch();
            let until = (began + stay).as_secs_f64();
            let (callers, answers) = all_at_once(callers, &path, &event(until)).await?;
            let taken = readiness(&answers, began)?;
            // Now all are idle; nothing is started for these.
            let (_, answers) = all_at_once(callers, &path, &event((since_epoch() + stay / 20).as_secs_f64())).await?;
            let good = answers.iter().filter(|answer| answer.is_good()).count();
            ensure!(good == count, "of {count} more invokes {good} were answered: {}", complaints(&answers));
            anyhow::Ok(Figures::of(taken))
        })?;
        let all_ms = took.percentile_ms(100);
        let what = format!("{what}: {count} at once, 1 pooled; then {count} more invokes answered");
        let ours = format!("{all_ms:.0} ms until the last (half of them in {:.0})", took.percentile_ms(50));
        let rate = format!("{:.0} environments/s", count as f64 * 1_000.0 / all_ms);
        self.table.figure(&what, ours, rate, all_ms, " ms", Wanted::AtMost(WANTED_MS));
        Ok(())
    }
}

/// The event for handlers that stay until then, in seconds since 1970.
pub(super) fn event(until: f64) -> Bytes {
    json!({ "until": until }).to_string().into()
}

pub(super) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is later than 1970")
}

/// How long after `began` each environment was there: its handler ran.
pub(super) fn readiness(answers: &[Answer], began: Duration) -> Result<Vec<Duration>> {
    ensure!(answers.iter().all(Answer::is_good), "not all were answered: {}", complaints(answers));
    let (mut taken, mut environments) = (Vec::new(), HashSet::new());
    for answer in answers {
        let told: Value = serde_json::from_slice(&answer.body)?;
        let at = told["began"].as_f64().unwrap_or_default() - began.as_secs_f64();
        taken.push(Duration::try_from_secs_f64(at.max(0.0))?);
        environments.insert(told["environment"].to_string());
    }
    ensure!(
        environments.len() == answers.len(),
        "{} invokes had only {} environments; the last came after {:.0} ms",
        answers.len(),
        environments.len(),
        milliseconds(taken.iter().copied().max().unwrap_or_default()),
    );
    Ok(taken)
}
