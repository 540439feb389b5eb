//! Properties of target tracking, over minutes of made-up load.

use proptest::prelude::*;

use super::*;

const MINUTE_MS: u64 = 60_000;

fn tracking(target: f64) -> Tracking {
    Tracking { target, scale_out_cooldown_s: 0, scale_in_cooldown_s: 0, never_scales_in: false }
}

fn used(shares: &[f64]) -> Use {
    let mut used = Use::default();
    shares.iter().for_each(|share| used.add(*share));
    used
}

fn at(capacity: u32, used: &Use) -> Situation<'_> {
    Situation {
        now_ms: 1_000 * MINUTE_MS,
        capacity,
        bounds: Bounds { min: 1, max: 100 },
        used,
        scaled_out_ms: None,
        scaled_in_ms: None,
    }
}

/// A capacity under a policy, minute by minute.
struct Simulation {
    tracking: Tracking,
    bounds: Bounds,
    capacity: u32,
    used: Use,
    now_ms: UnixMs,
    scaled_out_ms: Option<UnixMs>,
    scaled_in_ms: Option<UnixMs>,
    /// Every capacity with its time.
    moves: Vec<(UnixMs, u32)>,
}

impl Simulation {
    fn new(tracking: Tracking, bounds: Bounds, capacity: u32) -> Self {
        Self {
            tracking,
            bounds,
            capacity,
            used: Use::default(),
            now_ms: 0,
            scaled_out_ms: None,
            scaled_in_ms: None,
            moves: Vec::new(),
        }
    }

    fn minute(&mut self, busy: u32) {
        self.now_ms += MINUTE_MS;
        self.used.add(f64::from(busy.min(self.capacity)) / f64::from(self.capacity));
        let situation = Situation {
            now_ms: self.now_ms,
            capacity: self.capacity,
            bounds: self.bounds,
            used: &self.used,
            scaled_out_ms: self.scaled_out_ms,
            scaled_in_ms: self.scaled_in_ms,
        };
        if let Decision::Move { alarm, capacity } = self.tracking.decide(situation) {
            match alarm {
                Alarm::High => self.scaled_out_ms = Some(self.now_ms),
                Alarm::Low => self.scaled_in_ms = Some(self.now_ms),
            }
            assert_ne!(capacity, self.capacity);
            assert_eq!(capacity > self.capacity, alarm == Alarm::High, "each alarm has its direction");
            self.capacity = capacity;
            self.moves.push((self.now_ms, capacity));
        }
    }
}

#[test]
fn three_minutes_above_the_target_call_for_what_would_meet_it() {
    let policy = tracking(0.7);
    for (shares, decision) in [
        (&[0.9, 0.9][..], Decision::Stay),
        (&[0.9, 0.7, 0.9], Decision::Stay),
        (&[0.71, 0.8, 0.9], Decision::Move { alarm: Alarm::High, capacity: 13 }),
        (&[1.0, 1.0, 1.0], Decision::Move { alarm: Alarm::High, capacity: 15 }),
        (&[0.1, 0.71, 0.71, 0.71], Decision::Move { alarm: Alarm::High, capacity: 11 }),
    ] {
        assert_eq!(policy.decide(at(10, &used(shares))), decision, "{shares:?}");
    }
    assert_eq!(policy.decide(at(0, &used(&[1.0; 3]))), Decision::Stay, "nothing is no base to grow from");
    assert_eq!(policy.decide(at(100, &used(&[1.0; 3]))), Decision::Bound(Alarm::High));
}

#[test]
fn fifteen_minutes_below_nine_tenths_of_it_let_a_little_go() {
    let policy = tracking(0.5);
    assert_eq!(policy.decide(at(50, &used(&[0.1; 14]))), Decision::Stay);
    assert_eq!(policy.decide(at(50, &used(&[0.45; 15]))), Decision::Stay, "not below it");
    let low = used(&[0.1; 15]);
    assert_eq!(policy.decide(at(50, &low)), Decision::Move { alarm: Alarm::Low, capacity: 45 });
    assert_eq!(policy.decide(at(3, &low)), Decision::Move { alarm: Alarm::Low, capacity: 2 });
    assert_eq!(policy.decide(at(1, &used(&[0.0; 15]))), Decision::Bound(Alarm::Low));
    let one_peak: Vec<f64> = [0.44].into_iter().chain([0.1; 14]).collect();
    assert_eq!(policy.decide(at(50, &used(&one_peak))), Decision::Move { alarm: Alarm::Low, capacity: 45 });
    assert_eq!(
        policy.decide(at(5, &used(&one_peak))),
        Decision::Stay,
        "the highest of the fifteen counts: five are needed for it"
    );
    let never = Tracking { never_scales_in: true, ..policy };
    assert_eq!(never.decide(at(50, &low)), Decision::Stay);
}

