//! What a code package (a zip) may contain, decided once for the front door and for the unpacking.
//!
//! A zip comes from anyone who may deploy, so nothing in it is believed: sizes are counted while inflating,
//! paths are taken apart and put together again, and one pass over the central directory settles what is
//! there before a single byte is written. The rules:
//!
//! | in the zip | what happens |
//! |---|---|
//! | broken structure, wrong CRC, encrypted, method other than stored and deflate | refused |
//! | more than 262,144,000 bytes when really inflated, or more than 300,000 entries | refused |
//! | entries whose data overlap (the trick of dense zip bombs) | refused |
//! | `..`, an absolute path, a NUL, a component over 255 or a path over 4,095 bytes | refused |
//! | device, FIFO, socket | refused |
//! | a file where another entry needs a directory, an entry below a symbolic link | refused |
//! | the same file twice | the last one counts, as with `unzip -o` |
//! | backslashes | separators when the zip was made on DOS or Windows, ordinary characters when made on Unix |
//! | set-user-id, set-group-id, sticky, write bits, owners | dropped: a file is 0644 or, with any x bit, 0755 |
//! | hard links | zip has none; their extra field is ignored and the entry is a file of its own |
//! | symbolic link | kept when it stays inside the package or leads to `/var/task`, `/opt`, `/tmp`; else refused |
//!
//! Memory does not grow with what the zip unpacks to: it is bounded by the number and the names of entries.

mod content;
mod directory;
mod paths;

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::limits::UNZIPPED_BYTES_MAX;
use content::Content;
use directory::{Header, Kind};

/// Why a zip is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// It is not a zip that can be read to the end.
    #[error("the zip is broken: {reason}")]
    Broken {
        /// What is wrong, with the entry's name where there is one.
        reason: String,
    },
    /// It needs something of the zip format that Lambda packages do not use.
    #[error("the zip cannot be read: {reason}")]
    Unsupported {
        /// What it needs.
        reason: String,
    },
    /// Inflated, it has more than [`UNZIPPED_BYTES_MAX`] bytes.
    #[error("unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes")]
    TooLarge,
    /// It has more than [`crate::limits::ZIP_ENTRIES_MAX`] entries.
    #[error("the zip has more than {} entries", crate::limits::ZIP_ENTRIES_MAX)]
    TooManyEntries,
    /// An entry could touch what lies outside the package.
    #[error("the zip entry {path:?} is not allowed: {reason}")]
    Unsafe {
        /// The entry's name as the zip has it.
        path: String,
        /// Why.
        reason: &'static str,
    },
}

/// What a package holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files and symbolic links that would be made.
    pub files: usize,
    /// Bytes of all files, counted while inflating.
    pub unzipped_bytes: u64,
}

/// Where the entries of a package go. Paths are relative, normalised and free of `..`; no entry lies below a
/// symbolic link, and symbolic links come last, so that nothing can be written through one.
pub trait Sink {
    /// A directory that the zip names; parents of files need not be named.
    fn directory(&mut self, path: &Path) -> io::Result<()>;
    /// A file with its bytes. An error from `content` is to be passed on.
    fn file(&mut self, path: &Path, executable: bool, content: &mut dyn Read) -> io::Result<()>;
    /// A symbolic link.
    fn symlink(&mut self, path: &Path, target: &Path) -> io::Result<()>;
}

