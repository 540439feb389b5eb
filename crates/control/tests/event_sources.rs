//! Event source mappings, configurations of asynchronous invokes, tags: what the black-box tests cannot stop in
//! the middle of.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::start;
use tindra_control::{Control, ControlOptions};
use tindra_core::event_source_mapping::{EventSourceMapping, MappingState};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition};
use tindra_testkit::{eventually, scope};

const MAPPINGS: &str = "/2015-03-31/event-source-mappings";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:jobs";

async fn create_mapping(fixture: &support::Fixture) -> String {
    fixture.create("thing").await;
    let body = json!({ "FunctionName": "thing", "EventSourceArn": QUEUE });
    let created = fixture.done("POST", MAPPINGS, body).await;
    assert_eq!(created["State"], "Creating");
    created["UUID"].as_str().unwrap().to_owned()
}

async fn is_in_state(fixture: &support::Fixture, uuid: &str, state: &str) -> bool {
    let read = fixture.ask("GET", &format!("{MAPPINGS}/{uuid}"), Value::Null).await;
    read.is_ok_and(|reply| reply.output["State"] == state)
}

#[tokio::test]
async fn a_transition_that_was_cut_off_ends_with_the_next_start() {
    let fixture = start();
    let uuid = create_mapping(&fixture).await;
    eventually("the mapping is enabled", || is_in_state(&fixture, &uuid, "Enabled")).await;
    let support::Fixture { test, clock, control } = fixture;
    drop(control);
    // As a server leaves it that is killed between the answer and the end of the transition.
    let key = EventSourceMapping::key(&scope(), uuid.parse().unwrap());
    let mut mapping = test.store.metadata.get_json::<EventSourceMapping>(&key).await.unwrap().unwrap().value;
    (mapping.state, mapping.is_enabled) = (MappingState::Disabling, false);
    let batch = Batch::default().put_json(key.clone(), Precondition::None, &mapping).unwrap();
    test.store.metadata.commit(batch).await.unwrap();

    let control = Control::new(test.store.clone(), Arc::clone(&clock) as _, ControlOptions::default());
    let fixture = support::Fixture { test, clock, control };
    eventually("the mapping is disabled", || is_in_state(&fixture, &uuid, "Disabled")).await;

    fixture.done("DELETE", &format!("{MAPPINGS}/{uuid}"), Value::Null).await;
    let is_gone = || async { fixture.test.store.metadata.get(&key).await.unwrap().is_none() };
    eventually("the mapping is gone", is_gone).await;
    assert!(fixture.test.store.metadata.get(&mapping.pair_key()).await.unwrap().is_none(), "the pair is free again");
}

#[tokio::test]
async fn of_many_creations_of_one_pair_one_succeeds() {
    let fixture = Arc::new(start());
    fixture.create("thing").await;
    let creations: Vec<_> = (0..8)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                let body = json!({ "FunctionName": "thing", "EventSourceArn": QUEUE });
                fixture.ask("POST", MAPPINGS, body).await
            })
        })
        .collect();
    let (mut created, mut refused) = (Vec::new(), Vec::new());
    for creation in creations {
        match creation.await.unwrap() {
            Ok(reply) => created.push(reply.output["UUID"].as_str().unwrap().to_owned()),
            Err(error) => refused.push(error),
        }
    }
    assert_eq!(created.len(), 1);
    for error in refused {
        assert_eq!(error.code(), "ResourceConflictException");
        assert!(error.message().ends_with(&format!("mapping with UUID {}", created[0])), "{}", error.message());
    }
}

#[tokio::test]
async fn a_mapping_in_transition_is_left_alone() {
    let fixture = start();
    let uuid = create_mapping(&fixture).await;
    eventually("the mapping is enabled", || is_in_state(&fixture, &uuid, "Enabled")).await;
    // Each either finds the mapping settled or is told that it is not; nothing is lost in between.
    for batch_size in 1..=10 {
        let path = format!("{MAPPINGS}/{uuid}");
        let body = json!({ "BatchSize": batch_size });
        fixture.done("PUT", &path, body.clone()).await;
        let again = fixture.ask("PUT", &path, body).await;
        if let Err(error) = again {
            assert_eq!(error.code(), "ResourceInUseException");
            assert_eq!(error.message(), "Cannot update the event source mapping because it is in use.");
        }
        eventually("the mapping is enabled", || is_in_state(&fixture, &uuid, "Enabled")).await;
        let read = fixture.done("GET", &path, Value::Null).await;
        assert_eq!(read["BatchSize"], batch_size);
    }
}

#[tokio::test]
async fn a_function_that_is_being_updated_is_not_tagged() {
    let fixture = start();
    fixture.done("POST", "", support::thing("thing")).await;
    let tags = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Athing";
    let (code, message) = fixture.refused("POST", tags, json!({ "Tags": { "a": "1" } })).await;
    assert_eq!(code, "ResourceConflictException");
    assert_eq!(
        message,
        "The operation cannot be performed at this time. An update is in progress for resource: arn:aws:lambda:eu-west-1:123456789012:function:thing"
    );
    assert!(fixture.settle("thing", Ok(())).await);
    fixture.done("POST", tags, json!({ "Tags": { "a": "1" } })).await;
}

#[tokio::test]
async fn configurations_go_with_what_they_belong_to() {
    let fixture = start();
    fixture.create("thing").await;
    fixture.done("POST", "/thing/versions", json!({})).await;
    fixture.done("POST", "/thing/aliases", json!({ "Name": "live", "FunctionVersion": "1" })).await;
    let config = |qualifier: &str| format!("/2019-09-25/functions/thing/event-invoke-config?Qualifier={qualifier}");
    for qualifier in ["$LATEST", "1", "live"] {
        fixture.done("PUT", &config(qualifier), json!({ "MaximumRetryAttempts": 1 })).await;
    }
    let list = "/2019-09-25/functions/thing/event-invoke-config/list";
    let of = async || {
        let listed = fixture.done("GET", list, Value::Null).await;
        let configs = listed["FunctionEventInvokeConfigs"].as_array().unwrap().clone();
        let arns = configs.iter().map(|config| config["FunctionArn"].as_str().unwrap().to_owned());
        arns.map(|arn| arn.rsplit(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of().await, ["$LATEST", "1", "live"]);
    fixture.done("DELETE", "/thing/aliases/live", Value::Null).await;
    assert_eq!(of().await, ["$LATEST", "1"]);
    fixture.done("DELETE", "/thing?Qualifier=1", Value::Null).await;
    assert_eq!(of().await, ["$LATEST"]);
    fixture.done("DELETE", "/thing", Value::Null).await;
    fixture.create("thing").await;
    assert!(of().await.is_empty());
}
