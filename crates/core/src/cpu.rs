//! How much processor a function's memory buys.

use crate::limits::MEMORY_MB_PER_VCPU;

/// The share of a function with this much memory, in thousandths of one processor (AWS: CPU is proportional to
/// memory, 1,769 MB for one vCPU).
#[must_use]
pub fn cpu_millis(memory_mb: u32) -> u64 {
    u64::from(memory_mb) * 1_000 / u64::from(MEMORY_MB_PER_VCPU)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_buys_processor() {
        for (memory_mb, millis) in [(128, 72), (442, 249), (1_769, 1_000), (10_240, 5_788)] {
            assert_eq!(cpu_millis(memory_mb), millis, "{memory_mb}");
        }
    }
}
