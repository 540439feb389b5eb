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
    /// there is one, is looked at second, as on AWS). `wrapper` is what the function's [`WRAPPER_VARIABLE`] names. Reads
    /// the file system; blocks for microseconds.
    ///
    /// # Errors
    /// An OS-only runtime without a `bootstrap` that can be executed.
    pub fn command_for(
        &self,
        task: &Path,
        opt: Option<&Path>,
        memory_mb: u32,
        wrapper: Option<&str>,
    ) -> Result<Vec<String>, EntrypointError> {
        let command = match self.family {
            // The function's own affair: AWS offers no wrapper there.
            Family::Provided => return bootstrap(task, opt).map(|path| vec![path.to_owned()]),
            Family::Node => with_heap(&self.command, memory_mb),
            Family::Java => java::with_heap(&self.command, memory_mb),
            Family::Python | Family::Unsupported => self.command.clone(),
        };
        Ok(match wrapper.filter(|wrapper| !wrapper.is_empty()) {
            Some(wrapper) => with_wrapper(wrapper, command),
            None => command,
        })
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

/// Names a program that is executed with the runtime's command as its arguments (developer guide, "Wrapper scripts").
pub(crate) const WRAPPER_VARIABLE: &str = "AWS_LAMBDA_EXEC_WRAPPER";
/// As AWS's start scripts say it.
const WRAPPER_SCRIPT: &str = r#"if [ ! -f "$0" ]; then echo "$0: does not exist"; exit 127; fi
if [ ! -x "$0" ]; then echo "$0: is not an executable"; exit 126; fi
exec "$0" "$@""#;

fn with_wrapper(wrapper: &str, command: Vec<String>) -> Vec<String> {
    ["/bin/sh", "-c", WRAPPER_SCRIPT, wrapper].into_iter().map(str::to_owned).chain(command).collect()
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
