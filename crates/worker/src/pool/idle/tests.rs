//! The times at which idle environments go and new ones are started, by a clock that is made up.

use tindra_core::keep_warm::Prewarm;

use super::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn idle(name: &'static str, since_s: u64) -> Idle<&'static str> {
    let since = seconds(since_s);
    Idle { environment: name, since, old_at: Duration::MAX, is_frozen: false, is_parked: false, priority: None }
}

fn keeping(idle: Option<(u64, Decision)>) -> Keeping {
    let idle = idle.map(|(since_s, decision)| (seconds(since_s), decision));
    Keeping { idle, beside: seconds(30), is_prewarmed: false }
}

fn names(ended: Vec<Idle<&'static str>>) -> Vec<&'static str> {
    ended.into_iter().map(|idle| idle.environment).collect()
}

const PREWARM: Prewarm = Prewarm { at: seconds(100), until: seconds(140) };
const GIVEN_UP: Decision = Decision { keep_alive: seconds(5), prewarm: Some(PREWARM) };

#[test]
fn the_last_used_stays_as_decided_and_others_by_their_own_time() {
    let keeping = keeping(Some((10, Decision::keep(seconds(60)))));
    let mut all = vec![idle("first", 2), idle("second", 8), idle("last", 10)];
    let (ended, next) = keeping.take_ended(&mut all, seconds(31));
    assert_eq!((names(ended), next), (vec![], Some(seconds(32))));
    let (ended, next) = keeping.take_ended(&mut all, seconds(32));
    assert_eq!((names(ended), next), (vec!["first"], Some(seconds(38))));
    let (ended, next) = keeping.take_ended(&mut all, seconds(69));
    assert_eq!((names(ended), next), (vec!["second"], Some(seconds(70))));
    let (ended, next) = keeping.take_ended(&mut all, seconds(70));
    assert_eq!((names(ended), next), (vec!["last"], None));
}

#[test]
fn beside_a_busy_one_all_go_by_their_own_time() {
    let mut all = vec![idle("one", 5), idle("two", 9)];
    let (ended, next) = keeping(None).take_ended(&mut all, seconds(36));
    assert_eq!((names(ended), next), (vec!["one"], Some(seconds(39))));
}

#[test]
fn what_was_started_ahead_stays_until_its_window_ends() {
    let keeping = keeping(Some((0, GIVEN_UP)));
    let (ended, _) = keeping.take_ended(&mut vec![idle("kept", 0)], seconds(5));
    assert_eq!(names(ended), ["kept"]);
    let mut ahead = vec![idle("ahead", 102)];
    let (ended, next) = keeping.take_ended(&mut ahead, seconds(103));
    assert_eq!((names(ended), next), (vec![], Some(seconds(140))));
    let (ended, _) = keeping.take_ended(&mut ahead, seconds(140));
    assert_eq!(names(ended), ["ahead"]);
}

#[test]
fn one_is_started_ahead_once_in_its_window() {
    let mut keeping = keeping(Some((0, GIVEN_UP)));
    assert_eq!(keeping.prewarm_at(seconds(6)), Some(seconds(100)));
    assert_eq!(keeping.prewarm_at(seconds(139)), Some(seconds(100)));
    assert_eq!(keeping.prewarm_at(seconds(140)), None);
    keeping.is_prewarmed = true;
    assert_eq!(keeping.prewarm_at(seconds(100)), None);
    keeping.idle = None;
    assert_eq!(keeping.prewarm_at(seconds(100)), None);
}

#[test]
fn the_old_goes_whatever_was_decided() {
    let keeping = keeping(Some((10, Decision::keep(seconds(60)))));
    let mut all = vec![Idle { old_at: seconds(20), ..idle("old", 10) }];
    let (ended, next) = keeping.take_ended(&mut all, seconds(19));
    assert_eq!((names(ended), next), (vec![], Some(seconds(20))));
    let (ended, _) = keeping.take_ended(&mut all, seconds(20));
    assert_eq!(names(ended), ["old"]);
}
