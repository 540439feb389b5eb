//! `tindra deploy`: the functions of a folder, to a server.

use tindra_server::{Config, Mode, Settings};

use super::runtime::resolve;
use super::serve::unusable;
use crate::arguments::DeployArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::progress::Task;
use crate::project::{self, Function, RuntimeChoice};
use crate::{deployment, output, style};

pub(crate) async fn run(arguments: DeployArguments) -> Result<ExitCode, Failure> {
    let functions = project::find(&arguments.directory)?;
    let client = arguments.endpoint.client()?;
    let runtimes = runtimes(&functions)?;
    let mut configurations = Vec::new();
    for (function, runtime) in functions.iter().zip(&runtimes) {
        let task = Task::new(&function.name);
        let (outcome, configuration) = deployment::deploy(&client, function, runtime, &task).await?;
        drop(task);
        if !arguments.json {
            output::line(&format!(
                "{} {} ({runtime}, {})",
                outcome.word(),
                style::name(&function.name),
                function.handler
            ))?;
        }
        configurations.push(configuration);
    }
    if arguments.json {
        output::json(&configurations.into())?;
    }
    Ok(ExitCode::Success)
}

/// The newest runtime of this machine stands in for the server's, which the API does not tell; a function for
/// another machine names its runtime in `tindra.toml`.
fn runtimes(functions: &[Function]) -> Result<Vec<String>, Failure> {
    if functions.iter().all(|function| matches!(function.runtime, RuntimeChoice::Exactly(_))) {
        return resolve_with(functions, None);
    }
    let config = Config::load(Mode::Serve, Settings::default(), None).map_err(unusable)?;
    if config.runtimes.is_dir() {
        return resolve_with(functions, Some(config));
    }
    // A client leaves nothing behind: look at the machine's interpreters from an empty directory.
    let empty = std::env::temp_dir().join(format!("tindra-runtimes-{}", std::process::id()));
    let resolved = resolve_with(functions, Some(Config { runtimes: empty.clone(), ..config }));
    let _ = std::fs::remove_dir_all(&empty);
    resolved
}

fn resolve_with(functions: &[Function], config: Option<Config>) -> Result<Vec<String>, Failure> {
    match config {
        Some(config) => resolve(&config, functions),
        None => Ok(functions
            .iter()
            .filter_map(|function| match &function.runtime {
                RuntimeChoice::Exactly(runtime) => Some(runtime.clone()),
                RuntimeChoice::Newest(_) => None,
            })
            .collect()),
    }
}
