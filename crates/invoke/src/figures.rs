//! The figures of one function for `/metrics`, looked up once and not at every invoke.

use std::time::Duration;

use metrics::{Counter, Histogram};
use tindra_core::function::Scope;

/// Handles to one function's counters.
pub(crate) struct Figures {
    invocations: Counter,
    errors: Counter,
    throttles: Counter,
    recursive: Counter,
    provisioned: Counter,
    spilled_over: Counter,
    duration: Histogram,
}

impl Figures {
    pub(crate) fn new(scope: &Scope, name: &str) -> Self {
        let labels = [
            metrics::Label::new("account", scope.account.clone()),
            metrics::Label::new("region", scope.region.clone()),
            metrics::Label::new("function", name.to_owned()),
        ];
        Self {
            invocations: metrics::counter!("tindra_invocations_total", labels.iter()),
            errors: metrics::counter!("tindra_invocation_errors_total", labels.iter()),
            throttles: metrics::counter!("tindra_invocation_throttles_total", labels.iter()),
            recursive: metrics::counter!("tindra_recursive_invocations_dropped_total", labels.iter()),
            provisioned: metrics::counter!("tindra_provisioned_concurrency_invocations_total", labels.iter()),
            spilled_over: metrics::counter!(
                "tindra_provisioned_concurrency_spillover_invocations_total",
                labels.iter()
            ),
            duration: metrics::histogram!("tindra_invocation_duration_seconds", labels.iter()),
        }
    }

    /// An invoke was refused for want of concurrency or room.
    pub(crate) fn throttled(&self) {
        self.throttles.increment(1);
    }

    /// An invoke was stopped because the function has caused itself too often.
    pub(crate) fn recursive(&self) {
        self.recursive.increment(1);
    }

    /// An invoke was let in as one of its version's provisioned ones.
    pub(crate) fn provisioned(&self) {
        self.provisioned.increment(1);
    }

    /// An invoke was let in on demand, because its version's provisioned ones were in use.
    pub(crate) fn spilled_over(&self) {
        self.spilled_over.increment(1);
    }

    /// An invoke ran to its end, well or not.
    pub(crate) fn ended(&self, is_error: bool, took: Duration) {
        self.invocations.increment(1);
        if is_error {
            self.errors.increment(1);
        }
        self.duration.record(took.as_secs_f64());
    }
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Figures").finish_non_exhaustive()
    }
}
