//! Chores of the repository: `tidy` checks its rules, `generate` makes what is derived.
#![expect(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "a command-line program")]

mod generate;
mod tidy;

use std::path::{Path, PathBuf};

const USAGE: &str = "usage: cargo xtask tidy
       cargo xtask generate BOTOCORE_DATA_DIRECTORY [--check]

BOTOCORE_DATA_DIRECTORY is the folder `botocore/data` of an installed botocore, whose service models are unpacked
(`gunzip --keep lambda/2015-03-31/service-2.json.gz logs/2014-03-28/service-2.json.gz`).";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["tidy"] => tidy::run(&root()),
        ["generate", data] => generate::run(&root(), Path::new(data), false),
        ["generate", data, "--check"] => generate::run(&root(), Path::new(data), true),
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
