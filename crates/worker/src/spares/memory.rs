//! How much memory the machine has left.

use std::fs;

/// Below this share of the memory that is available, in percent, spares are given up.
const SHORT_PERCENT: u64 = 10;

/// Whether spares should make room. False when the machine cannot tell.
pub(super) fn is_short() -> bool {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    matches!((field(&text, "MemTotal:"), field(&text, "MemAvailable:")), (Some(total), Some(available)) if available * 100 < total * SHORT_PERCENT)
}

/// In KiB.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let text = "MemTotal:       24602528 kB\nMemFree:         1 kB\nMemAvailable:   2360252 kB\n";
        assert_eq!(field(text, "MemTotal:"), Some(24_602_528));
        assert_eq!(field(text, "MemAvailable:"), Some(2_360_252));
        assert_eq!(field(text, "Missing:"), None);
    }
}
