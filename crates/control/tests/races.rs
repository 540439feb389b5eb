//! What many callers at once cannot break.

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};
use support::{start, thing, zip};
use tindra_control::{Control, ControlOptions};
use tindra_core::function::Function;
use tindra_store::JsonRecords as _;
use tindra_testkit::{BOUND, FakeClock, eventually, scope};

async fn record(fixture: &support::Fixture, name: &str) -> Function {
    let key = Function::key(&scope(), name);
    let found = fixture.test.store.metadata.get_json::<Function>(&key).await;
    found.expect("the store works").expect("the function exists").value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_of_one_function_are_serialised() {
    let fixture = Arc::new(start());
    fixture.create("thing").await;
    // Settles whatever comes, as a machine would.
    let settler = tokio::spawn({
        let fixture = Arc::clone(&fixture);
        async move {
            loop {
                fixture.settle("thing", Ok(())).await;
                tokio::task::yield_now().await;
            }
        }
    });
    let updates: Vec<_> = (1..=200)
        .map(|number| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                let mut revisions = Vec::new();
                loop {
                    let description = format!("number {number}");
                    match fixture.ask("PUT", "/thing/configuration", json!({ "Description": description })).await {
                        Ok(reply) => {
                            assert_eq!(reply.output["Description"], description);
                            assert_eq!(reply.output["LastUpdateStatus"], "InProgress");
                            revisions.push(reply.output["RevisionId"].as_str().unwrap().to_owned());
                            return revisions;
                        }
                        Err(error) => assert_eq!(error.code(), "ResourceConflictException"),
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut revisions = HashSet::new();
    for update in updates {
        let done = tokio::time::timeout(3 * BOUND, update).await.unwrap().unwrap();
        revisions.extend(done);
    }
    settler.abort();
    assert_eq!(revisions.len(), 200, "every update is a revision of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_updates_bound_to_one_revision_one_wins() {
    let fixture = Arc::new(start());
    fixture.create("thing").await;
    let revision = record(&fixture, "thing").await.revision_id.to_string();
    let updates: Vec<_> = (0..50)
        .map(|number| {
            let (fixture, revision) = (Arc::clone(&fixture), revision.clone());
            tokio::spawn(async move {
                let body = json!({ "Description": number.to_string(), "RevisionId": revision });
                fixture.ask("PUT", "/thing/configuration", body).await.is_ok()
            })
        })
        .collect();
    let mut won = 0;
    for update in updates {
        won += usize::from(update.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_creations_of_one_name_one_wins() {
    let fixture = Arc::new(start());
    let creations: Vec<_> = (0..20)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { fixture.ask("POST", "", thing("thing")).await.map_err(|error| error.code()) })
        })
        .collect();
    let mut won = 0;
    for creation in creations {
        match creation.await.unwrap() {
            Ok(_) => won += 1,
            Err(code) => assert_eq!(code, "ResourceConflictException"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_function_made_anew_is_another_one() {
    let fixture = start();
    fixture.create("thing").await;
    let first = record(&fixture, "thing").await;
    fixture.done("DELETE", "/thing", Value::Null).await;
    fixture.create("thing").await;
    let second = record(&fixture, "thing").await;
    assert_ne!(first.id, second.id);
    assert_ne!(first.desired.generation, second.desired.generation);
    assert_ne!(first.revision_id, second.revision_id);
}

#[tokio::test]
async fn every_change_is_a_deployment_of_its_own() {
    let fixture = start();
    fixture.create("thing").await;
    let first = record(&fixture, "thing").await;
    fixture.done("PUT", "/thing/configuration", json!({})).await;
    let second = record(&fixture, "thing").await;
    assert_ne!(first.desired.generation, second.desired.generation);
    assert_eq!(second.serving, Some(first.desired), "the deployment before it serves");
}

#[tokio::test]
async fn code_that_nobody_uses_is_swept_and_no_other() {
    let fixture = start();
    fixture.create("kept").await;
    fixture.create("gone").await;
    fixture.create("updated").await;
    fixture.done("PUT", "/updated/code", json!({ "ZipFile": zip("new") })).await;
    let updated = record(&fixture, "updated").await;
    fixture.done("DELETE", "/gone", Value::Null).await;
    let kept = [
        record(&fixture, "kept").await.desired.code.sha256,
        updated.desired.code.sha256,
        updated.serving.unwrap().code.sha256,
    ];
    let blobs = &fixture.test.store.blobs;
    assert_eq!(blobs.list().await.unwrap().len(), 4);
    // A server that starts sweeps.
    let _next = Control::new(fixture.test.store.clone(), Arc::new(FakeClock::at(0)), ControlOptions::default());
    eventually("the unused code is gone", async || blobs.list().await.unwrap().len() == 3).await;
    for sha256 in &kept {
        assert!(blobs.get(sha256).await.unwrap().is_some());
    }
}
