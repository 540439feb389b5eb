//! The table of protections, probed at start and shown to the operator.

use crate::error::SandboxError;
use crate::launcher::wire::{Reader, Truncated, Writer};

pub(crate) const IDENTITY: &str = "unique host uid";
pub(crate) const NAMESPACES: &str = "namespaces";
pub(crate) const READ_ONLY_ROOT: &str = "read-only root";
pub(crate) const CAPABILITIES: &str = "no capabilities";
pub(crate) const SECCOMP: &str = "seccomp";
pub(crate) const LANDLOCK: &str = "landlock";
pub(crate) const MEMORY: &str = "memory limit";
pub(crate) const PROCESSES: &str = "process limit";
pub(crate) const CPU: &str = "cpu limit";
pub(crate) const FREEZE: &str = "freeze and kill";
pub(crate) const NETWORK: &str = "network isolation";
pub(crate) const EGRESS: &str = "outgoing connections";
pub(crate) const STORAGE: &str = "private /tmp on disk";

/// Refuses a table that lacks what held before.
pub(crate) fn require(before: &[Layer], now: &[Layer]) -> Result<(), SandboxError> {
    let holds = |name: &str| now.iter().any(|layer| layer.name == name && layer.holds);
    match before.iter().find(|layer| layer.holds && !holds(&layer.name)) {
        None => Ok(()),
        Some(lost) => {
            let detail = now.iter().find(|layer| layer.name == lost.name).map_or("", |layer| layer.detail.as_str());
            Err(SandboxError::Weaker { layer: format!("{} ({detail})", lost.name) })
        }
    }
}

/// One protection, and whether it holds on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Short name, stable across versions.
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// How it is done, or what is lost and what to do about it.
    pub detail: String,
}

impl Layer {
    pub(crate) fn holds(name: &'static str, detail: impl Into<String>) -> Layer {
        Layer { name: name.to_owned(), holds: true, detail: detail.into() }
    }

    pub(crate) fn missing(name: &'static str, detail: impl Into<String>) -> Layer {
        Layer { name: name.to_owned(), holds: false, detail: detail.into() }
    }

    /// Writes a table of layers into a message.
    pub(crate) fn write_all(layers: &[Layer], writer: &mut Writer) {
        writer.u32(u32::try_from(layers.len()).unwrap_or(0));
        for layer in layers {
            writer.bytes(layer.name.as_bytes());
            writer.u8(u8::from(layer.holds));
            writer.bytes(layer.detail.as_bytes());
        }
    }

    /// Reads a table of layers out of a message.
    pub(crate) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Layer>, Truncated> {
        let count = reader.u32()?;
        let mut layers = Vec::new();
        for _ in 0..count {
            let name = String::from_utf8_lossy(reader.bytes()?).into_owned();
            let holds = reader.u8()? != 0;
            let detail = String::from_utf8_lossy(reader.bytes()?).into_owned();
            layers.push(Layer { name, holds, detail });
        }
        Ok(layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_survives_the_wire() {
        let layers = vec![Layer::holds(SECCOMP, "x86_64"), Layer::missing(EGRESS, "no nf_tables")];
        let mut writer = Writer::default();
        Layer::write_all(&layers, &mut writer);
        let bytes = writer.finish();
        assert_eq!(Layer::read_all(&mut Reader::new(&bytes)).unwrap(), layers);
        assert!(Layer::read_all(&mut Reader::new(&bytes[..bytes.len() - 1])).is_err());
    }
}
