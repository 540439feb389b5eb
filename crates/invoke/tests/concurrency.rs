//! Concurrency is counted exactly: never above the limit, and back to nothing whatever happens.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::{Strategy, prop};
use proptest::test_runner::{Config, TestRunner};
use support::{request, start};
use tindra_core::alias::Alias;
use tindra_core::function::{Function, Version};
use tindra_core::provisioned::{Provisioned, ProvisionedStatus};
use tindra_invoke::environments::RestoreError;
use tindra_invoke::{Culprit, InvokeRequest, ProvisionedUse};
use tindra_store::{Batch, JsonBatch as _, Precondition};
use tindra_testkit::{BOUND, Plan, active_function, eventually, put_function, scope, store};
use tokio::sync::Semaphore;
use uuid::Uuid;

#[tokio::test]
async fn above_the_limit_callers_are_told_to_come_back() {
    let fixture = start(store(), 2).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    let gate = Arc::new(Semaphore::new(0));
    let mut running = Vec::new();
    for _ in 0..2 {
        fixture.environments.plan(Plan::EchoAfter(Arc::clone(&gate)));
        let invoker = fixture.invoker.clone();
        running.push(tokio::spawn(async move { invoker.invoke(request("thing", "1")).await }));
    }
    fixture.environments.wait_begun(2).await;
    let error = fixture.refusal(request("thing", "2")).await;
    assert_eq!(error.to_string(), "Rate Exceeded.");
    assert_eq!(error.api_code(), "TooManyRequestsException");
    assert_eq!(error.throttle_reason(), Some("ConcurrentInvocationLimitExceeded"));
    assert!(error.retry_after_s().is_some());
    gate.add_permits(2);
    for invoke in running {
        assert!(invoke.await.unwrap().is_ok());
    }
    assert_eq!(fixture.invoker.running(&scope()), 0);
    fixture.answer(request("thing", "3")).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_function() {
    let fixture = start(store(), 2).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    let gate = Arc::new(Semaphore::new(0));
    fixture.environments.plan(Plan::EchoAfter(Arc::clone(&gate)));
    let invoker = fixture.invoker.clone();
    let caller = tokio::spawn(async move { invoker.invoke(request("thing", "1")).await });
    fixture.environments.wait_begun(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(fixture.invoker.running(&scope()), 1, "the function still runs");
    gate.add_permits(1);
    tokio::time::timeout(BOUND, fixture.environments.wait_ended(1)).await.unwrap();
    eventually("the place is given back", async || fixture.invoker.running(&scope()) == 0).await;
}

#[tokio::test]
async fn faults_of_the_platform_are_its_own() {
    let fixture = start(store(), 2).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    for (plan, code) in [
        (Plan::NoCapacity, "TooManyRequestsException"),
        (Plan::StartFails, "ServiceException"),
        (Plan::DeliverFails, "ServiceException"),
        (Plan::AcquirePanics, "ServiceException"),
        (Plan::DeliverPanics, "ServiceException"),
    ] {
        fixture.environments.plan(plan.clone());
        let error = fixture.refusal(request("thing", "1")).await;
        assert_eq!((error.api_code(), error.culprit()), (code, Culprit::Platform), "{plan:?}");
        assert_eq!(fixture.invoker.running(&scope()), 0, "{plan:?}");
        assert_eq!(fixture.environments.leases(), 0, "{plan:?}");
    }
}

#[tokio::test]
async fn a_restore_that_fails_is_the_end_of_the_invoke_alone() {
    let fixture = start(store(), 2).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    for (error, code) in [
        (RestoreError::NotReady, "SnapStartNotReadyException"),
        (RestoreError::TimedOut, "SnapStartTimeoutException"),
        (RestoreError::HookFailed, "SnapStartException"),
    ] {
        fixture.environments.plan(Plan::RestoreFails(error));
        assert_eq!(fixture.refusal(request("thing", "1")).await.api_code(), code);
        assert_eq!((fixture.invoker.running(&scope()), fixture.environments.leases()), (0, 0), "{error:?}");
    }
}

/// What a schedule does next.
#[derive(Clone, Debug)]
enum Step {
    /// An invoke begins, with what becomes of it.
    Begin(Plan),
    /// The caller of the oldest invoke goes away.
    Leave,
    /// One waiting function answers.
    Answer,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let gate = Arc::new(Semaphore::new(0));
    let plans = vec![
        Plan::Echo,
        Plan::FunctionError(Bytes::from_static(b"e")),
        Plan::EchoAfter(gate),
        Plan::NoCapacity,
        Plan::StartFails,
        Plan::DeliverFails,
        Plan::AcquirePanics,
        Plan::DeliverPanics,
    ];
    let begin = prop::sample::select(plans).prop_map(Step::Begin);
    let step = proptest::prop_oneof![
        3 => begin,
        1 => proptest::strategy::Just(Step::Leave),
        1 => proptest::strategy::Just(Step::Answer),
    ];
    prop::collection::vec(step, 0..40)
}

#[test]
fn whatever_happens_every_place_is_given_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = runtime.block_on(async {
        let fixture = start(store(), 5).await;
        put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
        fixture
    });
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let result = runner.run(&steps(), |steps| {
        runtime.block_on(play(&fixture, steps));
        Ok(())
    });
    assert!(result.is_ok(), "{}", result.unwrap_err());
}

async fn play(fixture: &support::Fixture, steps: Vec<Step>) {
    let gate = Arc::new(Semaphore::new(0));
    let mut callers = std::collections::VecDeque::new();
    for step in steps {
        match step {
            Step::Begin(plan) => {
                let plan = match plan {
                    Plan::EchoAfter(_) => Plan::EchoAfter(Arc::clone(&gate)),
                    plan => plan,
                };
                fixture.environments.plan(plan);
                let invoker = fixture.invoker.clone();
                callers.push_back(tokio::spawn(async move { invoker.invoke(request("thing", "1")).await }));
            }
            Step::Leave => callers.pop_front().into_iter().for_each(|caller| caller.abort()),
            Step::Answer => gate.add_permits(1),
        }
        tokio::task::yield_now().await;
        assert!(fixture.invoker.running(&scope()) <= 5);
    }
    // Plans of invokes that were refused or never began may be left over; they become part of the next schedule.
    gate.add_permits(1_000);
    for caller in callers {
        let _ = caller.await;
    }
    eventually("every place is given back", async || fixture.invoker.running(&scope()) == 0).await;
    assert_eq!(fixture.environments.leases(), 0);
}

#[tokio::test]
async fn the_use_of_what_is_provisioned_is_told_of_the_version_that_an_alias_leads_to() {
    let fixture = start(store(), 10).await;
    let (scope, latest) = (scope(), active_function(&scope(), "thing"));
    let version = Function { version: Version::Published(1), ..latest.clone() };
    let alias = Alias {
        scope: scope.clone(),
        function_name: "thing".into(),
        name: "live".into(),
        version: Version::Published(1),
        additional: None,
        description: String::new(),
        revision_id: Uuid::new_v4(),
    };
    let provisioned = Provisioned {
        scope: scope.clone(),
        function_name: "thing".into(),
        qualifier: "live".into(),
        id: Uuid::new_v4(),
        requested: 4,
        allocated: 3,
        status: ProvisionedStatus::InProgress,
        status_reason: None,
        last_modified_ms: 0,
    };
    put_function(&fixture.test.store, &latest).await;
    put_function(&fixture.test.store, &version).await;
    let batch = Batch::default()
        .put_json(Alias::key(&scope, "thing", "live"), Precondition::Absent, &alias)
        .and_then(|batch| batch.put_json(Provisioned::key(&scope, "thing", "live"), Precondition::Absent, &provisioned))
        .unwrap();
    fixture.test.store.metadata.commit(batch).await.unwrap();
    let take = |qualifier| fixture.invoker.take_provisioned_use(&scope, "thing", qualifier);
    let nothing = ProvisionedUse { peak: 0, allocated: 3 };
    eventually("what is provisioned is known", async || take("live") == Some(nothing)).await;

    let gate = Arc::new(Semaphore::new(0));
    let mut running = Vec::new();
    for qualifier in ["live", "1", "1"] {
        fixture.environments.plan(Plan::EchoAfter(Arc::clone(&gate)));
        let invoker = fixture.invoker.clone();
        let request = InvokeRequest { qualifier: Some(qualifier.into()), ..request("thing", "1") };
        running.push(tokio::spawn(async move { invoker.invoke(request).await }));
    }
    fixture.environments.wait_begun(3).await;
    assert_eq!(take("live"), Some(ProvisionedUse { peak: 3, allocated: 3 }));
    gate.add_permits(3);
    for invoke in running {
        invoke.await.unwrap().unwrap();
    }
    take("1");
    assert_eq!(take("live"), Some(nothing), "the version is the alias's");
    assert_eq!((take("2"), take("dead")), (None, None));
}
