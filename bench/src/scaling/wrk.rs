//! wrk, which makes HTTP load: how it is found, told what to send, and understood.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// How it is installed where it is missing.
const REMEDY: &str = "wrk makes the load and is not there; install it: apt-get install wrk";
/// Sends an event, counts answers by status in each thread, and prints one line that can be read.
const SCRIPT: &str = r#"
wrk.method, wrk.body = "POST", '{"name":"bench"}'
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() good, refused, others = 0, 0, 0 end
function response(status, headers)
  if status == 200 and not headers["X-Amz-Function-Error"] then good = good + 1
  elseif status == 429 then refused = refused + 1
  else others = others + 1 end
end
function done(summary, latency)
  local good, refused, others = 0, 0, 0
  for _, thread in ipairs(threads) do
    good, refused, others = good + thread:get("good"), refused + thread:get("refused"), others + thread:get("others")
  end
  local errors = summary.errors
  others = others + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("TOLD %d %d %d %d %d\n", good, refused, others, summary.duration, latency:percentile(99)))
end
"#;

/// See the module.
#[derive(Debug)]
pub(super) struct Wrk {
    program: PathBuf,
    script: tempfile::NamedTempFile,
}

/// What one run brought.
#[derive(Debug)]
pub(super) struct Load {
    /// Answers of the function.
    pub(super) good_per_s: f64,
    /// Answers 429.
    pub(super) refused: f64,
    /// Answers of any other kind, and connections that broke.
    pub(super) others: f64,
    pub(super) p99_ms: f64,
}

/// On the search path.
pub(super) fn find() -> Result<Wrk> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path).map(|directory| directory.join("wrk")).find(|path| path.is_file());
    let script = tempfile::NamedTempFile::with_suffix(".lua")?;
    std::fs::write(script.path(), SCRIPT)?;
    Ok(Wrk { program: program.context(REMEDY)?, script })
}

impl Wrk {
    pub(super) fn run(&self, url: &str, connections: usize, window: Duration) -> Result<Load> {
        let output = Command::new(&self.program)
            .args(["--threads", if connections > 1 { "2" } else { "1" }, "--timeout", "30s"])
            .args(["--connections", &connections.to_string(), "--duration", &format!("{}s", window.as_secs().max(1))])
            .arg("--script")
            .arg(self.script.path())
            .arg(url)
            .output()
            .with_context(|| format!("failed to run {}", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "wrk ended with {}: {text}", output.status);
        let told = text.lines().find_map(|line| line.strip_prefix("TOLD ")).context("wrk told no figures")?;
        let figures: Vec<f64> = told.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [good, refused, others, duration_us, p99_us] = figures[..] else {
            anyhow::bail!("wrk told {told}");
        };
        Ok(Load { good_per_s: good * 1e6 / duration_us, refused, others, p99_ms: p99_us / 1_000.0 })
    }
}
