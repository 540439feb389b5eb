//! What the environments of this machine take and what is left for more, for the operator.

use serde::Serialize;

use crate::capacity::Capacity;
use crate::inventory::State;

/// One look at the machine.
#[derive(Clone, Debug, Serialize)]
pub struct Headroom {
    /// Environments of functions.
    pub environments: EnvironmentCounts,
    /// Invokes that wait because all environments are in use.
    pub waiting_invokes: Used,
    /// Runtimes that wait for cold starts.
    pub spares: Used,
    /// `None` where the kernel does not tell.
    pub memory_bytes: Option<Used>,
    /// Processes and threads of the whole machine.
    pub processes: Used,
    /// Descriptors of the server.
    pub descriptors: Used,
    /// Why nothing more is started at present.
    pub shortage: Option<&'static str>,
}

/// How many environments do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EnvironmentCounts {
    /// They run an invoke, or are being made for one.
    pub in_use: usize,
    /// They wait for an invoke.
    pub idle: usize,
    /// Snapshots are copied from them.
    pub snapshots: usize,
    /// How many there may be.
    pub max: usize,
}

/// How much of something is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Used {
    /// That much is taken.
    pub used: u64,
    /// That much there is.
    pub max: u64,
}

impl EnvironmentCounts {
    pub(crate) fn new(counts: &[(State, usize)], max: usize) -> Self {
        let mut all = Self { in_use: 0, idle: 0, snapshots: 0, max };
        for (state, count) in counts {
            match state {
                State::Starting | State::Initialising | State::Busy => all.in_use += count,
                State::Idle | State::Frozen => all.idle += count,
                State::Snapshot => all.snapshots += count,
                State::Waiting => {}
            }
        }
        all
    }
}

impl Used {
    pub(crate) fn of(used: usize, max: usize) -> Self {
        Self { used: used as u64, max: max as u64 }
    }
}

impl Headroom {
    pub(crate) fn new(
        environments: EnvironmentCounts,
        waiting_invokes: Used,
        spares: Used,
        capacity: &Capacity,
    ) -> Self {
        let memory_bytes = capacity.memory.map(|memory| Used {
            used: memory.total_bytes.saturating_sub(memory.available_bytes),
            max: memory.total_bytes,
        });
        Self {
            environments,
            waiting_invokes,
            spares,
            memory_bytes,
            processes: Used { used: capacity.processes, max: capacity.processes_max },
            descriptors: Used { used: capacity.descriptors, max: capacity.descriptors_max },
            shortage: capacity.shortage(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_idle_is_in_use() {
        let counts = State::OF_FUNCTIONS.map(|state| (state, 1));
        let expected = EnvironmentCounts { in_use: 3, idle: 2, snapshots: 1, max: 9 };
        assert_eq!(EnvironmentCounts::new(&counts, 9), expected);
    }
}
