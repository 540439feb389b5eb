//! Runs of one thing under schedules that a seed decides.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::{MemoryStore, store};

/// Simulated time that a schedule may take.
const BOUND: Duration = Duration::from_secs(30 * 86_400);
/// Of a schedule's store: how many of a hundred steps fail.
const FAULT_PERCENTS: [u64; 4] = [0, 0, 3, 10];

/// Runs schedules, each over a store of its own of which some fail, and returns what each saw. How many is `count`, or what
/// `TINDRA_SIMULATIONS` says; `TINDRA_SEED` runs one again. `test` is the binary that is named when one fails.
pub fn run_schedules<S, F>(test: &str, count: u64, schedule: impl Fn(u64, MemoryStore) -> F) -> Vec<S>
where
    F: Future<Output = S>,
{
    let beside = store();
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let seeds = match number("TINDRA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TINDRA_SIMULATIONS").unwrap_or(count),
    };
    let run = |seed: u64| {
        // Time that is only waited for passes at once.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let fault_percent = FAULT_PERCENTS[usize::try_from(seed % 4).expect("it is below four")];
        let memory = MemoryStore::new(seed, fault_percent, &beside);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            runtime.expect("a runtime can be made").block_on(async {
                tokio::time::timeout(BOUND, schedule(seed, memory)).await.expect("the schedule ends")
            })
        }));
        ended.unwrap_or_else(|panic| {
            let why =
                panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            let why = why.unwrap_or("it panicked");
            panic!("the seed is {seed}: TINDRA_SEED={seed} cargo test --test {test}\n{why}")
        })
    };
    seeds.map(run).collect()
}
