//! A service model as botocore ships it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// A model with where it comes from.
pub(super) struct Source {
    pub(super) model: Value,
    /// Of the unpacked model.
    pub(super) sha256: String,
    pub(super) botocore_version: String,
}

impl Source {
    /// Reads a model from a folder in which botocore is installed, or from the package's own folder.
    pub(super) fn read(botocore: &Path, model: &str) -> Result<Self> {
        let nested = botocore.join("botocore");
        let package = if nested.is_dir() { nested } else { botocore.to_owned() };
        let bytes = unpacked(&package.join("data").join(model))?;
        let model = serde_json::from_slice(&bytes).with_context(|| format!("failed to parse the model of {model}"))?;
        Ok(Self { model, sha256: format!("{:x}", Sha256::digest(&bytes)), botocore_version: version(&package)? })
    }

    pub(super) fn shape(&self, name: &str) -> &Value {
        &self.model["shapes"][name]
    }

    pub(super) fn operation(&self, name: &str) -> Result<&Value> {
        self.model["operations"].get(name).with_context(|| format!("the model has no operation {name}"))
    }

    /// Adds a shape and everything that it refers to.
    pub(super) fn collect(&self, name: Option<&str>, found: &mut BTreeSet<String>) {
        let Some(name) = name else { return };
        if !found.insert(name.to_owned()) {
            return;
        }
        let shape = self.shape(name);
        for member in shape["members"].as_object().into_iter().flat_map(Map::values) {
            self.collect(member["shape"].as_str(), found);
        }
        for key in ["member", "key", "value"] {
            self.collect(shape[key]["shape"].as_str(), found);
        }
    }
}

fn unpacked(folder: &Path) -> Result<Vec<u8>> {
    let plain = folder.join("service-2.json");
    if plain.exists() {
        return fs::read(&plain).with_context(|| format!("failed to read {}", plain.display()));
    }
    let packed = folder.join("service-2.json.gz");
    let file = fs::File::open(&packed).with_context(|| format!("failed to open {}", packed.display()))?;
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).with_context(|| format!("failed to unpack {}", packed.display()))?;
    Ok(bytes)
}

/// `__version__ = '1.2.3'` in the package's `__init__.py`.
fn version(package: &Path) -> Result<String> {
    let path = package.join("__init__.py");
    let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "));
    Ok(line.with_context(|| format!("{} names no version", path.display()))?.trim_matches(['\'', '"']).to_owned())
}
