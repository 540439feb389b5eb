//! `tindra.toml`: functions described by hand. Everything that is left out is taken from the files, as without it.
//!
//! ```toml
//! [functions.greeter]
//! path = "greeter"                  # folder or zip, beside this file; default: the folder of that name, else this one
//! runtime = "python3.12"            # default: the newest on this machine
//! handler = "app.handler"
//! role = "arn:aws:iam::000000000000:role/lambda"
//! memory_mb = 256
//! timeout_s = 10
//! ephemeral_storage_mb = 1024
//! environment = { STAGE = "dev" }
//! event = "event.json"              # or a table
//! ignore = ["*.md", "docs/**"]
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use super::{Event, Function, RuntimeChoice, entry};
use crate::failure::Failure;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    #[serde(default)]
    functions: BTreeMap<String, Described>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    path: Option<PathBuf>,
    runtime: Option<String>,
    handler: Option<String>,
    role: Option<String>,
    memory_mb: Option<u32>,
    timeout_s: Option<u32>,
    ephemeral_storage_mb: Option<u32>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    event: Option<DescribedEvent>,
    #[serde(default)]
    ignore: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum DescribedEvent {
    File(PathBuf),
    Inline(toml::Value),
}

/// The functions of a manifest, by name.
pub(super) fn read(path: &Path) -> Result<Vec<Function>, Failure> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).with_context(|| format!("failed to understand {}", path.display()))?;
    if manifest.functions.is_empty() {
        return Err(Failure::usage(format!("no function in {}", path.display()))
            .or_hint("add a table such as [functions.hello] with path = \"hello\""));
    }
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    manifest.functions.into_iter().map(|(name, described)| function(directory, name, described)).collect()
}

fn function(directory: &Path, name: String, described: Described) -> Result<Function, Failure> {
    let named = directory.join(&name);
    let path = match described.path {
        Some(path) => directory.join(path),
        None if named.is_dir() => named,
        None => directory.to_owned(),
    };
    let path = path.canonicalize().with_context(|| format!("failed to find the code of {name}: {}", path.display()))?;
    let entry = entry::entry_of(&path);
    let unsaid = |what: &str| {
        Failure::usage(format!("{name} has no {what}, and {} does not tell", path.display()))
            .or_hint(format!("add {what} = \"…\" to [functions.{name}]"))
    };
    let runtime = match (described.runtime, entry) {
        (Some(runtime), _) => RuntimeChoice::Exactly(runtime),
        (None, Some(entry)) => entry.runtime(),
        (None, None) => return Err(unsaid("runtime")),
    };
    let handler = match (described.handler, entry) {
        (Some(handler), _) => handler,
        (None, Some(entry)) => entry.handler().to_owned(),
        (None, None) if matches!(&runtime, RuntimeChoice::Exactly(name) if name.starts_with("provided")) => {
            "bootstrap".to_owned()
        }
        (None, None) => return Err(unsaid("handler")),
    };
    let event = match described.event {
        Some(DescribedEvent::File(file)) => Event::File(directory.join(file)),
        Some(DescribedEvent::Inline(value)) => {
            Event::Inline(serde_json::to_value(value).with_context(|| format!("failed to use the event of {name}"))?)
        }
        None => entry::event_of(&path),
    };
    Ok(Function {
        runtime,
        handler,
        event,
        path,
        role: described.role,
        memory_mb: described.memory_mb,
        timeout_s: described.timeout_s,
        ephemeral_storage_mb: described.ephemeral_storage_mb,
        environment: described.environment,
        ignore: described.ignore,
        name,
    })
}
