//! `tindra runtime`: the runtimes of this machine.

use serde_json::json;
use tindra_server::runtimes::{self, PackStatus};
use tindra_server::{Config, Mode, Settings};

use super::serve::{event_loop, unusable};
use crate::arguments::{RuntimeArguments, RuntimeCommand, RuntimePlace};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::progress::Task;
use crate::project::{Function, Language, RuntimeChoice};
use crate::{output, style};

pub(crate) fn run(arguments: RuntimeArguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        RuntimeCommand::List { json, place } => list(&place, json),
        RuntimeCommand::Install { runtime, from_host, place } => {
            let config = config(&place)?;
            event_loop()?.block_on(install(&config, &runtime, from_host.as_deref()))
        }
    }
}

fn config(place: &RuntimePlace) -> Result<Config, Failure> {
    let flags = Settings { data: place.data.clone(), runtimes: place.runtimes.clone(), ..Settings::default() };
    Config::load(Mode::Serve, flags, place.config.as_deref()).map_err(unusable)
}

fn statuses(config: &Config) -> Result<Vec<PackStatus>, Failure> {
    runtimes::list(config).map_err(|error| Failure::new(error.into()))
}

fn list(place: &RuntimePlace, as_json: bool) -> Result<ExitCode, Failure> {
    let statuses = statuses(&config(place)?)?;
    if as_json {
        let values = statuses.iter().map(|status| {
            json!({
                "runtime": status.runtime,
                "ready": status.pack.is_some(),
                "version": status.pack.as_ref().map(|pack| &pack.version),
                "clients": status.clients,
                "interpreters": status.interpreters.iter().map(|found| json!({ "version": found.version, "path": found.path })).collect::<Vec<_>>(),
            })
        });
        output::json(&values.collect())?;
    } else {
        output::line(&output::table(&["runtime", "state", "from"], statuses.iter().map(row).collect()))?;
    }
    Ok(ExitCode::Success)
}

fn row(status: &PackStatus) -> Vec<String> {
    let interpreter = status.interpreters.first().map(|found| format!("{} ({})", found.path.display(), found.version));
    let (state, from) = match (&status.pack, interpreter) {
        (Some(pack), _) => ("ready", [vec![pack.version.clone()], status.clients.clone()].concat().join(", ")),
        (None, Some(interpreter)) => ("can be made", interpreter),
        (None, None) => ("made at first use", "no interpreter needed".to_owned()),
    };
    vec![status.runtime.clone(), state.to_owned(), from]
}

async fn install(config: &Config, runtime: &str, from: Option<&std::path::Path>) -> Result<ExitCode, Failure> {
    let task = Task::measured(runtime);
    let pack = runtimes::install(config, runtime, from, &task).await.map_err(|error| Failure::new(error.into()))?;
    drop(task);
    output::note(&format!("{} {runtime} is {}, in {}", style::good("ready:"), pack.version, pack.root.display()));
    Ok(ExitCode::Success)
}

/// Makes a runtime ready unless it is, and shows how far it is.
pub(crate) async fn ensure(config: &Config, runtime: &str) -> Result<(), Failure> {
    let task = Task::measured(runtime);
    runtimes::install(config, runtime, None, &task).await.map_err(|error| Failure::new(error.into()))?;
    Ok(())
}

/// The `Runtime` of each function: what it says, or the newest of its language on this machine.
pub(crate) fn resolve(config: &Config, functions: &[Function]) -> Result<Vec<String>, Failure> {
    let is_open = |function: &Function| matches!(function.runtime, RuntimeChoice::Newest(_));
    let statuses = if functions.iter().any(is_open) { statuses(config)? } else { Vec::new() };
    functions
        .iter()
        .map(|function| match &function.runtime {
            RuntimeChoice::Exactly(runtime) => Ok(runtime.clone()),
            RuntimeChoice::Newest(language) => newest(*language, &statuses),
        })
        .collect()
}

fn newest(language: Language, statuses: &[PackStatus]) -> Result<String, Failure> {
    let is_here = |runtime: &str| statuses.iter().any(|status| status.runtime == runtime);
    let newest = language.runtimes().iter().find(|runtime| is_here(runtime));
    newest.map(|runtime| (*runtime).to_owned()).ok_or_else(|| {
        Failure::usage(format!("no {} on this machine that a function could run on", language.name()))
            .or_hint(format!("install one of {}, or name a runtime in tindra.toml", language.runtimes().join(", ")))
    })
}
