//! The API and the engine together, over a real store, a clock that the test holds and a made-up load.

mod answers;
mod schedules;
mod tracking;

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use tindra_core::alias::Alias;
use tindra_core::function::{Function, Version};
use tindra_core::provisioned::{Provisioned, ProvisionedStatus};
use tindra_store::{Batch, JsonBatch as _, Precondition};
use tindra_testkit::{FakeClock, TestStore, active_function, faulty_store, put_function, scope};
use uuid::Uuid;

use super::*;

/// 2025-01-01T12:00:00Z, a Wednesday.
const START_MS: u64 = 1_735_732_800_000;
const LIVE: &str = "function:f:live";

/// What is provisioned for `f:live`, and how busy it is.
#[derive(Debug)]
struct Lambda {
    store: Store,
    asked: Mutex<Vec<u32>>,
    answer: Mutex<Result<(), ProvisioningError>>,
    status: Mutex<(ProvisionedStatus, Option<String>)>,
    busy: Mutex<u32>,
    capacity: Mutex<u32>,
}

impl Lambda {
    /// Writes what is provisioned, whoever asked.
    async fn provision(&self, scaled: &Scaled, capacity: u32) {
        *self.capacity.lock().unwrap() = capacity;
        let batch = match capacity {
            0 => Batch::default().delete(scaled.provisioned_key(), Precondition::None),
            capacity => {
                let (status, status_reason) = self.status.lock().unwrap().clone();
                let record = Provisioned {
                    scope: scaled.scope.clone(),
                    function_name: scaled.function.clone(),
                    qualifier: scaled.qualifier.clone(),
                    id: Uuid::new_v4(),
                    requested: capacity,
                    allocated: capacity,
                    status,
                    status_reason,
                    last_modified_ms: 0,
                };
                Batch::default().put_json(scaled.provisioned_key(), Precondition::None, &record).unwrap()
            }
        };
        self.store.metadata.commit(batch).await.unwrap();
    }
}

impl Provisioning for Lambda {
    fn set<'a>(&'a self, scaled: &'a Scaled, capacity: u32) -> BoxFuture<'a, Result<(), ProvisioningError>> {
        Box::pin(async move {
            self.answer.lock().unwrap().clone()?;
            self.asked.lock().unwrap().push(capacity);
            self.provision(scaled, capacity).await;
            Ok(())
        })
    }

    fn take_utilisation(&self, _: &Scaled) -> Option<f64> {
        let (busy, capacity) = (*self.busy.lock().unwrap(), *self.capacity.lock().unwrap());
        (capacity > 0).then(|| f64::from(busy.min(capacity)) / f64::from(capacity))
    }
}

struct Place {
    service: AutoscalingService,
    engine: Engine,
    lambda: Arc<Lambda>,
    clock: Arc<FakeClock>,
    scope: Scope,
    test: TestStore,
}

impl Place {
    /// With a function `f` that has a version 1 and an alias `live`.
    async fn new() -> Self {
        let test = faulty_store();
        let (store, scope) = (test.store.clone(), scope());
        let latest = active_function(&scope, "f");
        put_function(&store, &latest).await;
        put_function(&store, &Function { version: Version::Published(1), ..latest }).await;
        let alias = Alias {
            scope: scope.clone(),
            function_name: "f".into(),
            name: "live".into(),
            version: Version::Published(1),
            additional: None,
            description: String::new(),
            revision_id: Uuid::new_v4(),
        };
        let key = Alias::key(&scope, "f", "live");
        store.metadata.commit(Batch::default().put_json(key, Precondition::Absent, &alias).unwrap()).await.unwrap();
        let clock = Arc::new(FakeClock::at(START_MS));
        let lambda = Arc::new(Lambda {
            store: store.clone(),
            asked: Mutex::default(),
            answer: Mutex::new(Ok(())),
            status: Mutex::new((ProvisionedStatus::Ready, None)),
            busy: Mutex::default(),
            capacity: Mutex::default(),
        });
        let iam = IamService::new(store.clone(), clock.clone());
        // The test is the engine's task.
        let idle = Arc::new(Running(tokio::spawn(async {})));
        let service = AutoscalingService { store: store.clone(), clock: clock.clone(), iam, _engine: idle };
        let engine = Engine::new(store, clock.clone(), lambda.clone());
        Self { service, engine, lambda, clock, scope, test }
    }

