//! Puts the peers into `.cache`, at the versions that the files beside it name, unless they are there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use super::directory;

/// Which registry's client brings a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Npm,
    Pip,
}

/// Installs the peers of one source, once, and returns where they are.
pub(super) fn install(source: Source) -> Result<PathBuf> {
    static NPM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    static PIP: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let once = match source {
        Source::Npm => &NPM,
        Source::Pip => &PIP,
    };
    once.get_or_init(|| bring(source).map_err(|error| format!("{error:#}"))).clone().map_err(anyhow::Error::msg)
}

fn bring(source: Source) -> Result<PathBuf> {
    let cache = directory().join(".cache");
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
    // Nothing of the packages is run at installation; what is measured comes ready inside them. Not `npm ci`: it refuses a
    // lock file that lacks the programs of other machines.
    finish(
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]).current_dir(cache),
    )
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
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("failed to run {:?}", command.get_program()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{:?} ended with {}: {said}", command.get_program(), output.status);
    Ok(())
}
