//! Puts the peers into `.cache`, at the versions that the files beside it name, unless they are there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::directory;

/// Which registry's client brings a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Npm,
    Pip,
}

/// Where installed things are.
pub(super) fn cache() -> PathBuf {
    directory().join(".cache")
}

/// Installs the peers of one source and returns where they are.
pub(super) fn install(source: Source) -> Result<PathBuf> {
    let cache = cache();
    std::fs::create_dir_all(&cache).with_context(|| format!("failed to make {}", cache.display()))?;
    copy_functions(&cache)?;
    let (lock, stamp) = match source {
        Source::Npm => ("package-lock.json", cache.join("installed.package-lock.json")),
        Source::Pip => ("requirements.txt", cache.join("installed.requirements.txt")),
    };
    let lock = directory().join(lock);
    let wanted = std::fs::read(&lock).with_context(|| format!("failed to read {}", lock.display()))?;
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(cache);
    }
    match source {
        Source::Npm => npm(&cache)?,
        Source::Pip => pip(&cache)?,
    }
    std::fs::write(&stamp, wanted).with_context(|| format!("failed to write {}", stamp.display()))?;
    Ok(cache)
}

/// The version of a peer, as `package.json` or `requirements.txt` has it.
pub(super) fn version(package: &str) -> &'static str {
    let pins = [include_str!("../../peers/package.json"), include_str!("../../peers/requirements.txt")];
    let mut words = pins.iter().flat_map(|text| text.split(['"', '=', '\n', ' ', ':'])).filter(|word| !word.is_empty());
    words.find(|word| *word == package).and_then(|_| words.next()).unwrap_or_default()
}

/// Some peers write beside the functions, and look for their modules in directories above.
fn copy_functions(cache: &Path) -> Result<()> {
    let (from, to) = (directory().join("hello"), cache.join("hello"));
    std::fs::create_dir_all(&to).with_context(|| format!("failed to make {}", to.display()))?;
    for entry in std::fs::read_dir(&from).with_context(|| format!("failed to read {}", from.display()))? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn npm(cache: &Path) -> Result<()> {
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(directory().join(file), cache.join(file)).with_context(|| format!("failed to copy {file}"))?;
    }
    let mut npm = Command::new("npm");
    // Nothing of the packages is run at installation; what is measured comes ready inside them.
    finish(npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]).current_dir(cache))
}

fn pip(cache: &Path) -> Result<()> {
    let home = cache.join("python");
    finish(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let mut pip = Command::new(home.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(directory().join("requirements.txt"));
    finish(&mut pip)
}

fn finish(command: &mut Command) -> Result<()> {
    eprintln!("installing: {command:?}");
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("failed to run {:?}", command.get_program()))?;
    ensure!(status.success(), "{:?} ended with {status}", command.get_program());
    Ok(())
}
