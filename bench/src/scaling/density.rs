//! As many idle environments as the machine has memory for: what each costs, and what they cost a warm invoke.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::burst::{STAYING, event, since_epoch};
use super::crowd::{Answer, all_at_once, complaints, gather};
use super::machine::{self, Memory};
use super::{Bench, ECHO, invocations};
use crate::cold::EVENT;
use crate::figures::Figures;
use crate::server::{Server, zip};
use crate::table::Wanted;
use crate::{answer, http, time};

/// Idle environments; `TINDRA_BENCH_ENVIRONMENTS` names another number.
const ENVIRONMENTS: usize = 8_000;
/// Those that the same figures are measured beside.
const FEW: usize = 10;
/// Environments that are made at once: busy ones hold more descriptors than idle ones.
const WAVE: usize = 100;
/// How long each stays busy, so that the others of its wave are made meanwhile.
const STAY: Duration = Duration::from_secs(2);
/// After a wave until what is idle is parked.
const PARKED_AFTER: Duration = Duration::from_millis(1_500);
/// Memory that is left to the rest of the machine, in MB.
const LEFT_MB: f64 = 2_000.0;
const CALLS: usize = 2_000;

/// What was measured with so many idle environments.
struct Look {
    environments: f64,
    memory: Memory,
    server_descriptors: usize,
    launcher_descriptors: usize,
    server_mb: f64,
    warm: Figures,
}

impl Bench {
    pub(super) fn density(&mut self, what: &str) -> Result<()> {
        let named = std::env::var("TINDRA_BENCH_ENVIRONMENTS").ok().map(|text| text.parse()).transpose()?;
        let target = named.unwrap_or(if self.is_short { 200 } else { ENVIRONMENTS });
        let server = self.server(&[
            ("TINDRA_ENVIRONMENTS_MAX", target + 2 * WAVE),
            ("TINDRA_ACCOUNT_CONCURRENCY", target + 1_000),
            ("TINDRA_SPARES_MAX", 2),
            // Kept however long this takes.
            ("TINDRA_KEEP_WARM_MIN_S", 36_000),
            ("TINDRA_KEEP_WARM_MAX_S", 36_000),
            ("TINDRA_ENVIRONMENT_MAX_AGE_S", 36_000),
        ])?;
        server.prime("echo", &self.python_runtime(), "app.handler", &zip("app.py", ECHO)?)?;
        self.wave(&server, 0, FEW)?;
        let few = self.look(&server)?;
        let added = |server: &Server| Ok::<_, anyhow::Error>(server.gauge("tindra_environments")? - few.environments);
        for number in 1.. {
            let missing = target.saturating_sub(FEW + added(&server)? as usize);
            if missing == 0 {
                break;
            }
            if Memory::read()?.available < LEFT_MB {
                eprintln!("no more idle environments: memory is left for others");
                break;
            }
            if let Err(error) = self.wave(&server, number, WAVE.min(missing)) {
                eprintln!("no more idle environments: {error:#}");
                break;
            }
            if number.is_multiple_of(5) {
                let (now, added) = (Memory::read()?, added(&server)?);
                let each_mb = (few.memory.available - now.available) / added;
                eprintln!("{added} more, {each_mb:.2} MB each: {}", now.kinds_since(&few.memory, added));
            }
        }
        let many = self.look(&server)?;
        self.tell(what, target, &few, &many);
        Ok(())
    }

    /// Environments of a function of their own, each of which serves one invoke and is idle then.
    fn wave(&self, server: &Server, number: usize, size: usize) -> Result<()> {
        let name = format!("staying-{number}");
        server.prime(&name, &self.python_runtime(), "app.handler", &zip("app.py", STAYING)?)?;
        self.clients.block_on(async {
            let callers = gather(server.address(), size).await?;
            let began = since_epoch();
            let (_, answers) = all_at_once(callers, &invocations(&name), &event((began + STAY).as_secs_f64())).await?;
            ensure!(answers.iter().all(Answer::is_good), "{}", complaints(&answers));
            anyhow::Ok(())
        })?;
        std::thread::sleep(PARKED_AFTER);
        Ok(())
    }

    fn look(&self, server: &Server) -> Result<Look> {
        let path = invocations("echo");
        let mut connection = http::Connection::open(server.address())?;
        for _ in 0..CALLS / 10 {
            answer(&mut connection, &path, EVENT)?;
        }
        let calls = if self.is_short { CALLS / 10 } else { CALLS };
        let warm = (0..calls).map(|_| time(|| answer(&mut connection, &path, EVENT))).collect::<Result<_>>()?;
        drop(connection);
        std::thread::sleep(PARKED_AFTER);
        let launcher = machine::launcher_of(server.process_id())?;
        Ok(Look {
            environments: server.gauge("tindra_environments")?,
            memory: Memory::read()?,
            server_descriptors: machine::descriptors(server.process_id())?,
            launcher_descriptors: machine::descriptors(launcher)?,
            server_mb: machine::resident_mb(server.process_id())?,
            warm: Figures::of(warm),
        })
    }

    fn tell(&mut self, what: &str, target: usize, few: &Look, many: &Look) {
        let added = many.environments - few.environments;
        let reached = format!("{:.0} idle environments", many.environments);
        self.table.figure(
            "density: idle environments",
            reached.clone(),
            String::new(),
            many.environments,
            "",
            Wanted::AtLeast(target as f64),
        );
        let each_mb = (few.memory.available - many.memory.available) / added;
        let ours = format!("{each_mb:.2} MB of MemAvailable ({})", many.memory.kinds_since(&few.memory, added));
        self.table.figure(&format!("{what}, {reached}"), ours, String::new(), each_mb, " MB", Wanted::AtMost(2.5));
        let each = |many: usize, few: usize| (many as f64 - few as f64) / added;
        let descriptors = each(many.server_descriptors, few.server_descriptors);
        let ours = format!(
            "{descriptors:.2} of the server, {:.2} of the launcher",
            each(many.launcher_descriptors, few.launcher_descriptors)
        );
        self.table.figure(
            "density: descriptors of an idle environment",
            ours,
            String::new(),
            descriptors,
            "",
            Wanted::AtMost(2.0),
        );
        let server_kb = (many.server_mb - few.server_mb) * 1_024.0 / added;
        self.table.figure(
            "density: memory of the server for an idle environment",
            format!("{server_kb:.1} KB"),
            String::new(),
            server_kb,
            " KB",
            Wanted::Nothing,
        );
        let what = format!("density: warm invoke beside {reached}");
        self.table.time(&what, &many.warm, &format!("beside {FEW}"), &few.warm, Wanted::AtMost(1.5));
    }
}
