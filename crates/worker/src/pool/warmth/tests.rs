//! What a version's habit leads to, by a clock that is made up.

use tindra_core::keep_warm::Bounds;

use super::*;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn unix_ms(&self) -> u64 {
        0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn policy(budget_bytes: u64) -> Arc<Policy> {
    let bounds = Bounds::new(Duration::from_secs(5), 240 * MINUTE, 10 * MINUTE);
    let options = KeepWarm { bounds, idle_memory_bytes: Some(budget_bytes), ..KeepWarm::default() };
    Arc::new(Policy::new(options, Arc::new(Still), 8 << 30))
}

/// Invokes of a second each, with so much between them.
fn regular(policy: &Arc<Policy>, gap: Duration, times: u32) -> (Warmth, Duration) {
    let warmth = Warmth::new(Arc::clone(policy));
    let mut now = Duration::ZERO;
    for _ in 0..times {
        now += gap;
        warmth.begin(now, false);
        now += Duration::from_secs(1);
        warmth.end(now);
    }
    (warmth, now)
}

#[test]
fn the_unknown_is_kept_for_the_standard_time_at_least() {
    let (warmth, _) = regular(&policy(1 << 30), MINUTE, 1);
    let keeping = warmth.keeping();
    assert!(keeping.idle.expect("idle").1.keep_alive >= 10 * MINUTE);
    assert_eq!(keeping.beside, 10 * MINUTE);
}

#[test]
fn an_invoke_that_runs_has_no_decision() {
    let (warmth, now) = regular(&policy(1 << 30), MINUTE, 1);
    warmth.begin(now + MINUTE, false);
    assert!(warmth.keeping().idle.is_none());
}

#[test]
fn when_memory_is_dear_what_is_regular_is_started_ahead_once() {
    let policy = policy(1 << 20);
    (0..80).for_each(|_| policy.observe(1 << 30, MINUTE));
    let (warmth, ended) = regular(&policy, 30 * MINUTE, 20);
    let keeping = warmth.keeping();
    let at = keeping.prewarm_at(ended).expect("a start ahead of need");
    assert!(at > ended + 20 * MINUTE && at < ended + 30 * MINUTE, "{at:?}");
    warmth.prewarmed();
    assert_eq!(warmth.keeping().prewarm_at(ended), None);
    warmth.begin(ended + 30 * MINUTE, false);
    warmth.end(ended + 31 * MINUTE);
    assert!(warmth.keeping().prewarm_at(ended + 31 * MINUTE).is_some(), "in the next idle time");
}

#[test]
fn the_price_follows_the_memory_that_is_used() {
    let policy = policy(1 << 30);
    let before = policy.price();
    policy.observe(2 << 30, MINUTE);
    assert!(policy.price() > before);
    (0..10).for_each(|_| policy.observe(0, MINUTE));
    assert!(policy.price() < before);
}

#[test]
fn the_small_slow_and_frequent_are_dear() {
    let policy = policy(1 << 30);
    let greedy_dual = GreedyDual::new();
    let priority = |times, start_ms, memory_bytes| {
        let (warmth, _) = regular(&policy, MINUTE, times);
        warmth.note_start(Duration::from_millis(start_ms));
        warmth.note_memory(memory_bytes);
        warmth.priority(&greedy_dual)
    };
    let one = priority(2, 100, 64 << 20);
    assert!(priority(9, 100, 64 << 20) > one && priority(2, 900, 64 << 20) > one && priority(2, 100, 8 << 20) > one);
    let (warmth, now) = regular(&policy, MINUTE, 9);
    let before = warmth.priority(&greedy_dual);
    warmth.begin(now, true);
    assert!(warmth.priority(&greedy_dual) < before, "the count begins anew with an environment");
}

#[test]
fn figures_are_rounded_to_three_binary_digits() {
    assert_eq!([0, 7, 9, 1_023, 1 << 40].map(rounded), [0, 7, 8, 896, 1 << 40]);
}
