//! Chores of the repository: `tidy` checks its rules, `generate` makes what is derived.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod generate;
mod tidy;

use std::path::{Path, PathBuf};

const USAGE: &str = "usage: cargo xtask tidy
       cargo xtask generate [--check] BOTOCORE

BOTOCORE is a folder with botocore in it, for example made by
`pip install --target BOTOCORE --no-deps botocore==VERSION`; the version in use is in the heads of crates/model/data.
With --check nothing is written, and a difference is an error.";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["tidy"] => tidy::run(&root()),
        ["generate", "--check", botocore] => generate::run(&root(), Path::new(botocore), true),
        ["generate", botocore] if !botocore.starts_with('-') => generate::run(&root(), Path::new(botocore), false),
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    };
    if let Err(error) = outcome {
        eprintln!("error: {error:#}");
        std::process::exit(1);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
