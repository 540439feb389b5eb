//! How much memory the machine has left.

use std::fs;

/// Below this share of the memory that is available, in percent, spares are given up and nothing is started ahead of need.
const SHORT_PERCENT: u64 = 10;
/// Below this share idle environments are given up, too.
const VERY_SHORT_PERCENT: u64 = 5;

/// The machine's memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) total_bytes: u64,
    /// What could be used without swapping.
    pub(crate) available_bytes: u64,
}

impl Memory {
    /// As the kernel tells it; `None` when it does not.
    pub(crate) fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Some(Self { total_bytes: field(&text, "MemTotal:")?, available_bytes: field(&text, "MemAvailable:")? })
    }

    /// Whether spares should make room.
    pub(crate) fn is_short(&self) -> bool {
        self.available_bytes < self.total_bytes / 100 * SHORT_PERCENT
    }

    /// How much idle environments should give back, in bytes.
    pub(crate) fn shortage_bytes(&self) -> u64 {
        (self.total_bytes / 100 * VERY_SHORT_PERCENT).saturating_sub(self.available_bytes)
    }
}

/// In bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let kib: u64 = text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let text = "MemTotal:       24602528 kB\nMemFree:         1 kB\nMemAvailable:   2360252 kB\n";
        assert_eq!(field(text, "MemTotal:"), Some(24_602_528 << 10));
        assert_eq!(field(text, "MemAvailable:"), Some(2_360_252 << 10));
        assert_eq!(field(text, "Missing:"), None);
    }

    #[test]
    fn spares_go_before_environments() {
        let memory = |available_bytes| Memory { total_bytes: 1_000, available_bytes };
        assert!(!memory(100).is_short() && memory(99).is_short());
        assert_eq!((memory(50).shortage_bytes(), memory(20).shortage_bytes()), (0, 30));
    }
}
