//! Brings every shared library that the programs of a pack load, found as the host's loader would.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::tree::Tree;
use super::{PackError, elf};

/// Where libraries are inside, whatever their host directory; `/lib64`, `/lib/…` and the rest lead here.
pub(super) const DIRECTORY: &str = "/usr/lib64";

/// The libraries of one tree.
#[derive(Debug)]
pub(super) struct Libraries<'a> {
    tree: &'a Tree,
    search: Vec<PathBuf>,
    done: HashSet<String>,
}

impl<'a> Libraries<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self { tree, search: host_directories(), done: HashSet::new() }
    }

    /// Brings what a program or library of the host needs, with the loader and all that those need.
    pub(super) fn add_needs_of(&mut self, file: &Path) -> Result<(), PackError> {
        let mut pending = vec![file.to_owned()];
        while let Some(file) = pending.pop() {
            let Some(needs) = elf::read(&file) else { continue };
            if let Some(interpreter) = needs.interpreter {
                self.bring_loader(&interpreter)?;
            }
            for library in needs.libraries {
                if self.done.contains(&library) {
                    continue;
                }
                // A library that the host lacks too is one of an extension that cannot be loaded anyway.
                let Some(path) = self.resolve(&library, &needs.search, &file) else { continue };
                self.tree.copy_file(&path, &format!("{DIRECTORY}/{library}"))?;
                self.done.insert(library);
                pending.push(path);
            }
        }
        Ok(())
    }

    /// Brings a library by name when the host has it.
    pub(super) fn add_if_there(&mut self, library: &str) -> Result<(), PackError> {
        let Some(path) = self.resolve(library, &[], Path::new("/none")) else { return Ok(()) };
        if self.done.insert(library.to_owned()) {
            self.tree.copy_file(&path, &format!("{DIRECTORY}/{library}"))?;
        }
        self.add_needs_of(&path)
    }

    /// The host's directories of shared libraries, for what lies beside them (gconv).
    pub(super) fn directories(&self) -> &[PathBuf] {
        &self.search
    }

    /// The loader goes where programs name it, and to where a library of that name is looked for.
    fn bring_loader(&mut self, interpreter: &Path) -> Result<(), PackError> {
        let Some(name) = interpreter.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        if self.done.insert(name.to_owned()) {
            self.tree.copy_file(interpreter, &format!("{DIRECTORY}/{name}"))?;
        }
        let inside = self.tree.outside(&interpreter.to_string_lossy());
        if inside.exists() { Ok(()) } else { self.tree.copy_file(interpreter, &interpreter.to_string_lossy()) }
    }

    fn resolve(&self, library: &str, search: &[String], asking: &Path) -> Option<PathBuf> {
        if library.contains('/') {
            return Some(PathBuf::from(library)).filter(|path| path.is_file());
        }
        let origin = asking.parent()?.to_string_lossy().into_owned();
        let own = search
            .iter()
            .map(|directory| PathBuf::from(directory.replace("$ORIGIN", &origin).replace("${ORIGIN}", &origin)));
        own.chain(self.search.iter().cloned()).map(|directory| directory.join(library)).find(|path| path.is_file())
    }
}

/// `/etc/ld.so.conf` with its includes, then the loader's defaults.
fn host_directories() -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let mut files = vec![PathBuf::from("/etc/ld.so.conf")];
    files.extend(fs::read_dir("/etc/ld.so.conf.d").into_iter().flatten().flatten().map(|entry| entry.path()));
    for file in files {
        let text = fs::read_to_string(file).unwrap_or_default();
        directories.extend(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(PathBuf::from));
    }
    let machine = if cfg!(target_arch = "aarch64") { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" };
    for directory in ["/lib", "/usr/lib"] {
        directories.push(Path::new(directory).join(machine));
    }
    directories.extend(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from));
    let mut seen = HashSet::new();
    directories.retain(|directory| directory.is_dir() && seen.insert(directory.clone()));
    directories
}
