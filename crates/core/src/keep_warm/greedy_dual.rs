//! Which environment to give up when memory is short at once.

/// What one environment has to say for itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keepsake {
    /// Invokes that its version has had since one of its environments was first kept.
    pub frequency: f64,
    /// What its loss costs: its init duration in seconds.
    pub cost: f64,
    /// Memory that it holds, in bytes.
    pub memory_bytes: u64,
}

/// Greedy-dual with sizes and frequencies: the priority of an environment is worked out when it becomes idle,
/// and what has the least goes first. The clock, which is the priority of what went last, lets those that
/// were not used since fall behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GreedyDual {
    clock: f64,
}

impl GreedyDual {
    /// One that has given nothing up yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `clock + frequency × cost / memory`, the memory in MiB: to be kept with an environment that becomes idle.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "memory far below 2^53 bytes")]
    pub fn priority(&self, keepsake: &Keepsake) -> f64 {
        let memory_mib = keepsake.memory_bytes.max(1) as f64 / (1024.0 * 1024.0);
        let worth = keepsake.frequency * keepsake.cost / memory_mib;
        self.clock + if worth.is_finite() { worth.max(0.0) } else { 0.0 }
    }

    /// The one with the least priority, of which the clock takes note: it must be given up.
    pub fn evict<T>(&mut self, idle: impl IntoIterator<Item = (T, f64)>) -> Option<T> {
        let (evicted, priority) = idle.into_iter().min_by(|(_, one), (_, other)| one.total_cmp(other))?;
        self.clock = self.clock.max(priority);
        Some(evicted)
    }
}
