//! A test invoke of `dev`, and how it is shown.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::api::{self, Invoked};
use crate::client::{Client, ClientError};
use crate::{report, style};

/// An invoke and the time that it took, seen from here.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) invoked: Invoked,
    pub(crate) elapsed: Duration,
}

/// Invokes with the end of the log.
pub(crate) async fn timed(client: &Client, name: &str, payload: Bytes) -> Result<Timed, ClientError> {
    let start = Instant::now();
    let invoked = api::invoke(client, name, payload, None, true).await?;
    Ok(Timed { invoked, elapsed: start.elapsed() })
}

impl Timed {
    /// For example `cold   63.2 ms  (init 48.1 ms, handler 1.9 ms)` and the answer below it.
    pub(crate) fn text(&self, label: &str) -> String {
        let report = self.invoked.log_tail.as_deref().and_then(report::read);
        let inside = report.map_or_else(String::new, |report| match report.init_ms {
            Some(init_ms) => format!("  (init {init_ms:.1} ms, handler {:.1} ms)", report.duration_ms),
            None => format!("  (handler {:.1} ms)", report.duration_ms),
        });
        let elapsed_ms = self.elapsed.as_secs_f64() * 1_000.0;
        let failed = self.invoked.function_error.as_deref().map_or_else(String::new, |kind| format!("  {kind} error"));
        format!(
            "  {label}  {elapsed_ms:>7.1} ms{}{failed}\n        {}",
            style::faint(&inside),
            String::from_utf8_lossy(&self.invoked.payload),
        )
    }

    /// The function's own lines and the platform's, indented.
    pub(crate) fn log_text(&self) -> String {
        let log = self.invoked.log_tail.as_deref().unwrap_or_default();
        log.lines().map(|line| format!("        {}", style::faint(line.trim_end()))).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cold_start_shows_its_parts() {
        let timed = Timed {
            invoked: Invoked {
                payload: Bytes::from_static(b"{\"hello\": 1}"),
                function_error: None,
                log_tail: Some("hi\nREPORT RequestId: a\tDuration: 1.25 ms\tInit Duration: 58.10 ms\t\n".to_owned()),
            },
            elapsed: Duration::from_micros(63_210),
        };
        let text = "  cold     63.2 ms  (init 58.1 ms, handler 1.2 ms)\n        {\"hello\": 1}";
        assert_eq!(timed.text("cold"), text);
        assert!(timed.log_text().starts_with("        hi\n"));
    }
}