    /// The same after the server has ended and another begun.
    fn restart(&mut self) {
        self.engine = Engine::new(self.test.store.clone(), self.clock.clone(), self.lambda.clone());
    }

    async fn answer(&self, operation: &str, members: Value) -> Value {
        self.service.answer(&self.scope, operation, subject(members)).await.unwrap()
    }

    async fn refusal(&self, operation: &str, members: Value) -> (&'static str, String) {
        let error = self.service.answer(&self.scope, operation, subject(members)).await.unwrap_err();
        (error.code(), error.message().to_owned())
    }

    async fn register(&self, min: u32, max: u32) {
        self.answer("RegisterScalableTarget", json!({"MinCapacity": min, "MaxCapacity": max})).await;
    }

    /// Lets the engine look twice, as it does when something has changed: what it asks for is seen to be there.
    async fn look(&mut self) {
        for _ in 0..2 {
            self.engine.forget();
            self.engine.look().await.unwrap();
        }
    }

    async fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        self.look().await;
    }

    /// Minutes with so many busy at once.
    async fn minutes(&mut self, count: u32, busy: u32) {
        *self.lambda.busy.lock().unwrap() = busy;
        for _ in 0..count {
            self.pass(Duration::from_secs(60)).await;
        }
    }

    fn capacity(&self) -> u32 {
        *self.lambda.capacity.lock().unwrap()
    }

    /// Every item of every page.
    async fn pages(&self, operation: &str, list: &str, members: Value) -> Vec<Value> {
        let (mut items, mut members) = (Vec::new(), members);
        loop {
            let page = self.answer(operation, members.clone()).await;
            let found = page[list].as_array().unwrap().clone();
            if let Some(size) = members["MaxResults"].as_u64() {
                assert!(found.len() as u64 <= size);
            }
            items.extend(found);
            match page.get("NextToken") {
                Some(token) => members["NextToken"] = token.clone(),
                None => return items,
            }
        }
    }

    async fn activities(&self) -> Vec<Value> {
        self.pages("DescribeScalingActivities", "ScalingActivities", json!({})).await
    }

    /// Description, cause, status and message of the youngest activity.
    async fn last_activity(&self) -> [String; 4] {
        let activity = self.activities().await.into_iter().next().unwrap();
        ["Description", "Cause", "StatusCode", "StatusMessage"]
            .map(|member| activity[member].as_str().unwrap_or_default().to_owned())
    }
}

/// Adds the members that name `f:live`, where a request does not name something itself.
fn subject(mut members: Value) -> Value {
    let usual = [
        ("ServiceNamespace", "lambda"),
        ("ResourceId", LIVE),
        ("ScalableDimension", "lambda:function:ProvisionedConcurrency"),
    ];
    for (member, value) in usual {
        if members.get(member).is_none() {
            members[member] = value.into();
        }
    }
    members
}

#[tokio::test]
async fn new_bounds_move_the_capacity_at_once_and_old_ones_leave_it() {
    let mut place = Place::new().await;
    place.register(3, 10).await;
    place.look().await;
    assert_eq!(place.capacity(), 3);
    assert_eq!(
        place.last_activity().await,
        [
            "Setting desired concurrency to 3.",
            "minimum capacity was set to 3",
            "Successful",
            "Successfully set desired concurrency to 3. Change successfully fulfilled by lambda.",
        ]
    );
    place.register(1, 2).await;
    place.look().await;
    assert_eq!(place.capacity(), 2);
    assert_eq!(place.last_activity().await[1], "maximum capacity was set to 2");
    place.register(0, 0).await;
    place.look().await;
    assert_eq!(*place.lambda.asked.lock().unwrap(), [3, 2, 0], "nothing is provisioned any more");
    assert_eq!(place.last_activity().await[2], "Successful");
    // Somebody else goes beyond the bounds: that is their business.
    place.register(1, 5).await;
    place.look().await;
    place.lambda.provision(&scaled(), 8).await;
    place.minutes(5, 0).await;
    assert_eq!(place.capacity(), 8);
}

