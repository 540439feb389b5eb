//! The sandbox from outside: real processes, real limits. Needs root, and a Python to attack with.
//!
//! The launcher re-executes this binary, so it has a `main` of its own that gives way to it first.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may fail by panic, and this binary is its own test runner"
)]

mod confinement;
mod healing;
mod leftovers;
mod limits;
mod network;
mod processes;
mod runtimes;
mod storage;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use support::Ground;

/// A test: what must hold, and the function that panics when it does not.
type Test = (&'static str, fn(&Ground));

fn main() -> ExitCode {
    tindra_sandbox::run_if_launcher();
    if leftovers::run_if_helper() {
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: the tests of the sandbox need root");
        println!("test result: ok. 0 passed; 0 failed; 1 ignored");
        return ExitCode::SUCCESS;
    }
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let ground = Ground::new();
    let all = [
        confinement::TESTS,
        limits::TESTS,
        network::TESTS,
        processes::TESTS,
        runtimes::TESTS,
        storage::TESTS,
        leftovers::TESTS,
        healing::TESTS,
    ];
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in all.into_iter().flatten().filter(|(name, _)| name.contains(&filter)) {
        let is_fine = catch_unwind(AssertUnwindSafe(|| test(&ground))).is_ok();
        println!("test {name} ... {}", if is_fine { "ok" } else { "FAILED" });
        if is_fine { passed += 1 } else { failed += 1 }
    }
    println!("test result: {}. {passed} passed; {failed} failed", if failed == 0 { "ok" } else { "FAILED" });
    ExitCode::from(u8::from(failed > 0))
}
