//! The service over a real store and a clock that the test holds.

mod lines;
mod rules;

use std::sync::Arc;

use serde_json::{Value, json};
use tindra_core::clock::{Clock, Timer, UnixMs};
use tindra_core::function::Scope;
use tindra_outside::anywhere::Reach;
use tindra_store::{Batch, BoxFuture, Message, MessageChange, Store, StoreError};
use tindra_testkit::{FakeClock, TestStore, scope};

use super::SqsService;
use crate::iam::{IamService, Identity};
use crate::outbox::Outbox;
use crate::{Asker, Surroundings};

/// A clock that is moved by hand and that nobody can wait for.
#[derive(Debug)]
struct Held(FakeClock);

impl Clock for Held {
    fn unix_ms(&self) -> UnixMs {
        self.0.unix_ms()
    }

    fn monotonic(&self) -> std::time::Duration {
        self.0.monotonic()
    }
}

impl Timer for Held {
    fn wait_until(&self, _: UnixMs) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Writes what it is given; nobody works on the messages.
#[derive(Debug)]
struct Written(Store);

impl Outbox for Written {
    fn commit(&self, batch: Batch, messages: Vec<Message>) -> BoxFuture<'_, Result<u64, StoreError>> {
        let enqueue = |message| MessageChange::Enqueue { message, held_until_ms: None };
        let batch = messages.into_iter().map(enqueue).fold(batch, Batch::message);
        Box::pin(async move { self.0.metadata.commit(batch).await })
    }
}

/// Nothing here sends requests anywhere.
#[derive(Debug)]
struct NoWhere;

impl Reach for NoWhere {
    fn check(&self, address: std::net::IpAddr) -> Result<(), String> {
        Err(format!("{address} is not to be reached"))
    }
}

struct Place {
    sqs: SqsService,
    clock: Arc<Held>,
    scope: Scope,
    identity: Identity,
    test: TestStore,
}

impl Place {
    fn new(is_checked: bool) -> Self {
        let test = tindra_testkit::store();
        let clock = Arc::new(Held(FakeClock::at(1_735_732_800_000)));
        let store = test.store.clone();
        let around = Surroundings {
            store: store.clone(),
            timer: Arc::clone(&clock) as _,
            outbox: Arc::new(Written(store.clone())),
            reach: Arc::new(NoWhere),
            is_checked,
        };
        let iam = IamService::new(store, Arc::clone(&clock) as _);
        let scope = scope();
        let identity = Identity::root(&scope.account);
        Self { sqs: SqsService::start(around, iam), clock, scope, identity, test }
    }

    fn advance(&self, ms: u64) {
        self.clock.0.advance(std::time::Duration::from_millis(ms));
    }

    async fn ask(&self, operation: &str, input: Value) -> Result<Value, String> {
        let (scope, identity) = (&self.scope, &self.identity);
        let asker = Asker { scope, identity, endpoint: "http://here", request_id: "id", trace_id: None };
        self.sqs.answer(asker, operation, input).await.map_err(|error| error.code().to_owned())
    }

    async fn create(&self, name: &str, attributes: Value) -> String {
        let created = self.ask("CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await.unwrap();
        created["QueueUrl"].as_str().unwrap().to_owned()
    }

    async fn receive(&self, url: &str, most: usize) -> Vec<Value> {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": most, "AttributeNames": ["All"]});
        let received = self.ask("ReceiveMessage", input).await.unwrap();
        received["Messages"].as_array().cloned().unwrap_or_default()
    }
}
