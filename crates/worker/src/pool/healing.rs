//! When the sandbox launcher has ended, which takes every sandbox with it, another one is started and nothing of the old one is
//! used again.
//!
//! Who needs a sandbox meanwhile waits for the new launcher by itself; this is for what waits in vain: idle environments,
//! provisioned ones, spares, templates and snapshots.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Pool;
use crate::readiness;

/// Wait after no launcher could be started.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Runs until it is aborted.
pub(crate) async fn heal(pool: Arc<Pool>) {
    let launcher = pool.machine.launcher.clone();
    loop {
        match launcher.end_signal().and_then(readiness::watch) {
            Ok(signal) => drop(signal.readable().await),
            Err(error) => {
                tracing::warn!(%error, "the launcher of sandboxes cannot be watched; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
        }
        if pool.is_stopping.load(Ordering::Acquire) {
            return;
        }
        let ended = launcher.clone();
        match tokio::task::spawn_blocking(move || ended.heal()).await {
            Ok(Ok(())) => pool.begin_anew(),
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "the launcher of sandboxes has ended, and no other one starts; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
            }
            // The server is ending.
            Err(_) => return,
        }
    }
}

impl Pool {
    /// Drops what an ended launcher had made.
    fn begin_anew(&self) {
        for generation in self.all() {
            drop(generation.take_outlived());
        }
        self.machine.snapshots.forget_ended();
        self.machine.spares.begin_anew();
        metrics::counter!("tindra_launcher_restarts_total").increment(1);
        tracing::warn!(
            "the launcher of sandboxes had ended; another one has taken its place, and functions start anew"
        );
    }
}
