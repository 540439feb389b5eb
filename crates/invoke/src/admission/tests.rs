//! The arithmetic of shares.

use std::sync::Arc;
use std::time::Duration;

use tindra_core::function::Scope;

use super::{Account, Admission, Limits, Permit, Share};
use crate::InvokeError;

const NOW: Duration = Duration::ZERO;

fn scope() -> Scope {
    Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() }
}

fn admission(concurrency: u32) -> Admission {
    Admission::new(Limits { concurrency, requests_per_s: 0 })
}

/// As many as are let in.
fn fill(share: &Arc<Share>, account: &Arc<Account>) -> (Vec<Permit>, InvokeError) {
    let mut held = Vec::new();
    loop {
        match share.admit(account, NOW) {
            Ok(permit) => held.push(permit),
            Err(error) => return (held, error),
        }
    }
}

#[test]
fn accounts_and_regions_do_not_share() {
    let admission = admission(1);
    let (one, other) = (scope(), Scope { region: "us-east-1".to_owned(), ..scope() });
    let (_held, error) = fill(&admission.find(&one, "thing", None), &admission.account(&one));
    assert_eq!(error.throttle_reason(), Some("ConcurrentInvocationLimitExceeded"));
    assert_eq!(fill(&admission.find(&other, "thing", None), &admission.account(&other)).0.len(), 1);
}

#[test]
fn a_reserve_is_a_cap_and_a_guarantee() {
    let (admission, scope) = (admission(10), scope());
    let account = admission.account(&scope);
    let own = admission.claim(&scope, "own", Some(3), 0);
    let (others_held, error) = fill(&admission.find(&scope, "other", None), &account);
    assert_eq!((others_held.len(), error.throttle_reason()), (7, Some("ConcurrentInvocationLimitExceeded")));
    let (own_held, error) = fill(&own, &account);
    assert_eq!(
        (own_held.len(), error.throttle_reason()),
        (3, Some("ReservedFunctionConcurrentInvocationLimitExceeded"))
    );
    assert_eq!(admission.running(&scope), 10);
    drop((others_held, own_held));
    assert_eq!(admission.running(&scope), 0);

    assert!(admission.claim(&scope, "own", Some(0), 0).admit(&account, NOW).is_err());
    assert_eq!(fill(&admission.claim(&scope, "own", None, 0), &account).0.len(), 10, "all is shared again");
}

#[test]
fn what_is_provisioned_is_kept_from_the_others_and_is_a_part_of_the_reserve() {
    let (admission, scope) = (admission(20), scope());
    let account = admission.account(&scope);
    let unreserved = admission.claim(&scope, "plain", None, 4);
    assert_eq!(unreserved.limit(), 16, "four of it are kept ready");
    let reserved = admission.claim(&scope, "reserved", Some(6), 2);
    assert_eq!((unreserved.limit(), reserved.limit()), (10, 4));
    let all = admission.claim(&scope, "reserved", Some(6), 6);
    assert_eq!(
        all.admit(&account, NOW).unwrap_err().throttle_reason(),
        Some("ReservedFunctionConcurrentInvocationLimitExceeded"),
        "nothing is left on demand where all is provisioned"
    );
    admission.claim(&scope, "plain", None, 0);
    assert_eq!(unreserved.limit(), 14);
    admission.forget_claims();
    assert_eq!(unreserved.limit(), 20);
}

#[test]
fn no_more_run_than_the_account_allows_while_reserves_change() {
    let (admission, scope) = (admission(5), scope());
    let account = admission.account(&scope);
    let (held, _) = fill(&admission.find(&scope, "other", None), &account);
    let own = admission.claim(&scope, "own", Some(3), 0);
    assert_eq!(own.admit(&account, NOW).unwrap_err().throttle_reason(), Some("ConcurrentInvocationLimitExceeded"));
    drop(held);
    assert_eq!(fill(&own, &account).0.len(), 3);
    assert_eq!(admission.running(&scope), 0);
}

#[test]
fn ten_requests_a_second_for_each_that_may_run() {
    let admission = Admission::new(Limits { concurrency: 100, requests_per_s: 10 });
    let (scope, second) = (scope(), Duration::from_secs(1));
    let account = admission.account(&scope);
    let own = admission.claim(&scope, "own", Some(2), 0);
    let run = |share: &Arc<Share>, now| (0..5_000).map_while(|_| share.admit(&account, now).ok()).count();
    assert_eq!(run(&own, NOW), 20);
    assert_eq!(
        own.admit(&account, NOW).unwrap_err().throttle_reason(),
        Some("ReservedFunctionInvocationRateLimitExceeded")
    );
    let others = admission.find(&scope, "other", None);
    assert_eq!(run(&others, NOW), 980, "the account's thousand, those of all functions counted");
    assert_eq!(others.admit(&account, NOW).unwrap_err().throttle_reason(), Some("FunctionInvocationRateLimitExceeded"));
    assert_eq!(admission.running(&scope), 0, "a refusal counts nothing");
    assert_eq!(run(&own, second), 20, "a second brings as many again");
}

#[test]
fn the_most_that_ran_at_once_on_what_is_provisioned_is_told_once() {
    let admission = admission(10);
    let account = admission.account(&scope());
    let share = admission.provisioned();
    share.set_limit(4);
    let one = share.admit(&account, NOW).unwrap();
    let others = [(); 2].map(|()| share.admit(&account, NOW).unwrap());
    drop(others);
    assert_eq!(share.take_peak(), 3);
    assert_eq!(share.take_peak(), 1, "one runs on");
    drop(one);
    assert_eq!(share.take_peak(), 1, "it ran until now");
    assert_eq!(share.take_peak(), 0);
    drop(fill(&share, &account));
    assert_eq!(share.take_peak(), 4, "who was refused did not run");
}
