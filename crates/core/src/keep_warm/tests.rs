//! What the policy decides, and that nothing makes it leave its bounds.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Bounds, Decision, GAP_MIN, GreedyDual, Habit, IdleHistogram, KEEP_ALIVE_MAX, Keepsake, Layout, Price, Stake,
    decide, decide_by_price,
};

const MINUTE: Duration = Duration::from_secs(60);

fn bounds() -> Bounds {
    Bounds::new(Duration::from_secs(5), 240 * MINUTE, 10 * MINUTE)
}

fn stake() -> Stake {
    Stake { cost: 1.0, memory_bytes: 128 << 20, lead: Duration::from_secs(1) }
}

fn histogram(idle: impl IntoIterator<Item = Duration>) -> IdleHistogram {
    let mut histogram = IdleHistogram::new(Layout::default());
    idle.into_iter().for_each(|idle| histogram.record(idle));
    histogram
}

fn every(idle: Duration, times: usize) -> IdleHistogram {
    histogram(std::iter::repeat_n(idle, times))
}

#[test]
fn the_buckets_are_fine_within_a_minute_and_small_in_all() {
    let layout = Layout::default();
    assert_eq!((layout.bucket_count(), layout.range()), (251, 240 * MINUTE));
    assert_eq!([0, 1, 11, 12, 13].map(|at| layout.start_s(at)), [0, 5, 55, 60, 120]);
    assert!(layout.bucket_count() * size_of::<u16>() + size_of::<IdleHistogram>() <= 1_024);
}

#[test]
fn layouts_that_cannot_be_are_refused() {
    assert!(Layout::new(0, 60, 240).is_err());
    assert!(Layout::new(7, 60, 240).is_err());
    assert!(Layout::new(1, 60, 1).is_err());
    assert!(Layout::new(1, 60, 500).is_err());
    assert!(Layout::new(60, 60, 240).is_ok());
}

#[test]
fn the_unknown_is_kept_for_the_standard_time() {
    assert_eq!(decide(&every(30 * MINUTE, 0), &bounds()), Decision::keep(10 * MINUTE));
    let even = histogram((1..240).map(|minute| minute * MINUTE));
    assert_eq!(decide(&even, &bounds()), Decision::keep(10 * MINUTE), "even counts say nothing");
    let price = Price::standard(&stake(), &bounds());
    assert_eq!(decide_by_price(&every(MINUTE, 0), &bounds(), &stake(), &price), Decision::keep(10 * MINUTE));
}

#[test]
fn a_ceiling_within_a_bucket_is_used_to_its_end() {
    for ceiling in [Duration::from_secs(1), Duration::from_secs(90)] {
        let bounds = Bounds::new(Duration::ZERO, ceiling, ceiling);
        let decision = decide_by_price(&every(MINUTE, 0), &bounds, &stake(), &Price::new(1e-9));
        assert_eq!(decision, Decision::keep(ceiling), "nothing is started ahead of what was never seen");
    }
}

#[test]
fn what_comes_back_at_once_is_kept_until_the_tail() {
    assert_eq!(decide(&every(Duration::from_secs(2), 50), &bounds()), Decision::keep(Duration::from_millis(5_500)));
}

#[test]
fn what_comes_every_half_hour_is_given_up_and_started_ahead() {
    let timer = every(Duration::from_secs(1_799), 20);
    let price = Price::standard(&stake(), &bounds());
    for decision in [decide(&timer, &bounds()), decide_by_price(&timer, &bounds(), &stake(), &price)] {
        assert_eq!(decision.keep_alive, Duration::from_secs(5));
        let prewarm = decision.prewarm.expect("a start ahead of need");
        assert!(prewarm.at >= 25 * MINUTE && prewarm.at < Duration::from_secs(1_799 - 1), "{prewarm:?}");
        assert!(prewarm.until > Duration::from_secs(1_799) && prewarm.until <= 34 * MINUTE, "{prewarm:?}");
    }
}

#[test]
fn what_comes_once_a_day_is_forecast() {
    let day = 1_440 * MINUTE;
    for decision in
        [decide(&every(day, 12), &bounds()), decide_by_price(&every(day, 12), &bounds(), &stake(), &Price::new(1e-7))]
    {
        let prewarm = decision.prewarm.expect("a start ahead of need");
        assert!(prewarm.at < day && prewarm.until > day, "{prewarm:?}");
        assert!(prewarm.until - prewarm.at < 240 * MINUTE, "{prewarm:?}");
    }
    let dear = decide_by_price(&every(day, 12), &bounds(), &stake(), &Price::new(1.0));
    assert_eq!(dear, Decision::keep(Duration::from_secs(5)));
    let wild = histogram((0..12).map(|day| (300 + day % 2 * 2_000) * MINUTE));
    assert_eq!(decide(&wild, &bounds()), Decision::keep(10 * MINUTE));
}

