//! The system call filter: an allowlist for the native architecture, compiled once in the launcher.
//!
//! What is not named is refused with EPERM, what is newer than this table with ENOSYS, so that libraries fall
//! back; another architecture's calls kill the process. `table.rs` holds the names and reasons, `program.rs`
//! turns them into instructions.

mod program;
mod table;

use std::io;

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
    /// The instructions as the kernel reads them. Installing them needs no_new_privs.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let instruction = |filter: &libc::sock_filter| {
            let mut bytes = [0; size_of::<libc::sock_filter>()];
            bytes[..2].copy_from_slice(&filter.code.to_ne_bytes());
            bytes[2..4].copy_from_slice(&[filter.jt, filter.jf]);
            bytes[4..].copy_from_slice(&filter.k.to_ne_bytes());
            bytes
        };
        self.program.iter().flat_map(instruction).collect()
    }
}

#[cfg(test)]
mod tests;
