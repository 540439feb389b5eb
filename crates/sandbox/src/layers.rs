//! The table that the server prints at its start: which layer of the sandbox holds on this machine.

use serde::{Deserialize, Serialize};

use crate::cgroup::Hierarchies;
use crate::{landlock_rules, network, storage};

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// How it is done, or what is lost and what would bring it back.
    pub detail: String,
}

fn layer(name: &str, holds: bool, held: &str, lost: impl Into<String>) -> Layer {
    let detail = if holds { held.to_owned() } else { lost.into() };
    Layer { name: name.to_owned(), holds, detail }
}

/// Tries everything once. Runs in the launcher, after it has its own mount namespace.
pub(crate) fn probe(is_root: bool, hierarchies: &Hierarchies, kind: &storage::Kind) -> Vec<Layer> {
    let groups = match hierarchies {
        Hierarchies::V1(_) => layer("cgroup limits", true, "v1: memory, processes, CPU, freezer", ""),
        Hierarchies::V2(_) => layer("cgroup limits", true, "v2: memory, processes, CPU, freezer", ""),
        Hierarchies::Missing(reason) => layer(
            "cgroup limits",
            false,
            "",
            format!("memory, CPU and processes are not limited, idle functions are not frozen: {reason}"),
        ),
    };
    let temporary = match kind {
        storage::Kind::Image(_) => layer("/tmp on disk", true, "ext4 image with hard limits on bytes and files", ""),
        storage::Kind::Memory(reason) => layer(
            "/tmp on disk",
            false,
            "",
            format!("tmpfs, limited, but its pages count as function memory: {reason}"),
        ),
    };
    let egress = probe_egress();
    vec![
        layer("namespaces", true, "user namespace, mount, pid, network, ipc, uts, cgroup", ""),
        layer(
            "own host uid",
            is_root,
            "unique for each environment, never 0",
            "every environment runs as the server's own user; start as root for one each",
        ),
        layer("no privileges", true, "no capabilities, no_new_privs, locked securebits", ""),
        layer("seccomp", true, "allowlist of system calls, native architecture only", ""),
        layer(
            "landlock",
            landlock_rules::is_supported(),
            "writes below /tmp and /dev only",
            "this kernel has no Landlock; the mounts still say the same",
        ),
        groups,
        temporary,
        layer(
            "network",
            egress.is_ok(),
            "own namespace; egress relayed under policy",
            format!("own namespace, but nothing outside can be reached: {}", egress.err().unwrap_or_default()),
        ),
    ]
}

fn probe_egress() -> Result<(), String> {
    let made = network::Network::make().map_err(|failure| format!("failed to {}: {}", failure.step, failure.cause))?;
    if made.egress.is_some() { Ok(()) } else { Err("nf_tables with TPROXY is missing in this kernel".to_owned()) }
}