/// Why a package was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The package's own fault.
    #[error(transparent)]
    Package(PackageError),
    /// The sink failed.
    #[error("failed to write {}", path.display())]
    Write {
        /// The path inside the package.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Reads a whole zip as if to unpack it and tells what it holds.
///
/// It inflates every byte; call it where blocking for up to a second is fine.
///
/// # Errors
/// The first rule of the module's table that the zip breaks.
pub fn inspect(zip: &[u8]) -> Result<Summary, PackageError> {
    match unpack(zip, &mut Nowhere) {
        Ok(summary) => Ok(summary),
        Err(UnpackError::Package(error)) => Err(error),
        Err(UnpackError::Write { source, .. }) => Err(PackageError::Broken { reason: source.to_string() }),
    }
}

/// Reads a whole zip and hands its entries to a sink.
///
/// # Errors
/// As [`inspect`], and what the sink fails with. What the sink has made until then is for the caller to remove.
pub fn unpack(zip: &[u8], sink: &mut dyn Sink) -> Result<Summary, UnpackError> {
    let entries = settle(directory::read(zip).map_err(UnpackError::Package)?).map_err(UnpackError::Package)?;
    let mut summary = Summary::default();
    for entry in entries.iter().filter(|entry| entry.header.kind == Kind::Directory) {
        // A directory's data, if it claims to have any, is of no use.
        sink.directory(&entry.path).map_err(|source| write_error(entry, source))?;
    }
    for entry in &entries {
        if let Kind::File { executable } = entry.header.kind {
            let mut content = open(zip, entry, &summary)?;
            let written = sink.file(&entry.path, executable, &mut content);
            finish(entry, content, written, &mut summary)?;
        }
    }
    for entry in entries.iter().filter(|entry| entry.header.kind == Kind::Symlink) {
        let mut content = open(zip, entry, &summary)?;
        let mut target = Vec::new();
        let read = (&mut content).take(paths::PATH_BYTES_MAX + 1).read_to_end(&mut target).map(|_| ());
        finish(entry, content, read, &mut summary)?;
        let target = paths::link_target(&entry.path, &entry.header.name, target).map_err(UnpackError::Package)?;
        sink.symlink(&entry.path, &target).map_err(|source| write_error(entry, source))?;
    }
    Ok(summary)
}

struct Entry<'a> {
    path: PathBuf,
    header: Header<'a>,
}

/// Decides which entries there are: paths made safe, doubles resolved, clashes refused.
fn settle(headers: Vec<Header<'_>>) -> Result<Vec<Entry<'_>>, PackageError> {
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(headers.len());
    let mut by_path: HashMap<PathBuf, usize> = HashMap::with_capacity(headers.len());
    for header in headers {
        let Some(path) = paths::normalise(&header)? else { continue };
        match by_path.get(&path) {
            None => {
                by_path.insert(path.clone(), entries.len());
                entries.push(Entry { path, header });
            }
            Some(&index) => match (entries[index].header.kind, header.kind) {
                (Kind::Directory, Kind::Directory) => {}
                (Kind::File { .. }, Kind::File { .. }) => entries[index].header = header,
                _ => return Err(paths::refused(&header.name, "another entry of another kind has the same path")),
            },
        }
    }
    for entry in &entries {
        for ancestor in entry.path.ancestors().skip(1) {
            match by_path.get(ancestor).map(|&index| entries[index].header.kind) {
                None | Some(Kind::Directory) => {}
                Some(Kind::Symlink) => return Err(paths::refused(&entry.header.name, "it lies below a symbolic link")),
                Some(_) => return Err(paths::refused(&entry.header.name, "it lies below a file")),
            }
        }
    }
    Ok(entries)
}

fn open<'a>(zip: &'a [u8], entry: &Entry<'a>, summary: &Summary) -> Result<Content<'a>, UnpackError> {
    let budget_bytes = UNZIPPED_BYTES_MAX - summary.unzipped_bytes;
    Content::open(zip, &entry.header, budget_bytes).map_err(UnpackError::Package)
}

/// Ends an entry: the content's own failure explains the sink's, and content that the sink left is an error too.
fn finish(
    entry: &Entry<'_>,
    mut content: Content<'_>,
    written: io::Result<()>,
    summary: &mut Summary,
) -> Result<(), UnpackError> {
    if written.is_ok() {
        // Reads to the end, so that size and checksum are always verified.
        let _ = io::copy(&mut content, &mut io::sink());
    }
    if let Some(failure) = content.failure() {
        return Err(UnpackError::Package(failure));
    }
    written.map_err(|source| write_error(entry, source))?;
    summary.files += 1;
    summary.unzipped_bytes += content.bytes_read();
    Ok(())
}

fn write_error(entry: &Entry<'_>, source: io::Error) -> UnpackError {
    UnpackError::Write { path: entry.path.clone(), source }
}

/// The sink of [`inspect`].
struct Nowhere;

impl Sink for Nowhere {
    fn directory(&mut self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn file(&mut self, _path: &Path, _executable: bool, content: &mut dyn Read) -> io::Result<()> {
        io::copy(content, &mut io::sink()).map(|_| ())
    }

    fn symlink(&mut self, _path: &Path, _target: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