fn scaled() -> Scaled {
    names::ScaledName::parse(LIVE).unwrap().within(&scope())
}

#[tokio::test]
async fn a_change_is_told_of_until_it_is_there() {
    let mut place = Place::new().await;
    *place.lambda.status.lock().unwrap() = (ProvisionedStatus::InProgress, None);
    place.register(2, 4).await;
    place.look().await;
    let waiting = "Successfully set desired concurrency to 2. Waiting for change to be fulfilled by lambda.";
    assert_eq!(place.last_activity().await[2..], ["InProgress", waiting]);
    assert!(place.activities().await[0].get("EndTime").is_none());
    *place.lambda.status.lock().unwrap() = (ProvisionedStatus::Failed, Some("FUNCTION_ERROR_INIT_FAILURE".into()));
    place.lambda.provision(&scaled(), 2).await;
    place.pass(Duration::from_secs(1)).await;
    let failed = "Failed to set desired concurrency to 2. Reason: FUNCTION_ERROR_INIT_FAILURE";
    assert_eq!(place.last_activity().await[2..], ["Failed", failed]);

    *place.lambda.status.lock().unwrap() = (ProvisionedStatus::InProgress, None);
    place.register(3, 4).await;
    place.look().await;
    place.lambda.provision(&scaled(), 4).await;
    place.pass(Duration::from_secs(1)).await;
    assert_eq!(place.last_activity().await[2], "Overridden", "somebody else set another capacity");
    place.register(2, 2).await;
    place.look().await;
    place.register(5, 5).await;
    place.look().await;
    let states: Vec<Value> = place.activities().await.iter().map(|one| one["StatusCode"].clone()).collect();
    assert_eq!(states, ["InProgress", "Overridden", "Overridden", "Failed"]);
}

#[tokio::test]
async fn a_capacity_that_cannot_be_had_is_a_failed_activity_and_is_not_tried_again() {
    let mut place = Place::new().await;
    let reason = "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [5].";
    *place.lambda.answer.lock().unwrap() = Err(ProvisioningError::Refused(reason.into()));
    place.register(9, 9).await;
    place.look().await;
    let message = format!("Failed to set desired concurrency to 9. Reason: {reason}");
    assert_eq!(place.last_activity().await[2..], ["Failed".to_owned(), message]);
    *place.lambda.answer.lock().unwrap() = Ok(());
    place.pass(Duration::from_secs(60)).await;
    assert_eq!(place.capacity(), 0);
    assert_eq!(place.activities().await.len(), 1);
}

#[tokio::test]
async fn what_nobody_knows_the_outcome_of_is_asked_for_again_also_by_the_next_server() {
    let mut place = Place::new().await;
    *place.lambda.answer.lock().unwrap() = Err(ProvisioningError::Unavailable("the store is away".into()));
    place.register(3, 9).await;
    place.look().await;
    assert_eq!(place.last_activity().await[2], "InProgress");
    place.restart();
    *place.lambda.answer.lock().unwrap() = Ok(());
    place.look().await;
    assert_eq!((place.capacity(), place.last_activity().await[2].as_str()), (3, "Successful"));
}

#[tokio::test]
async fn a_store_that_fails_delays_and_loses_nothing() {
    let mut place = Place::new().await;
    place.register(3, 9).await;
    place.test.fail(true);
    assert!(place.engine.look().await.is_err());
    place.test.fail(false);
    place.look().await;
    assert_eq!((place.capacity(), place.activities().await.len()), (3, 1));
}

#[tokio::test]
async fn the_task_follows_the_records_by_itself() {
    let place = Place::new().await;
    let (store, clock) = (place.test.store.clone(), place.clock.clone());
    let iam = place.service.iam.clone();
    let service = AutoscalingService::start(store, clock, iam, place.lambda.clone());
    let members = subject(json!({"MinCapacity": 2, "MaxCapacity": 4}));
    service.answer(&place.scope, "RegisterScalableTarget", members).await.unwrap();
    tindra_testkit::eventually("the capacity is 2", async || place.capacity() == 2).await;
}
