//! Reads from an ELF file what it needs to be loaded: interpreter, libraries, search paths.
//!
//! 64-bit little-endian only, which both supported architectures are (System V ABI, chapter 5).

use std::fs;
use std::path::{Path, PathBuf};

/// What the dynamic section of a file asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// `PT_INTERP`: the dynamic loader.
    pub(super) interpreter: Option<PathBuf>,
    /// `DT_NEEDED`, in order.
    pub(super) libraries: Vec<String>,
    /// `DT_RPATH` and `DT_RUNPATH`, split, with `$ORIGIN` still in it.
    pub(super) search: Vec<String>,
}

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// What a file needs; `None` when it is no ELF file of this kind.
pub(super) fn read(path: &Path) -> Option<Needs> {
    let bytes = fs::read(path).ok()?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Option<Needs> {
    // Magic, 64 bit, little endian.
    if bytes.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let headers_at = usize::try_from(u64_at(bytes, 32)?).ok()?;
    let header_bytes = usize::from(u16_at(bytes, 54)?);
    let header_count = usize::from(u16_at(bytes, 56)?);
    let mut loads = Vec::new();
    let mut needs = Needs::default();
    let mut dynamic = None;
    for index in 0..header_count {
        let at = headers_at.checked_add(index.checked_mul(header_bytes)?)?;
        let offset = u64_at(bytes, at + 8)?;
        let address = u64_at(bytes, at + 16)?;
        let size = u64_at(bytes, at + 32)?;
        match u32_at(bytes, at)? {
            LOAD => loads.push((address, offset, size)),
            DYNAMIC => dynamic = Some((offset, size)),
            INTERP => needs.interpreter = text_at(bytes, offset).map(PathBuf::from),
            _ => {}
        }
    }
    let Some((offset, size)) = dynamic else { return Some(needs) };
    let start = usize::try_from(offset).ok()?;
    let table = bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)?;
    let entries: Vec<(u64, u64)> =
        table.chunks_exact(16).filter_map(|entry| Some((u64_at(entry, 0)?, u64_at(entry, 8)?))).collect();
    let strings_address = entries.iter().find(|entry| entry.0 == DT_STRTAB)?.1;
    let strings = loads
        .iter()
        .find(|load| (load.0..load.0.saturating_add(load.2)).contains(&strings_address))
        .map(|load| strings_address - load.0 + load.1)?;
    for (tag, value) in entries.into_iter().take_while(|entry| entry.0 != 0) {
        let Some(text) = strings.checked_add(value).and_then(|at| text_at(bytes, at)) else { continue };
        match tag {
            DT_NEEDED => needs.libraries.push(text),
            DT_RPATH | DT_RUNPATH => needs.search.extend(text.split(':').map(str::to_owned)),
            _ => {}
        }
    }
    Some(needs)
}

fn text_at(bytes: &[u8], at: u64) -> Option<String> {
    let rest = bytes.get(usize::try_from(at).ok()?..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_needs_libc_and_a_loader() {
        let needs = read(&std::env::current_exe().expect("a path")).expect("an ELF file");
        assert!(needs.interpreter.is_some(), "{needs:?}");
        assert!(needs.libraries.iter().any(|library| library.starts_with("libc.so")), "{needs:?}");
    }

    #[test]
    fn damaged_files_are_no_elf_and_no_panic() {
        let whole = fs::read(std::env::current_exe().expect("a path")).expect("readable");
        for length in (0..4096).step_by(7) {
            let _ = parse(&whole[..length.min(whole.len())]);
        }
        let mut damaged = whole[..4096].to_vec();
        for at in 16..damaged.len() {
            let before = damaged[at];
            damaged[at] = 0xff;
            let _ = parse(&damaged);
            damaged[at] = before;
        }
        assert_eq!(parse(b"#!/bin/sh\n"), None);
    }
}
