//! The `tindra` binary.
//!
//! `serve`, `dev` and `runtime` host parts of the server; every other command is a client of the public HTTP API
//! and knows nothing that another client could not know. Data goes to stdout, everything else to stderr.

mod api;
mod arguments;
mod client;
mod commands;
mod deployment;
mod endpoint;
mod exit_code;
mod failure;
mod invocation;
mod output;
mod package;
mod progress;
mod project;
mod reference;
mod report;
mod style;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

fn main() -> std::process::ExitCode {
    // The server starts this binary again as its launcher, which must not do anything else first.
    tindra_server::run_if_launcher();
    let outcome = run(Arguments::parse());
    let code = match outcome {
        Ok(code) => code,
        // Whoever read our output has seen enough.
        Err(failure) if failure.is_broken_pipe() => ExitCode::Success,
        Err(failure) => failure.report(),
    };
    code.into()
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Serve(arguments) => commands::serve::run(*arguments),
        Command::Dev(arguments) => commands::dev::run(arguments),
        Command::Runtime(arguments) => commands::runtime::run(arguments),
        Command::Deploy(arguments) => as_client(commands::deploy::run(arguments)),
        Command::Invoke(arguments) => as_client(commands::invoke::run(arguments)),
        Command::Logs(arguments) => as_client(commands::logs::run(arguments)),
        Command::List(arguments) => as_client(commands::list::run(arguments)),
        Command::Delete(arguments) => as_client(commands::delete::run(arguments)),
        Command::Status(arguments) => as_client(commands::status::run(arguments)),
        Command::Environments(arguments) => as_client(commands::environments::run(arguments)),
        Command::Sources(arguments) => as_client(commands::sources::run(arguments)),
        Command::Queue(arguments) => as_client(commands::queue::run(arguments)),
        Command::Reference => reference::print(),
    }
}

/// Runs a command that is only a client: one thread is enough.
fn as_client(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(anyhow::Error::new(error).context("failed to start the event loop")))?;
    runtime.block_on(command)
}
