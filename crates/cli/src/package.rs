//! Zips a function's folder: the same files give the same bytes, so that an unchanged function is recognised.

mod ignore;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use ignore::Ignore;

/// A zip sent in a request (AWS).
const ZIP_BYTES_MAX: usize = tindra_core::limits::ZIP_BYTES_MAX;
/// Folders within folders; deeper ones are a loop of links.
const DEPTH_MAX: usize = 64;

/// What a path in the package is.
#[derive(Debug)]
enum Entry {
    File(PathBuf),
    Link(String),
}

/// The bytes to deploy from a folder, or of a zip that is there already.
///
/// # Errors
/// When something cannot be read, nothing is left to deploy, or the package is too large.
pub(crate) fn make(path: &Path, ignore: &[String]) -> Result<Vec<u8>> {
    let zip = if path.is_dir() {
        zip_folder(path, &Ignore::new(ignore))?
    } else {
        fs::read(path).with_context(|| format!("failed to read {}", path.display()))?
    };
    if zip.len() > ZIP_BYTES_MAX {
        bail!(
            "failed to package {}: {} bytes zipped, and {ZIP_BYTES_MAX} is the most; leave files out with ignore = […] in {}",
            path.display(),
            zip.len(),
            crate::project::MANIFEST,
        );
    }
    Ok(zip)
}

fn zip_folder(root: &Path, ignore: &Ignore) -> Result<Vec<u8>> {
    // Sorted by name in the package: directories are listed in any order.
    let mut entries = BTreeMap::new();
    collect(root, root, "", ignore, 0, &mut entries)?;
    if entries.is_empty() {
        bail!("failed to package {}: there is no file in it", root.display());
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, entry) in entries {
        add(&mut writer, &name, &entry).with_context(|| format!("failed to package {name}"))?;
    }
    Ok(writer.finish().context("failed to finish the package")?.into_inner())
}

fn add(writer: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, entry: &Entry) -> Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    match entry {
        Entry::Link(target) => writer.add_symlink(name, target, options)?,
        Entry::File(path) => {
            let is_executable = fs::metadata(path)?.permissions().mode() & 0o111 != 0;
            writer.start_file(name, options.unix_permissions(if is_executable { 0o755 } else { 0o644 }))?;
            writer.write_all(&fs::read(path)?)?;
        }
    }
    Ok(())
}

/// Gathers what is below `folder`, whose name in the package is `prefix`.
fn collect(
    root: &Path,
    folder: &Path,
    prefix: &str,
    ignore: &Ignore,
    depth: usize,
    entries: &mut BTreeMap<String, Entry>,
) -> Result<()> {
    if depth > DEPTH_MAX {
        bail!("failed to package {}: folders are nested too deeply", folder.display());
    }
    let context = || format!("failed to look into {}", folder.display());
    for found in fs::read_dir(folder).with_context(context)? {
        let path = found.with_context(context)?.path();
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
            bail!("failed to package {}: its name is not UTF-8", path.display());
        };
        let name = if prefix.is_empty() { file_name.to_owned() } else { format!("{prefix}/{file_name}") };
        if ignore.ignores(&name) {
            continue;
        }
        if let Some(target) = inner_link(root, &path) {
            entries.insert(name, Entry::Link(target));
            continue;
        }
        let metadata = fs::metadata(&path).with_context(|| format!("failed to read {}", path.display()))?;
        if metadata.is_dir() {
            collect(root, &path, &name, ignore, depth + 1, entries)?;
        } else if metadata.is_file() {
            entries.insert(name, Entry::File(path));
        }
    }
    Ok(())
}

/// The target of a relative symbolic link that stays inside the package. Other links are replaced by what they
/// lead to.
fn inner_link(root: &Path, path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    let is_relative = target.components().all(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let inside = path.canonicalize().ok()?.starts_with(root);
    // A link that leaves the package and comes back works here and not there.
    let up = target.components().filter(|part| matches!(part, Component::ParentDir)).count();
    let depth = path.strip_prefix(root).ok()?.components().count().checked_sub(1)?;
    (is_relative && inside && up <= depth).then(|| target.to_str().map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests;
