//! A peer's server as a child of this process; it and all that it started are ended when this is dropped.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// How long a peer may take to listen, or to end an idle environment.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// An address of the loopback interface that nothing listens on.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A running server.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts it and waits until it listens. What it says goes to a file.
    pub(super) fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("failed to make {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("failed to start {:?}", command.get_program()))?;
        let mut process = Self { child };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait()?;
            if ended.is_some() || Instant::now() > end {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                bail!("it does not listen ({ended:?}) and said: {said}");
            }
            std::thread::sleep(LOOK);
        }
        Ok(process)
    }

    /// The threads of it and of the processes that it started.
    pub(super) fn threads(&self) -> usize {
        self.tree().iter().map(|id| tasks(*id).len()).sum()
    }

    /// Waits until it has fewer threads than `warm`: what ran the function has been ended.
    pub(super) fn wait_until_cold(&self, warm: usize) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.threads() >= warm {
            ensure!(Instant::now() < end, "its idle environment was not ended within {PATIENCE:?}");
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// It and its descendants, itself first.
    fn tree(&self) -> Vec<u32> {
        let mut all = vec![self.child.id()];
        let mut next = 0;
        while let Some(id) = all.get(next).copied() {
            next += 1;
            for task in tasks(id) {
                let children = std::fs::read_to_string(format!("/proc/{id}/task/{task}/children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
        all
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The server first, so that it starts nothing in the place of what ends.
        for id in self.tree() {
            if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                let _ = kill_process(id, Signal::KILL);
            }
        }
        let _ = self.child.wait();
    }
}

fn tasks(id: u32) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{id}/task")) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}
