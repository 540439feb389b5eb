//! A cold start of ours from the caller's side, and the proof that it was one.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::server::Server;
use crate::{answer, http, time};

/// Between two cold starts: attaching to a control group is cheap back to back and dear when the machine is quiet.
const PAUSE: Duration = Duration::from_millis(100);
/// After a deployment, until spares have been made.
pub(crate) const SETTLE: Duration = Duration::from_millis(1_500);
/// What the hello functions are sent and answer.
pub(crate) const EVENT: &[u8] = br#"{"name":"bench"}"#;

impl Server {
    /// The time of an invoke that finds no environment. `number` differs from call to call.
    pub(crate) fn cold_start(&self, name: &str, number: usize) -> Result<Duration> {
        self.make_cold(name, number)?;
        std::thread::sleep(PAUSE);
        self.first_invoke(name, &format!("/2015-03-31/functions/{name}/invocations"))
    }

    /// The time of an invoke for which an environment must be made: the server's own count of cold starts is one higher
    /// afterwards, or this is an error and no figure.
    pub(crate) fn first_invoke(&self, name: &str, path: &str) -> Result<Duration> {
        let before = self.cold_starts(name)?;
        let mut connection = http::Connection::open(self.address())?;
        let taken = time(|| answer(&mut connection, path, EVENT))?;
        let started = self.cold_starts(name)? - before;
        ensure!(started == 1.0, "an invoke of {name} that was to be a cold start started {started} environments");
        Ok(taken)
    }

    fn cold_starts(&self, name: &str) -> Result<f64> {
        let label = format!("function=\"{name}\"");
        Ok(self
            .series("tindra_cold_starts_total")?
            .iter()
            .filter(|(key, _)| key.contains(&label))
            .map(|(_, v)| v)
            .sum())
    }
}
