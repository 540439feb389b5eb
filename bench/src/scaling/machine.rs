//! What the machine and one process of it hold now.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Of `/proc/meminfo`, in MB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) available: f64,
    /// Of processes, the kernel's own, and what it holds for page tables and stacks: where the rest has gone.
    anonymous: f64,
    slab: f64,
    stacks: f64,
    page_tables: f64,
    per_processor: f64,
}

impl Memory {
    pub(super) fn read() -> Result<Self> {
        let text = fs::read_to_string("/proc/meminfo")?;
        let field = |name: &str| field_mb(&text, name);
        Ok(Self {
            available: field("MemAvailable:")?,
            anonymous: field("AnonPages:")?,
            slab: field("Slab:")?,
            stacks: field("KernelStack:")?,
            page_tables: field("PageTables:")?,
            per_processor: field("Percpu:")?,
        })
    }

    /// What each of `count` new things took since `before`, by kind, in KB.
    pub(super) fn kinds_since(&self, before: &Self, count: f64) -> String {
        let each = |now: f64, before: f64| (now - before) * 1_024.0 / count;
        format!(
            "processes {:.0}, slab {:.0}, page tables {:.0}, stacks {:.0}, per processor {:.0} KB",
            each(self.anonymous, before.anonymous),
            each(self.slab, before.slab),
            each(self.page_tables, before.page_tables),
            each(self.stacks, before.stacks),
            each(self.per_processor, before.per_processor),
        )
    }
}

/// Open descriptors of a process.
pub(super) fn descriptors(process: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}

/// Resident memory of a process in MB.
pub(super) fn resident_mb(process: u32) -> Result<f64> {
    field_mb(&fs::read_to_string(format!("/proc/{process}/status"))?, "VmRSS:")
}

/// The child of the server that starts sandboxes.
pub(super) fn launcher_of(server: u32) -> Result<u32> {
    let tasks = Path::new("/proc").join(server.to_string()).join("task");
    for task in fs::read_dir(tasks)?.flatten() {
        let children = fs::read_to_string(task.path().join("children"))?;
        if let Some(first) = children.split_whitespace().next() {
            return Ok(first.parse()?);
        }
    }
    anyhow::bail!("the server has no child")
}

fn field_mb(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    let kib: f64 = line.split_whitespace().next().context("a number")?.parse()?;
    Ok(kib / 1_024.0)
}
