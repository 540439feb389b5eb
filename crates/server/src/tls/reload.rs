//! Certificates are renewed while the server runs: their files are looked at every few seconds, and at SIGHUP.
//!
//! Connections that are open keep the certificate that they began with. Files that cannot be used (a renewal that is
//! half written, a key that does not fit) change nothing: the certificates before stay, and it is tried again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::sync::watch;

use super::{Certificates, TlsError};
use crate::config::{Domain, TlsFiles};

/// Between two looks at the files: a look is one system call for each.
const LOOK: Duration = Duration::from_secs(5);

/// By what a changed file shows: when it was written, its size, and which file it is.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Reads the files again whenever they changed or `hangup` comes, until nobody takes new certificates any more.
pub(crate) async fn keep_fresh(
    standard: TlsFiles,
    domains: Vec<Domain>,
    renewed: watch::Sender<Arc<Certificates>>,
    mut hangup: Option<Signal>,
) {
    let mut stamps = stamps(&standard, &domains);
    let mut failure = None;
    loop {
        let is_asked = tokio::select! {
            () = tokio::time::sleep(LOOK) => false,
            () = asked(&mut hangup) => true,
            () = renewed.closed() => return,
        };
        let now = self::stamps(&standard, &domains);
        if now == stamps && failure.is_none() && !is_asked {
            continue;
        }
        stamps = now;
        failure = renew(&standard, &domains, &renewed, failure).await;
    }
}

async fn asked(hangup: &mut Option<Signal>) {
    let received = match hangup {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if received.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Takes new certificates over; else says why not, and says it once.
async fn renew(
    standard: &TlsFiles,
    domains: &[Domain],
    renewed: &watch::Sender<Arc<Certificates>>,
    failure: Option<String>,
) -> Option<String> {
    let (standard, domains) = (standard.clone(), domains.to_vec());
    let loaded = tokio::task::spawn_blocking(move || Certificates::load(&standard, &domains)).await;
    match loaded {
        Ok(Ok(certificates)) => {
            renewed.send_replace(Arc::new(certificates));
            tracing::info!("the certificates have been read again");
            None
        }
        Ok(Err(error)) => {
            let text = told(&error);
            if failure.as_ref() != Some(&text) {
                tracing::warn!(error = text, "the certificates cannot be read again; those before stay in use");
            }
            Some(text)
        }
        // The server stops.
        Err(_) => failure,
    }
}

fn told(error: &TlsError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

fn stamps(standard: &TlsFiles, domains: &[Domain]) -> Vec<Stamp> {
    let all = std::iter::once(standard).chain(domains.iter().filter_map(|domain| domain.tls.as_ref()));
    all.flat_map(|files| [stamp(&files.certificate), stamp(&files.key)]).collect()
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}
