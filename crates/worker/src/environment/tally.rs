//! The figures of cold starts: how many, why, for which function, and how long init phases took.

use std::time::Duration;

use super::Environment;
use crate::spares::Origin;

/// What a new process was started for; a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// An invoke needed an environment.
    OnDemand,
    /// Provisioned concurrency wanted one more.
    Provisioned,
    /// The process before it in the same environment has failed or ended.
    Reset,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Provisioned => "provisioned",
            Self::Reset => "reset",
        }
    }
}

impl Environment {
    /// Why its first process is started.
    pub(super) fn first_cause(&self) -> Cause {
        if self.allotted.is_some() { Cause::Provisioned } else { Cause::OnDemand }
    }

    /// Counts a new process.
    pub(super) fn count_cold_start(&self, start: Origin, cause: Cause) {
        let function = self.target.name.clone();
        let labels =
            [("start", start.as_str().to_owned()), ("cause", cause.as_str().to_owned()), ("function", function)];
        metrics::counter!("tindra_cold_starts_total", &labels).increment(1);
    }

    /// Counts an init phase.
    pub(super) fn count_init(&self, duration: Duration) {
        let function = self.target.name.clone();
        metrics::histogram!("tindra_init_duration_seconds", "function" => function).record(duration.as_secs_f64());
    }
}
