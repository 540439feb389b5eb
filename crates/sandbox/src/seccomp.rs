//! The system call filter: an allowlist for the native architecture, compiled once in the launcher.
//!
//! What is not named is refused with EPERM, what is newer than this table with ENOSYS, so that libraries fall
//! back; another architecture's calls kill the process. `table.rs` holds the names and reasons, `program.rs`
//! turns them into instructions.

mod program;
mod table;

use std::io;

use crate::system;

/// A compiled filter.
#[derive(Clone)]
pub(crate) struct Filter {
    program: Vec<libc::sock_filter>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Filter({} instructions)", self.program.len())
    }
}

/// Compiles the table.
pub(crate) fn compile() -> io::Result<Filter> {
    let program = program::compile(&table::rules(), table::allowed())?;
    Ok(Filter { program })
}

impl Filter {
    /// Installs it on this process and everything that it starts. Needs no_new_privs.
    pub(crate) fn install(&self) -> io::Result<()> {
        system::install_filter(&self.program)
    }
}

#[cfg(test)]
mod tests;
