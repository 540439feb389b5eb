//! Where `tindra dev` keeps things: runtimes for the next time, everything else only while it runs.
//!
//! A few fixed places are used in turn instead of fresh temporary ones, so that what a killed run left (control
//! groups, scratch files) is swept up by the next run in the same place.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tindra_server::tls::development::Development;
use tindra_server::{Config, DataDirectoryError, Ground, Mode, ServerError, Settings};

use super::super::serve::{not_started, unusable};
use crate::arguments::DevArguments;
use crate::failure::Failure;
use crate::output;

/// Runs side by side on one machine.
const PLACES_MAX: usize = 16;

/// What a run stands on.
pub(super) struct Claimed {
    pub(super) config: Config,
    pub(super) ground: Ground,
    /// With `--tls`, unless the configuration names a certificate.
    pub(super) certificate: Option<Development>,
}

/// The configuration, the first free place, and a certificate for it. To be called before the process has a thread.
pub(super) fn claim(arguments: &DevArguments) -> Result<Claimed, Failure> {
    let flags = Settings {
        listen: arguments.listen.clone(),
        runtimes: arguments.runtimes.clone(),
        clock: arguments.clock.map(Into::into),
        ..Settings::default()
    };
    let mut config = Config::load(Mode::Dev, flags, arguments.config.as_deref()).map_err(unusable)?;
    take_free_port_when_default_is_taken(&mut config);
    let places = config.data.join("dev");
    for number in 1..=PLACES_MAX {
        config.data = places.join(number.to_string());
        match tindra_server::launcher(&config) {
            Ok(ground) => {
                let certificate = if arguments.tls { certificate(&mut config, &places)? } else { None };
                return Ok(Claimed { config, ground, certificate });
            }
            Err(ServerError::DataDirectory(DataDirectoryError::InUse { .. })) => {}
            Err(error) => return Err(not_started(error)),
        }
    }
    Err(Failure::usage(format!("all {PLACES_MAX} places below {} are in use", places.display()))
        .or_hint("end a `tindra dev` that is still running"))
}

/// Makes a certificate for this place; the authority is one for all places.
fn certificate(config: &mut Config, places: &Path) -> Result<Option<Development>, Failure> {
    if config.tls.is_some() {
        return Ok(None);
    }
    let development = Development {
        authority: places.join("ca"),
        directory: config.data.join("tls"),
        region: config.region.clone(),
        listen: config.listen,
    };
    let files = development.make().context("failed to prepare --tls")?;
    config.tls = Some(files);
    Ok(Some(development))
}

/// Somebody who did not ask for a port gets one that works.
fn take_free_port_when_default_is_taken(config: &mut Config) {
    let is_default = config.listen.to_string() == tindra_server::config::LISTEN_DEFAULT;
    if is_default && TcpListener::bind(config.listen).is_err() {
        output::note(&format!("{} is taken; a free port will do", config.listen));
        config.listen.set_port(0);
    }
}

/// What a run keeps while it runs.
#[derive(Debug)]
pub(super) struct State {
    directories: [PathBuf; 2],
}

impl State {
    /// Empties the place of what a killed run left.
    pub(super) fn empty(config: &Config) -> Result<Self, Failure> {
        let state = Self { directories: [config.store_directory(), config.code_cache_directory()] };
        for directory in &state.directories {
            match std::fs::remove_dir_all(directory) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("failed to empty {}", directory.display()))?;
                }
                _ => {}
            }
        }
        Ok(state)
    }

    /// Removes it at the end.
    pub(super) fn remove(self) {
        for directory in &self.directories {
            // What stays is emptied by the next run in this place.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}
