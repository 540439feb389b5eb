//! The platform's own log lines about an invoke, in text and in JSON, as Lambda writes them.
//!
//! Pure: figures in, lines out. The formats are those of AWS's logs of 2025/26, in the newer style in which
//! `REPORT` itself carries the status.

mod json;
mod text;

use std::time::Duration;

use crate::function::{LogFormat, Version};

/// How a phase ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it should; a handler that answered with an error counts as this in text lines.
    Success,
    /// The handler answered with an error of this type.
    Failure(String),
    /// The platform ended it, for example with `Runtime.ExitError`.
    Error(String),
    /// The time was up.
    Timeout,
}

/// Where an init phase ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the invoke, with its own limit; before a snapshot too (the events of AWS's own emulator say so).
    Init,
    /// Again inside the invoke, under the function's timeout.
    Invoke,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

/// What every line of one environment shares.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Unqualified name of the function.
    pub function_name: &'a str,
    /// `$LATEST` or a number.
    pub function_version: Version,
    /// `python:3.12.1`.
    pub runtime_version: &'a str,
    /// ARN of that version.
    pub runtime_version_arn: &'a str,
    /// Why there is an environment.
    pub initialization: Initialization,
}

/// Why there is an environment (`AWS_LAMBDA_INITIALIZATION_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialization {
    /// An invoke needed one.
    OnDemand,
    /// Provisioned concurrency keeps it ready.
    ProvisionedConcurrency,
    /// A snapshot is made of it, or it is a copy of one.
    SnapStart,
    /// An invoke needed one that runs several at once.
    ManagedInstances,
}

impl Initialization {
    /// The value as AWS writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::SnapStart => "snap-start",
            Self::ManagedInstances => "lambda-managed-instances",
        }
    }
}

/// The time that a copy of a snapshot took to be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restore {
    /// All of it.
    pub duration: Duration,
    /// Of that, what the function answers for: from the moment its process runs on, after-restore hooks included.
    pub billed: Duration,
}

impl Restore {
    /// Whole milliseconds to bill, rounded up.
    #[must_use]
    pub fn billed_ms(self) -> u64 {
        hundredths(self.billed).div_ceil(100)
    }
}

/// The figures of a finished invoke.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Id of the request.
    pub request_id: &'a str,
    /// Time of the invoke phase.
    pub duration: Duration,
    /// Time of a successful init phase before it.
    pub init: Option<Duration>,
    /// The restore before it; then no init is told, because nobody waited for it.
    pub restore: Option<Restore>,
    /// Memory size in MB.
    pub memory_mb: u32,
    /// Most memory that was in use, in bytes.
    pub memory_used_bytes: u64,
    /// How it ended.
    pub status: &'a Status,
}

impl Report<'_> {
    /// Whole milliseconds to bill: duration and init together, rounded up once (AWS, since August 2025). A restore is
    /// rounded up for itself (AWS: 127.10 ms and 26 ms are 154 ms).
    #[must_use]
    pub fn billed_ms(&self) -> u64 {
        // The figures that are shown are what is summed, so that the line agrees with itself.
        (hundredths(self.duration) + self.init.map_or(0, hundredths)).div_ceil(100)
            + self.restore.map_or(0, Restore::billed_ms)
    }

    /// Megabytes shown: rounded up, and never more than there are.
    #[must_use]
    pub fn memory_used_mb(&self) -> u64 {
        self.memory_used_bytes.div_ceil(1 << 20).min(u64::from(self.memory_mb))
    }
}

/// One line of the platform.
#[derive(Clone, Debug)]
pub enum Line<'a> {
    /// An environment begins its init phase.
    InitStart(Subject<'a>),
    /// An init phase failed, or ended well without an invoke that would tell.
    InitReport {
        /// Why there is an environment.
        initialization: Initialization,
        /// How long it took.
        duration: Duration,
        /// Where it ran.
        phase: Phase,
        /// How it ended.
        status: &'a Status,
    },
    /// A copy of a snapshot begins to run.
    RestoreStart(Subject<'a>),
    /// Its runtime is done with the restore. In JSON only.
    RestoreDone {
        /// How it ended.
        status: &'a Status,
    },
    /// A restore has ended.
    RestoreReport {
        /// How long it took.
        duration: Duration,
        /// How it ended.
        status: &'a Status,
    },
    /// An invoke begins.
    Start {
        /// Id of the request.
        request_id: &'a str,
        /// `$LATEST` or a number.
        version: Version,
    },
    /// The runtime is done.
    End {
        /// Id of the request.
        request_id: &'a str,
        /// Time of the invoke phase.
        duration: Duration,
        /// How it ended.
        status: &'a Status,
    },
    /// The sum of it.
    Report(Report<'a>),
    /// The same of one of several invokes at once. Memory and processor cannot be told apart, so nothing is billed by them. In JSON
    /// only.
    SharedReport {
        /// Id of the request.
        request_id: &'a str,
        /// Time of the invoke.
        duration: Duration,
        /// How it ended.
        status: &'a Status,
    },
}

/// `SystemLogLevel`: which of the platform's JSON lines are written. Text lines always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Debug,
    /// Starts and reports; the default.
    Info,
    /// Only what went wrong.
    Warn,
}

impl Level {
    /// The level of a function's configuration; `INFO` where none is set.
    #[must_use]
    pub fn configured(name: Option<&str>) -> Self {
        match name {
            Some("DEBUG") => Self::Debug,
            Some("WARN") => Self::Warn,
            _ => Self::Info,
        }
    }
}

impl Line<'_> {
    /// The line's own level, as AWS is understood to map events to levels; not checked against a recording.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::InitStart(_) | Self::RestoreStart(_) | Self::Start { .. } => Level::Info,
            Self::InitReport { status: Status::Success, .. } | Self::RestoreReport { status: Status::Success, .. } => {
                Level::Info
            }
            Self::End { status: Status::Success, .. } | Self::RestoreDone { status: Status::Success } => Level::Debug,
            Self::Report(report) if *report.status == Status::Success => Level::Info,
            Self::SharedReport { status: Status::Success, .. } => Level::Info,
            Self::InitReport { .. }
            | Self::RestoreReport { .. }
            | Self::RestoreDone { .. }
            | Self::End { .. }
            | Self::Report(_)
            | Self::SharedReport { .. } => Level::Warn,
        }
    }

    /// The line without its line feed; none where the format has no such line. `time` is ISO 8601 and appears in JSON
    /// only.
    #[must_use]
    pub fn format(&self, format: LogFormat, time: &str) -> Option<String> {
        match format {
            LogFormat::Text => text::line(self),
            LogFormat::Json => Some(json::line(self, time)),
        }
    }
}

/// Hundredths of a millisecond, rounded to the nearest.
fn hundredths(duration: Duration) -> u64 {
    u64::try_from((duration.as_nanos() + 5_000) / 10_000).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests;
