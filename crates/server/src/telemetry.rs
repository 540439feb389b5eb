//! What the operator sees: the log on stderr and the figures at `/metrics`.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::Mode;

/// Upper bounds of the latency histograms, in seconds.
const LATENCY_BUCKETS_S: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The same of the init phases of functions, which take up to their limit and what ends them.
const INIT: &str = "tindra_init_duration_seconds";
const INIT_BUCKETS_S: [f64; 14] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];

/// An event may wait for six hours.
const EVENT_AGE: &str = "tindra_async_event_age_seconds";
const EVENT_AGE_BUCKETS_S: [f64; 14] =
    [0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 300.0, 900.0, 3_600.0, 10_800.0, 21_600.0];

/// Sends the log to stderr: what `TINDRA_LOG` (or `RUST_LOG`) asks for, else `info` in `serve` and `warn` in `dev`.
///
/// Does nothing when the process already has a subscriber.
pub fn init_log(mode: Mode) {
    let default = match mode {
        Mode::Serve => "info",
        Mode::Dev => "warn",
    };
    let wanted = std::env::var("TINDRA_LOG").or_else(|_| std::env::var("RUST_LOG"));
    let filter = wanted
        .ok()
        .filter(|text| !text.is_empty())
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written (stderr goes to a disk that is full) is lost; told on stderr, the loss would be a
        // panic of whoever logged.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(rustix::termios::isatty(std::io::stderr()) && std::env::var_os("NO_COLOR").is_none());
    // A second server in one process (tests) keeps the first subscriber.
    let _ = subscriber.try_init();
}

/// The figures of this process, recorded through the `metrics` crate. A process has one set of them, whatever
/// the number of servers in it.
pub(crate) fn metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let mut builder = PrometheusBuilder::new().set_buckets(&LATENCY_BUCKETS_S);
        for (metric, buckets_s) in [(INIT, &INIT_BUCKETS_S), (EVENT_AGE, &EVENT_AGE_BUCKETS_S)] {
            let metric = Matcher::Full(metric.to_owned());
            builder = builder.and_then(|builder| builder.set_buckets_for_metric(metric, buckets_s));
        }
        let recorder = match builder {
            Ok(builder) => builder.build_recorder(),
            Err(_) => PrometheusBuilder::new().build_recorder(),
        };
        let handle = recorder.handle();
        // Another recorder in the process means that somebody else shows the figures; ours then stay empty.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}
