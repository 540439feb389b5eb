//! Runs the host's commands while a pack is made: interpreters, pip, npm.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::PackError;

/// An interpreter that does not tell its version within this time is not one.
const PROBE_TIME_MAX: Duration = Duration::from_secs(10);
/// Lines of a failed command's output that are shown.
const OUTPUT_LINES_MAX: usize = 12;

/// Runs a program for a short answer; `None` when it fails or takes too long.
pub(super) fn probe(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir("/")
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < PROBE_TIME_MAX => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let mut answer = String::new();
    child.stdout.take()?.take(65_536).read_to_string(&mut answer).ok()?;
    status.success().then(|| answer.trim().to_owned())
}

/// Runs a program to its end. `attempt` and `hint` are for the error.
pub(super) fn run<S: AsRef<OsStr>>(
    program: &Path,
    arguments: &[S],
    directory: &Path,
    attempt: &str,
    hint: &str,
) -> Result<(), PackError> {
    let failed = |output: String| PackError::Command { attempt: attempt.to_owned(), output, hint: hint.to_owned() };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("{}: {error}", program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Err(failed(lines[lines.len().saturating_sub(OUTPUT_LINES_MAX)..].join("\n")))
}
