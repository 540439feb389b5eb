//! What a server stands on: the claimed data directory and the launcher process.

use tindra_sandbox::{Launcher, LauncherOptions, Layer};

use crate::config::Config;
use crate::data_directory::{self, DataDirectory};
use crate::error::ServerError;
use crate::start::egress_policy;

/// The launcher process, with the data directory claimed for this server.
#[derive(Debug)]
pub struct Ground {
    pub(crate) launcher: Launcher,
    pub(crate) data: DataDirectory,
}

impl Ground {
    /// The layers of the sandbox, as a table for the operator.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        self.launcher.layers()
    }
}

/// Claims the data directory, sweeps up what a killed server left there, and starts the launcher process.
///
/// To be called before the process has any thread: before the tokio runtime exists.
///
/// # Errors
/// When another server uses the directory, when no sandbox can be made on this machine, or when layers are
/// missing and the address can be reached from other machines.
pub fn launcher(config: &Config) -> Result<Ground, ServerError> {
    let data = data_directory::claim(config)?;
    let options =
        LauncherOptions { state_directory: config.sandbox_directory(), reach: egress_policy(config)?.reach() };
    let launcher = Launcher::start(options).map_err(|source| ServerError::Launcher { source: source.into() })?;
    refuse_missing_layers(config, launcher.layers())?;
    Ok(Ground { launcher, data })
}

fn refuse_missing_layers(config: &Config, layers: &[Layer]) -> Result<(), ServerError> {
    if config.listen.ip().is_loopback() || config.allow_missing_layers {
        return Ok(());
    }
    let missing: Vec<&str> = layers.iter().filter(|layer| !layer.holds).map(|layer| layer.name.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ServerError::MissingLayers { address: config.listen, layers: missing.join(", ") })
}