#[test]
fn old_behaviour_fades() {
    let mut histogram = every(90 * MINUTE, 3_000);
    (0..4_000).for_each(|_| histogram.record(Duration::from_secs(2)));
    assert!(histogram.samples() <= 2_000.0);
    assert!(decide(&histogram, &bounds()).keep_alive >= 90 * MINUTE, "not forgotten at once");
    (0..20_000).for_each(|_| histogram.record(Duration::from_secs(2)));
    assert!(decide(&histogram, &bounds()).keep_alive < MINUTE);
}

#[test]
fn a_price_settles_where_the_memory_is_used() {
    let mut price = Price::new(1e-6);
    price.observe(200, 100, MINUTE);
    assert!(price > Price::new(1e-6));
    (0..600).for_each(|_| price.observe(0, 100, MINUTE));
    assert!(price < Price::new(1e-6));
    (0..10_000_000).step_by(10_000).for_each(|at| price.observe(at, 0, Duration::from_secs(at)));
    assert!(price.per_mib_second().is_finite());
}

#[test]
fn the_large_cheap_and_long_unused_go_first() {
    let mut policy = GreedyDual::new();
    let keepsake = |frequency, cost, memory_mib: u64| Keepsake { frequency, cost, memory_bytes: memory_mib << 20 };
    let idle =
        [("often", keepsake(9.0, 1.0, 100)), ("large", keepsake(9.0, 1.0, 900)), ("dear", keepsake(9.0, 9.0, 900))];
    let mut idle: Vec<_> = idle.iter().map(|(name, keepsake)| (*name, policy.priority(keepsake))).collect();
    assert_eq!(policy.evict(idle.iter().copied()), Some("large"));
    idle.retain(|(name, _)| *name != "large");
    policy.evict(idle.iter().copied());
    assert!(policy.priority(&keepsake(1.0, 1.0, 900)) > idle[0].1, "what is used now passes what was not for long");
    assert_eq!(policy.evict(Vec::<((), f64)>::new()), None);
}

#[test]
fn a_habit_learns_from_one_invoke_to_the_next() {
    let mut habit = Habit::new(Layout::default());
    let mut now = Duration::ZERO;
    assert_eq!(habit.idle(), None);
    for _ in 0..20 {
        habit.begin(now);
        assert_eq!(habit.idle(), None, "an invoke runs");
        now += Duration::from_secs(1);
        habit.end(now, &bounds(), None);
        now += 30 * MINUTE;
    }
    let (since, decision) = habit.idle().expect("idle");
    let idle = now - since;
    assert!((habit.histogram().samples() - 19.0).abs() < 0.01);
    assert!(decision.holds(idle) && decision.holds(Duration::ZERO) && !decision.holds(10 * MINUTE));
    assert_eq!(decision.next_change(Duration::ZERO), Some(decision.keep_alive));
    assert_eq!(decision.next_change(10 * MINUTE), decision.prewarm.map(|prewarm| prewarm.at));
    assert_eq!(decision.next_change(240 * MINUTE), None);
}

#[test]
fn a_histogram_survives_the_store_and_nothing_else_does() {
    let histogram = histogram([MINUTE, 5 * MINUTE, 500 * MINUTE]);
    let text = serde_json::to_string(&histogram).expect("written");
    assert_eq!(serde_json::from_str::<IdleHistogram>(&text).expect("read"), histogram);
    for (from, to) in [("\"fine_s\":5", "\"fine_s\":0"), ("[0,", "["), ("_mean_s\":", "_mean_s\":-")] {
        assert!(serde_json::from_str::<IdleHistogram>(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
}

fn any_idle() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0u64..60_000).prop_map(Duration::from_millis),
        (0u64..15_000).prop_map(Duration::from_secs),
        (0u64..2_000_000).prop_map(Duration::from_secs),
        Just(Duration::MAX),
    ]
}