#[test]
fn an_arn_is_the_same_each_time_and_another_for_each_resource() {
    let scope = Scope { account: "123456789012".into(), region: "eu-west-1".into() };
    let arn = target_arn(&scope, "function:f:live");
    assert!(arn.starts_with("arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/"), "{arn}");
    assert_eq!(arn.rsplit('/').next().unwrap().len(), 36);
    assert_eq!(arn, target_arn(&scope, "function:f:live"));
    assert_ne!(arn, target_arn(&scope, "function:f:1"));
}

fn policies() -> impl Strategy<Value = Tracking> {
    (10..=90_u32, 0..900_u32, 0..900_u32, any::<bool>()).prop_map(|(target, out, back, never)| Tracking {
        target: f64::from(target) / 100.0,
        scale_out_cooldown_s: out,
        scale_in_cooldown_s: back,
        never_scales_in: never,
    })
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (0..50_u32, 1..200_u32).prop_map(|(min, more)| Bounds { min, max: min + more })
}

proptest! {
    #[test]
    fn a_move_never_leaves_the_bounds(
        policy in policies(), bounds in bounds(), start in 1..300_u32, load in prop::collection::vec(0..300_u32, 1..200),
    ) {
        let mut simulation = Simulation::new(policy, bounds, start);
        for busy in load {
            simulation.minute(busy);
        }
        for (_, capacity) in simulation.moves {
            prop_assert!((bounds.min..=bounds.max).contains(&capacity));
        }
    }

    #[test]
    fn cooldowns_hold(policy in policies(), load in prop::collection::vec(0..120_u32, 1..300)) {
        let mut simulation = Simulation::new(policy, Bounds { min: 1, max: 1_000 }, 50);
        load.into_iter().for_each(|busy| simulation.minute(busy));
        let mut before = 50;
        let (mut last_out, mut last_in) = (None, None);
        for (time_ms, capacity) in simulation.moves {
            let (last, cooldown_s) = match capacity > before {
                true => (&mut last_out, policy.scale_out_cooldown_s),
                false => (&mut last_in, policy.scale_in_cooldown_s),
            };
            if let Some(last_ms) = last.replace(time_ms) {
                prop_assert!(time_ms - last_ms >= u64::from(cooldown_s) * 1_000);
            }
            before = capacity;
        }
    }

    #[test]
    fn a_constant_load_comes_to_rest_at_the_smallest_capacity_that_meets_the_target(
        target in 10..=90_u32, busy in 1..200_u32, start in 1..400_u32,
    ) {
        let policy = tracking(f64::from(target) / 100.0);
        let mut simulation = Simulation::new(policy, Bounds { min: 1, max: 10_000 }, start);
        (0..2_000).for_each(|_| simulation.minute(busy));
        let capacities: Vec<u32> = simulation.moves.iter().map(|(_, capacity)| *capacity).collect();
        let is_steady = capacities.is_sorted() || capacities.iter().rev().is_sorted();
        prop_assert!(is_steady, "it goes one way only: {capacities:?}");
        let enough = (busy * 100).div_ceil(target);
        let share = f64::from(busy) / f64::from(simulation.capacity);
        prop_assert!(simulation.capacity >= enough, "{} of {busy}", simulation.capacity);
        // Above it lies only what is not low enough to go.
        prop_assert!(simulation.capacity == enough || share >= policy.target * LOW_SHARE - 1e-6);
    }

    #[test]
    fn without_a_load_the_smallest_capacity_is_left_and_never_nothing(bounds in bounds(), more in 0..300_u32) {
        let least = bounds.min.max(1);
        let mut simulation = Simulation::new(tracking(0.7), bounds, least + more);
        (0..1_000).for_each(|_| simulation.minute(0));
        prop_assert_eq!(simulation.capacity, least);
    }
}
