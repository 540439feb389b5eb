//! Runs the host's commands while a pack is made: interpreters, pip, npm, Maven, javac.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::PackError;

/// An interpreter that does not tell its version within this time is not one.
const PROBE_TIME_MAX: Duration = Duration::from_secs(10);
/// Lines of a failed command's output that are shown.
const OUTPUT_LINES_MAX: usize = 12;

/// Variables of the user's that change what an interpreter does or says.
const UNWANTED_VARIABLES: &[&str] = &[
    "PYTHONPATH",
    "PYTHONHOME",
    "NODE_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "JDK_JAVAC_OPTIONS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
];

fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    for name in UNWANTED_VARIABLES {
        command.env_remove(name);
    }
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Runs a program for a short answer; `None` when it fails or takes too long.
pub(super) fn probe(program: &Path, arguments: &[&str]) -> Option<String> {
    let child = command(program, Path::new("/")).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.ok()?;
    wait(&mut child)?;
    read(child.stdout.take()?)
}

/// The same for a program that answers on its standard error, as Java does.
pub(super) fn probe_error_output(program: &Path, arguments: &[&str]) -> Option<String> {
    let child = command(program, Path::new("/")).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    wait(&mut child)?;
    read(child.stderr.take()?)
}

/// Waits for an end that is a success. The answers fit into a pipe, so nobody needs to read meanwhile.
fn wait(child: &mut Child) -> Option<()> {
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
    status.success().then_some(())
}

fn read(output: impl Read) -> Option<String> {
    let mut answer = String::new();
    output.take(65_536).read_to_string(&mut answer).ok()?;
    Some(answer.trim().to_owned())
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
    let output = command(program, directory)
        .args(arguments)
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
