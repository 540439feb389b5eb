//! Every limit holds and every count returns to zero, whatever the schedule. Run with `--features model`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use shuttle::thread;
use tindra_core::function::Scope;

use super::{Admission, Limits, Permit, Share};

const SCHEDULES: usize = 50_000;
const LIMIT: u32 = 3;

/// Invokes that hold a permit, counted by the test itself: no schedule comes between two of its own lines.
#[derive(Debug, Default)]
struct Held(AtomicU32);

/// Holds a permit for a while, seen by everybody who counts.
fn hold(permit: Permit, counts: &[(&Held, u32)]) {
    for (held, at_most) in counts {
        let running = held.0.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(running <= *at_most, "{running} run where {at_most} may");
    }
    thread::yield_now();
    for (held, _) in counts {
        held.0.fetch_sub(1, Ordering::SeqCst);
    }
    drop(permit);
}

fn scope() -> Scope {
    Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() }
}

#[test]
fn no_share_and_no_account_runs_more_than_it_may() {
    shuttle::check_random(
        || {
            let admission = Admission::new(Limits { concurrency: LIMIT, requests_per_s: 0 });
            let account = admission.account(&scope());
            let reserved = admission.claim(&scope(), "reserved", Some(1), 0);
            let unreserved = admission.find(&scope(), "other", None);
            let [all, one, others] = [(); 3].map(|()| Arc::new(Held::default()));
            let invoke = |share: &Arc<Share>, own: &Arc<Held>, at_most: u32| {
                let (share, account) = (Arc::clone(share), Arc::clone(&account));
                let (all, own) = (Arc::clone(&all), Arc::clone(own));
                thread::spawn(move || {
                    for _ in 0..2 {
                        let Ok(permit) = share.admit(&account, Duration::ZERO) else { continue };
                        hold(permit, &[(&all, LIMIT), (&own, at_most)]);
                    }
                })
            };
            let invokes: Vec<_> = (0..2)
                .map(|_| invoke(&reserved, &one, 1))
                .chain((0..3).map(|_| invoke(&unreserved, &others, LIMIT - 1)))
                .collect();
            invokes.into_iter().for_each(|invoke| invoke.join().unwrap());
            assert_eq!((account.share.running(), reserved.running(), unreserved.running()), (0, 0, 0));
        },
        SCHEDULES,
    );
}

#[test]
fn the_account_holds_while_reserves_change() {
    shuttle::check_random(
        || {
            let admission = Arc::new(Admission::new(Limits { concurrency: LIMIT, requests_per_s: 0 }));
            let account = admission.account(&scope());
            let held = Arc::new(Held::default());
            let invokes = ["one", "one", "other", "other"].map(|name| {
                let (admission, account, held) = (Arc::clone(&admission), Arc::clone(&account), Arc::clone(&held));
                thread::spawn(move || {
                    for _ in 0..2 {
                        let share = admission.find(&scope(), name, None);
                        if let Ok(permit) = share.admit(&account, Duration::ZERO) {
                            hold(permit, &[(&held, LIMIT)]);
                        }
                    }
                })
            });
            for reserve in [Some(2), Some(0), None] {
                drop(admission.claim(&scope(), "one", reserve, 0));
                thread::yield_now();
            }
            invokes.into_iter().for_each(|invoke| invoke.join().unwrap());
            assert_eq!(account.share.running(), 0);
        },
        SCHEDULES,
    );
}

#[test]
fn nobody_is_refused_while_there_is_room() {
    shuttle::check_random(
        || {
            let admission = Admission::new(Limits { concurrency: LIMIT, requests_per_s: 0 });
            let (account, share) = (admission.account(&scope()), admission.find(&scope(), "thing", None));
            let invokes = [(); LIMIT as usize].map(|()| {
                let (share, account) = (Arc::clone(&share), Arc::clone(&account));
                thread::spawn(move || {
                    for _ in 0..2 {
                        share.admit(&account, Duration::ZERO).expect("as many as invoke here may run");
                    }
                })
            });
            invokes.into_iter().for_each(|invoke| invoke.join().unwrap());
        },
        SCHEDULES,
    );
}
