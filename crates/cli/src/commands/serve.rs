//! `tindra serve`: the server for good.

use anyhow::Context as _;
use tindra_server::{Config, ConfigError, Ground, Mode, Server, ServerError};

use crate::arguments::ServeArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{output, style};

pub(crate) fn run(arguments: ServeArguments) -> Result<ExitCode, Failure> {
    let config = Config::load(Mode::Serve, arguments.settings(), arguments.config.as_deref()).map_err(unusable)?;
    // The launcher is a child process, and processes are made before there are threads.
    let ground = tindra_server::launcher(&config).map_err(not_started)?;
    output::note(&layers(&ground));
    tindra_server::init_log(Mode::Serve);
    event_loop()?.block_on(async {
        let running = Server::start(config, ground).await.map_err(not_started)?;
        output::note(&format!("listening on {}", running.base_url()));
        running.wait().await.map_err(stopped)?;
        Ok(ExitCode::Success)
    })
}

/// A server that could not go on.
pub(crate) fn stopped(error: ServerError) -> Failure {
    Failure::new(error.into())
}

/// The event loop of a server.
pub(crate) fn event_loop() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    Ok(built.context("failed to start the event loop")?)
}

/// A configuration that cannot be used, with what to do.
pub(crate) fn unusable(error: ConfigError) -> Failure {
    let remedy = error.remedy().to_owned();
    Failure::new(error.into()).or_hint(remedy).code(ExitCode::Usage)
}

/// A server that does not start, with what to do.
pub(crate) fn not_started(error: ServerError) -> Failure {
    let remedy = error.remedy();
    let code = match error {
        ServerError::MissingLayers { .. } => ExitCode::Usage,
        _ => ExitCode::Failure,
    };
    Failure::new(error.into()).hint(remedy).code(code)
}

/// Which layers of the sandbox hold on this machine.
fn layers(ground: &Ground) -> String {
    let rows = ground.layers().iter().map(|layer| {
        vec![layer.name.to_owned(), if layer.holds { "yes" } else { "no" }.to_owned(), layer.detail.clone()]
    });
    let table = output::table(&["sandbox layer", "holds", "detail"], rows.collect());
    match ground.layers().iter().filter(|layer| !layer.holds).count() {
        0 => table,
        missing => format!("{table}\n{} {missing} of the sandbox's layers missing", style::warning("warning:")),
    }
}
