//! The hello function on AWS's own Rust runtime crate, built with the cargo that is there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// The package of the function.
pub(crate) fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/rust-hello")
}

/// Where its builds go.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/.cache/rust-hello")
}

/// Builds it, once, and returns the program, which is called `bootstrap`.
pub(crate) fn build() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| run_cargo().map_err(|error| format!("{error:#}"))).clone().map_err(anyhow::Error::msg)
}

fn run_cargo() -> Result<PathBuf> {
    eprintln!("building {}", package().display());
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet"]).arg("--target-dir").arg(target());
    let status = cargo.current_dir(package()).stdout(Stdio::null()).status().context("failed to run cargo")?;
    ensure!(status.success(), "cargo could not build {}", package().display());
    Ok(target().join("release/bootstrap"))
}
