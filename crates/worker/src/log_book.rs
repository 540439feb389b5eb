//! The log of one environment: what its function and the platform say, in order, on its way to the sink.
//!
//! Lines are gathered and given to the sink in one piece a moment after an invoke has ended, when there are many, or when
//! they have waited for long enough. Beside that the last bytes of the current invoke are kept for `LogType: Tail`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tindra_core::clock::{Clock, UnixMs};
use tindra_core::function::{LogFormat, Logging, Scope, Version};
use tindra_core::limits::LOG_TAIL_BYTES_MAX;
use tindra_core::report::{Level, Line};

/// Bytes that wait before they go to the sink without anybody asking.
const PENDING_BYTES_MAX: usize = 512 * 1024;
/// How long the lines of an invoke wait for those of the next.
const FLUSH_SOON: Duration = Duration::from_millis(10);
/// Records newer than this are believed to be of now; functions may set their clock to anything.
const CLOCK_SKEW_MS_MAX: u64 = 60_000;

/// Where a log stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStreamName {
    /// Account and region.
    pub scope: Scope,
    /// `/aws/lambda/NAME` unless configured.
    pub group: String,
    /// `YYYY/MM/DD/[VERSION]32HEX`, one for each environment.
    pub stream: String,
}

/// Where log events go.
pub trait LogSink: Send + Sync + std::fmt::Debug {
    /// Takes events of one stream, oldest first. Never blocks; bounded; what does not fit is dropped and counted.
    fn append(&self, stream: &Arc<LogStreamName>, events: Vec<(UnixMs, String)>);
}

/// See the module.
#[derive(Debug)]
pub(crate) struct LogBook {
    name: Arc<LogStreamName>,
    format: LogFormat,
    /// Lines of the platform below it are left out.
    level: Level,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn LogSink>,
    pages: Mutex<Pages>,
    is_flushing_soon: AtomicBool,
    /// When an invoke's lines were last given to the sink, or asked to be.
    flushed_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct Pages {
    pending: Vec<(UnixMs, String)>,
    pending_bytes: usize,
    tail: VecDeque<u8>,
}

impl LogBook {
    pub(crate) fn new(name: LogStreamName, logging: &Logging, clock: Arc<dyn Clock>, sink: Arc<dyn LogSink>) -> Self {
        let level = match logging.format {
            LogFormat::Text => Level::Debug,
            LogFormat::Json => Level::configured(logging.system_level.as_deref()),
        };
        Self {
            name: Arc::new(name),
            format: logging.format,
            level,
            clock,
            sink,
            pages: Mutex::default(),
            is_flushing_soon: AtomicBool::new(false),
            flushed_ms: AtomicU64::new(0),
        }
    }

    /// Adds a line of the platform, now.
    pub(crate) fn platform(&self, line: &Line<'_>) {
        if line.level() < self.level {
            return;
        }
        let now = self.clock.unix_ms();
        let time = match self.format {
            LogFormat::Text => String::new(),
            LogFormat::Json => iso_8601(now),
        };
        if let Some(text) = line.format(self.format, &time) {
            self.add(now, text);
        }
    }

    /// Adds what the function wrote. `claimed_ms` is the function's own idea of the time.
    pub(crate) fn function(&self, claimed_ms: Option<UnixMs>, message: &[u8]) {
        let now = self.clock.unix_ms();
        let time = claimed_ms.filter(|claimed| claimed.abs_diff(now) < CLOCK_SKEW_MS_MAX).unwrap_or(now);
        self.add(time, String::from_utf8_lossy(message).into_owned());
    }

    fn add(&self, time_ms: UnixMs, mut message: String) {
        if !message.ends_with('\n') {
            message.push('\n');
        }
        let mut pages = self.pages();
        pages.remember(message.as_bytes());
        pages.pending_bytes += message.len();
        pages.pending.push((time_ms, message));
        if pages.pending_bytes > PENDING_BYTES_MAX {
            self.send(pages);
        }
    }

    /// Forgets the tail: another invoke begins.
    pub(crate) fn begin_invoke(&self) {
        self.pages().tail.clear();
    }

    /// The last bytes since [`LogBook::begin_invoke`], at most [`LOG_TAIL_BYTES_MAX`].
    pub(crate) fn tail(&self) -> Bytes {
        self.pages().tail.iter().copied().collect::<Vec<u8>>().into()
    }

    /// Gives what waits to the sink: at once, unless that was done a moment ago; then in a moment, together with what comes
    /// until then. A function that is called again and again is not slowed down by its own log.
    pub(crate) fn flush_soon(self: &Arc<Self>) {
        let now_ms = self.clock.unix_ms();
        let since = now_ms.saturating_sub(self.flushed_ms.swap(now_ms, Ordering::AcqRel));
        if Duration::from_millis(since) > FLUSH_SOON {
            return self.flush();
        }
        if self.is_flushing_soon.swap(true, Ordering::AcqRel) {
            return;
        }
        let book = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(FLUSH_SOON).await;
            book.is_flushing_soon.store(false, Ordering::Release);
            book.flush();
        });
    }

    /// Gives what waits to the sink.
    pub(crate) fn flush(&self) {
        self.send(self.pages());
    }

    fn send(&self, mut pages: MutexGuard<'_, Pages>) {
        let events = std::mem::take(&mut pages.pending);
        pages.pending_bytes = 0;
        drop(pages);
        if !events.is_empty() {
            self.sink.append(&self.name, events);
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LogBook {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Pages {
    fn remember(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(LOG_TAIL_BYTES_MAX)..];
        let surplus = (self.tail.len() + bytes.len()).saturating_sub(LOG_TAIL_BYTES_MAX);
        self.tail.drain(..surplus);
        self.tail.extend(bytes);
    }
}

fn iso_8601(time_ms: UnixMs) -> String {
    let time = i64::try_from(time_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|time| format!("{time:.3}")).unwrap_or_default()
}

/// `YYYY/MM/DD/[VERSION]32HEX` for an environment that starts now.
pub(crate) fn stream_name(now_ms: UnixMs, version: Version) -> String {
    let time = i64::try_from(now_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let date = time.unwrap_or_default().strftime("%Y/%m/%d");
    format!("{date}/[{version}]{}", uuid::Uuid::new_v4().simple())
}

/// How long lines may wait while an invoke runs.
pub(crate) const FLUSH_AFTER: Duration = Duration::from_millis(200);
