//! `tindra runtime list` and `tindra runtime install`: the packs of this machine, without a server.

use std::path::Path;
use std::sync::Arc;

use tindra_core::runtime::Runtime;
use tindra_worker::packs::Packs;

pub use tindra_worker::packs::{HostInterpreter, Pack, PackError, PackStatus, Progress, Silent};

use crate::config::Config;

/// Every runtime that has a pack, or an interpreter that one could be made from. Blocks.
///
/// # Errors
/// When the directory of packs cannot be opened.
pub fn list(config: &Config) -> Result<Vec<PackStatus>, PackError> {
    Ok(Packs::open(config.runtimes.clone())?.list())
}

/// Makes the pack of a runtime: from `interpreter`, or from the best one found on this machine.
///
/// # Errors
/// When no interpreter fits, or the making fails; the text says what to do.
pub async fn install(
    config: &Config,
    runtime: &str,
    interpreter: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Arc<Pack>, PackError> {
    let packs = Packs::open(config.runtimes.clone())?;
    let runtime = Runtime::parse(runtime);
    match interpreter {
        Some(interpreter) => packs.install_from_host(&runtime, interpreter, progress).await,
        None => packs.ensure(&runtime, progress).await,
    }
}
