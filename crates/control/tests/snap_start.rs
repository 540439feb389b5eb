//! SnapStart as tools see it: on published versions, which wait for their snapshot.

mod support;

use serde_json::{Value, json};
use support::{Fixture, start, thing};
use tindra_core::function::{Reason, Version};
use tindra_testkit::{scope, settle_version};

fn snap_started(name: &str) -> Value {
    let mut body = thing(name);
    body["SnapStart"] = json!({ "ApplyOn": "PublishedVersions" });
    body
}

/// A function with SnapStart, `$LATEST` active.
async fn create(fixture: &Fixture) -> Value {
    let created = fixture.done("POST", "", snap_started("thing")).await;
    assert!(fixture.settle("thing", Ok(())).await);
    created
}

async fn settle(fixture: &Fixture, number: u64, outcome: Result<(), Reason>) -> bool {
    settle_version(&fixture.test.store, &scope(), "thing", Version::Published(number), outcome).await
}

#[tokio::test]
async fn a_version_is_pending_until_its_snapshot_is_made() {
    let fixture = start();
    let created = create(&fixture).await;
    assert_eq!(created["SnapStart"], json!({ "ApplyOn": "PublishedVersions", "OptimizationStatus": "Off" }));
    let published = fixture.done("POST", "/thing/versions", json!({})).await;
    assert_eq!(published["SnapStart"], json!({ "ApplyOn": "PublishedVersions", "OptimizationStatus": "On" }));
    assert_eq!((&published["State"], &published["StateReasonCode"]), (&json!("Pending"), &json!("Creating")));
    let again = fixture.done("POST", "/thing/versions", json!({})).await;
    assert_eq!(again["Version"], "1", "nothing has changed");
    // `$LATEST` goes on meanwhile, and can be changed.
    fixture.done("PUT", "/thing/configuration", json!({ "Timeout": 5 })).await;
    assert!(settle(&fixture, 1, Ok(())).await);
    let version = fixture.done("GET", "/thing/configuration?Qualifier=1", Value::Null).await;
    assert_eq!((&version["State"], &version["LastUpdateStatus"]), (&json!("Active"), &json!("Successful")));
    assert_eq!(version["SnapStart"]["OptimizationStatus"], "On");
}

#[tokio::test]
async fn a_version_whose_init_fails_is_failed_and_no_alias_leads_to_it() {
    let fixture = start();
    create(&fixture).await;
    fixture.done("POST", "/thing/versions", json!({})).await;
    let reason = Reason { code: "FunctionError".to_owned(), message: "It failed.".to_owned() };
    assert!(settle(&fixture, 1, Err(reason)).await);
    let version = fixture.done("GET", "/thing/configuration?Qualifier=1", Value::Null).await;
    assert_eq!((&version["State"], &version["StateReasonCode"]), (&json!("Failed"), &json!("FunctionError")));
    assert_eq!(version["StateReason"], "It failed.");
    let refused = fixture.refused("POST", "/thing/aliases", json!({ "Name": "live", "FunctionVersion": "1" })).await;
    assert_eq!(refused.0, "ResourceConflictException");
    assert!(refused.1.ends_with("in the following state: Failed"), "{}", refused.1);
}

#[tokio::test]
async fn a_function_without_it_is_published_at_once() {
    let fixture = start();
    create(&fixture).await;
    fixture.done("PUT", "/thing/configuration", json!({ "SnapStart": { "ApplyOn": "None" } })).await;
    assert!(fixture.settle("thing", Ok(())).await);
    let published = fixture.done("POST", "/thing/versions", json!({})).await;
    assert_eq!(published["State"], "Active");
    assert_eq!(published["SnapStart"], json!({ "ApplyOn": "None", "OptimizationStatus": "Off" }));
}

#[tokio::test]
async fn what_does_not_go_together_is_refused() {
    let fixture = start();
    for (member, value, message) in [
        ("Runtime", json!("python3.11"), "python3.11 is not supported for SnapStart enabled functions."),
        ("Runtime", json!("nodejs22.x"), "nodejs22.x is not supported for SnapStart enabled functions."),
        (
            "Runtime",
            json!("java21"),
            "java21 is not supported for SnapStart enabled functions. This server makes snapshots of python3.12 and later.",
        ),
        (
            "EphemeralStorage",
            json!({ "Size": 513 }),
            "EphemeralStorage of more than 512 MB is not supported for SnapStart enabled functions.",
        ),
    ] {
        let mut body = snap_started("other");
        body[member] = value.clone();
        let refused = fixture.refused("POST", "", body).await;
        assert_eq!(refused, ("InvalidParameterValueException", message.to_owned()));
    }
    create(&fixture).await;
    let later = fixture.refused("PUT", "/thing/configuration", json!({ "Runtime": "python3.11" })).await;
    assert!(later.1.starts_with("python3.11 is not supported"), "{}", later.1);
}

#[tokio::test]
async fn provisioned_concurrency_excludes_it_by_version_and_by_alias() {
    let fixture = start();
    fixture.create("thing").await;
    fixture.done("POST", "/thing/versions", json!({})).await;
    let with_it = json!({ "SnapStart": { "ApplyOn": "PublishedVersions" } });
    fixture.done("PUT", "/thing/configuration", with_it).await;
    assert!(fixture.settle("thing", Ok(())).await);
    fixture.done("POST", "/thing/versions", json!({})).await;
    let one = json!({ "ProvisionedConcurrentExecutions": 1 });
    let provisioned =
        |qualifier: &str| format!("/2019-09-30/functions/thing/provisioned-concurrency?Qualifier={qualifier}");
    let expected = "Provisioned Concurrency is not supported for SnapStart enabled functions.";
    let refused = fixture.refused("PUT", &provisioned("2"), one.clone()).await;
    assert_eq!(refused, ("InvalidParameterValueException", expected.to_owned()));
    fixture.done("POST", "/thing/aliases", json!({ "Name": "live", "FunctionVersion": "1" })).await;
    fixture.done("PUT", &provisioned("live"), one).await;
    let moved = fixture.refused("PUT", "/thing/aliases/live", json!({ "FunctionVersion": "2" })).await;
    assert_eq!(moved, ("InvalidParameterValueException", expected.to_owned()));
}
