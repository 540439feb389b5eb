//! Which program starts a function: the pack's own command, or the function's `bootstrap`.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tindra_core::runtime::Family;

use super::{Pack, java};

/// Why there is nothing to start; the function's fault (`Runtime.InvalidEntrypoint`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntrypointError {
    /// No `bootstrap` in the package or its layers.
    #[error("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")]
    Missing,
    /// There is one, without permission to execute it.
    #[error("fork/exec {path}: permission denied")]
    NotExecutable {
        /// Path inside the sandbox.
        path: &'static str,
    },
}

impl Pack {
    /// Program and arguments for a function whose code is unpacked at `task` (a layer tree at `opt`, when
    /// there is one, is looked at second, as on AWS). Reads the file system; blocks for microseconds.
    ///
    /// # Errors
    /// An OS-only runtime without a `bootstrap` that can be executed.
    pub fn command_for(&self, task: &Path, opt: Option<&Path>, memory_mb: u32) -> Result<Vec<String>, EntrypointError> {
        match self.family {
            Family::Provided => bootstrap(task, opt).map(|path| vec![path.to_owned()]),
            Family::Node => Ok(with_heap(&self.command, memory_mb)),
            Family::Java => Ok(java::with_heap(&self.command, memory_mb)),
            Family::Python | Family::Unsupported => Ok(self.command.clone()),
        }
    }
}

impl Pack {
    /// What a template runs, for runtimes that are forked.
    pub(crate) fn template_command(&self) -> Option<Vec<String>> {
        let program = self.command.first()?.clone();
        (self.family == Family::Python).then(|| vec![program, "/var/runtime/template.py".to_owned()])
    }

    /// What a spare runs, for runtimes that are started ahead with a limit of memory.
    pub(crate) fn spare_command(&self, memory_mb: u32) -> Option<Vec<String>> {
        match self.family {
            Family::Node => {
                let mut command = with_heap(&self.command, memory_mb);
                *command.last_mut()? = "/var/runtime/spare.mjs".to_owned();
                Some(command)
            }
            Family::Java => java::spare_command(&self.command, memory_mb),
            Family::Python | Family::Provided | Family::Unsupported => None,
        }
    }
}

fn bootstrap(task: &Path, opt: Option<&Path>) -> Result<&'static str, EntrypointError> {
    let mut not_executable = None;
    for (directory, path) in [(Some(task), "/var/task/bootstrap"), (opt, "/opt/bootstrap")] {
        let Some(directory) = directory else { continue };
        match is_executable(&directory.join("bootstrap")) {
            Ok(true) => return Ok(path),
            Ok(false) => {
                not_executable.get_or_insert(path);
            }
            Err(_missing) => {}
        }
    }
    Err(not_executable.map_or(EntrypointError::Missing, |path| EntrypointError::NotExecutable { path }))
}

/// Looks at the file itself. A symbolic link is taken at its word: it is resolved inside the sandbox, where
/// absolute targets mean something else than out here.
fn is_executable(path: &Path) -> io::Result<bool> {
    let metadata = path.symlink_metadata()?;
    Ok(metadata.is_symlink() || (metadata.is_file() && metadata.permissions().mode() & 0o111 != 0))
}

/// V8 takes its limits from the command line only, and cannot see the sandbox's memory limit. The shares are
/// those of AWS's own start script: nine tenths for the old space, a twentieth for the young one.
fn with_heap(command: &[String], memory_mb: u32) -> Vec<String> {
    let mut command = command.to_vec();
    let at = 1.min(command.len());
    command.insert(at, format!("--max-old-space-size={}", memory_mb * 9 / 10));
    command.insert(at, format!("--max-semi-space-size={}", (memory_mb / 20).max(1)));
    command
}