/// Some of them regular, so that there is something to see.
fn any_histogram() -> impl Strategy<Value = IdleHistogram> {
    let groups = prop::collection::vec((any_idle(), 1usize..40), 0..12);
    groups.prop_map(|groups| histogram(groups.into_iter().flat_map(|(idle, times)| std::iter::repeat_n(idle, times))))
}

fn any_bounds() -> impl Strategy<Value = Bounds> {
    (any_idle(), any_idle(), any_idle()).prop_map(|(floor, ceiling, standard)| Bounds::new(floor, ceiling, standard))
}

fn any_stake() -> impl Strategy<Value = (Stake, Price)> {
    (0.0f64..100.0, 0u64..1 << 36, any_idle(), -12i32..3).prop_map(|(cost, memory_bytes, lead, exponent)| {
        (Stake { cost, memory_bytes, lead }, Price::new(10f64.powi(exponent)))
    })
}

fn is_within(decision: &Decision, bounds: &Bounds) -> bool {
    let is_prewarm_sound = decision.prewarm.is_none_or(|prewarm| {
        prewarm.at >= decision.keep_alive + GAP_MIN
            && prewarm.at < prewarm.until
            && prewarm.until <= KEEP_ALIVE_MAX.saturating_mul(2)
            && prewarm.until - prewarm.at <= bounds.ceiling()
    });
    bounds.floor() <= decision.keep_alive && decision.keep_alive <= bounds.ceiling() && is_prewarm_sound
}

proptest! {
    #[test]
    fn decisions_stay_within_the_bounds(histogram in any_histogram(), bounds in any_bounds(), market in any_stake()) {
        let (stake, price) = market;
        for decision in [decide(&histogram, &bounds), decide_by_price(&histogram, &bounds, &stake, &price)] {
            prop_assert!(is_within(&decision, &bounds), "{decision:?} {bounds:?}");
        }
    }

    #[test]
    fn wider_bounds_never_keep_for_less(
        histogram in any_histogram(), times in prop::array::uniform4(any_idle()), more in any_idle()
    ) {
        let [floor, ceiling, standard, _] = times;
        let kept = |floor, ceiling, standard| decide(&histogram, &Bounds::new(floor, ceiling, standard)).keep_alive;
        let before = kept(floor, ceiling, standard);
        prop_assert!(kept(floor.saturating_add(more), ceiling, standard) >= before);
        prop_assert!(kept(floor, ceiling.saturating_add(more), standard) >= before);
        prop_assert!(kept(floor, ceiling, standard.saturating_add(more)) >= before);
    }

    #[test]
    fn a_higher_floor_never_keeps_for_less_at_a_price(
        histogram in any_histogram(), bounds in any_bounds(), more in any_idle(), market in any_stake()
    ) {
        let (stake, price) = market;
        let higher = Bounds::new(bounds.floor().saturating_add(more), bounds.ceiling(), bounds.standard());
        let same = Bounds { standard: bounds.standard(), ..higher };
        let before = decide_by_price(&histogram, &bounds, &stake, &price);
        prop_assert!(decide_by_price(&histogram, &same, &stake, &price).keep_alive >= before.keep_alive);
    }

    #[test]
    fn totals_stay_sane(one in any_histogram(), other in any_histogram(), idle in prop::collection::vec(any_idle(), 0..50)) {
        let mut both = one.clone();
        prop_assert!(both.merge(&other));
        prop_assert!(both.samples() <= one.samples() + other.samples() + 1e-9);
        prop_assert!(both.samples() >= (one.samples() + other.samples()).min(900.0) * 0.9);
        let before = both.samples();
        both.age();
        prop_assert!(both.samples() <= before / 2.0 && both.far() <= both.samples());
        let before = both.samples();
        idle.iter().for_each(|idle| both.record(*idle));
        prop_assert!(both.samples() <= before + 50.0 && both.samples() <= 2_001.0);
        let sum: f64 = both.counts().sum::<f64>() + both.far();
        prop_assert!((sum - both.samples()).abs() < 1e-6);
    }

    #[test]
    fn the_clock_of_greedy_dual_never_goes_back(priorities in prop::collection::vec(-1e9f64..1e9, 0..20)) {
        let mut policy = GreedyDual::new();
        let unknown = Keepsake { frequency: 0.0, cost: 0.0, memory_bytes: 0 };
        for priority in priorities {
            let before = policy.priority(&unknown);
            policy.evict([((), priority)]);
            prop_assert!(policy.priority(&unknown) >= before);
        }
    }
}
