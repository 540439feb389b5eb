//! Makes `crates/model`'s derived files from the AWS service models: the constraint data that its interpreter
//! reads, and typed shapes for the operations that are served.

mod constraints;
mod operations;
mod rust_text;
mod shapes;
mod source;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use source::Source;

/// A file as it should be, by its path in the repository.
struct Derived {
    path: String,
    text: String,
}

/// Writes the derived files, or with `check` fails when they differ from what lies in the repository.
pub(crate) fn run(root: &Path, botocore: &Path, check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for file in derive(botocore)? {
        let target = root.join(&file.path);
        if fs::read_to_string(&target).is_ok_and(|present| present == file.text) {
            continue;
        }
        if check {
            stale.push(file.path);
            continue;
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        }
        fs::write(&target, file.text).with_context(|| format!("failed to write {}", target.display()))?;
        println!("wrote {}", file.path);
    }
    if !stale.is_empty() {
        bail!("not what the service models say: {}; run `cargo xtask generate BOTOCORE`", stale.join(", "));
    }
    Ok(())
}

fn derive(botocore: &Path) -> Result<Vec<Derived>> {
    let mut files = Vec::new();
    for service in &operations::SERVICES {
        let source = Source::read(botocore, service.model)?;
        files.push(Derived {
            path: format!("crates/model/data/{}.generated.json", service.name),
            text: constraints::text(&source, service.kept)?,
        });
        files.extend(shapes::files(&source, service)?);
    }
    Ok(files)
}
