//! What an idle environment costs, by what the machine has less of.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Bench, NODE_WAIT, PYTHON_SDK_WAIT, PYTHON_WAIT};
use crate::cold::EVENT;
use crate::server::{Server, zip};
use crate::{answer, http};

impl Bench {
    pub(super) fn memory_python(&mut self, what: &str) -> Result<()> {
        let runtime = self.interpreters.python_runtime.clone();
        self.memory(what, &runtime, "app.handler", &zip("app.py", PYTHON_WAIT)?, 2.5)
    }

    pub(super) fn memory_sdk(&mut self, what: &str) -> Result<()> {
        let runtime = self.interpreters.python_runtime.clone();
        self.memory(what, &runtime, "app.handler", &zip("app.py", PYTHON_SDK_WAIT)?, 4.0)
    }

    pub(super) fn memory_node(&mut self, what: &str) -> Result<()> {
        let runtime = self.interpreters.node_runtime.clone();
        self.memory(what, &runtime, "index.handler", &zip("index.mjs", NODE_WAIT)?, 10.0)
    }

    fn memory(&mut self, what: &str, runtime: &str, handler: &str, code: &str, most_mb: f64) -> Result<()> {
        // Of a server of its own, so that nothing else of it changes.
        let server = Server::start_with(&self.runtimes)?;
        server.prime("crowd", runtime, handler, code)?;
        let path = "/2015-03-31/functions/crowd/invocations";
        // One first, so that caches are filled and templates are there; then another one beside the crowd.
        answer(&mut http::Connection::open(server.address())?, path, EVENT)?;
        std::thread::sleep(Duration::from_secs(3));
        let before = (available_mb()?, server.processes_kept()?);
        std::thread::scope(|scope| -> Result<()> {
            let callers: Vec<_> = (0..self.crowd)
                .map(|_| scope.spawn(|| answer(&mut http::Connection::open(server.address())?, path, EVENT)))
                .collect();
            callers.into_iter().try_for_each(|caller| caller.join().expect("a caller does not panic"))
        })?;
        std::thread::sleep(Duration::from_secs(3));
        // Spares that were made meanwhile are as large, so they are counted.
        let (after, kept) = (available_mb()?, server.processes_kept()?);
        let added = kept - before.1;
        let what = format!("{what} ({added} more of them and of spares)");
        self.table.memory(&what, (before.0 - after) / added, most_mb);
        Ok(())
    }
}

fn available_mb() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:")).context("MemAvailable")?;
    let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
    Ok(kib / 1024.0)
}
