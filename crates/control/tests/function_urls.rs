//! Function URLs in the store: an address leads to a URL that is there, whatever comes and goes at once.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use support::{Fixture, start};
use tindra_core::alias::Alias;
use tindra_core::function::Function;
use tindra_core::function_url::{FunctionUrl, FunctionUrlTarget, URL_ID_PREFIX};
use tindra_store::JsonRecords as _;
use tindra_testkit::{BOUND, scope};

const URL: &str = "/2021-10-31/functions/thing/url";

async fn all<T: serde::de::DeserializeOwned>(fixture: &Fixture, prefix: &str) -> Vec<(String, T)> {
    let records = fixture.test.store.metadata.list_json::<T>(prefix, None, 1_000).await.expect("the store works");
    records.into_iter().map(|record| (record.key, record.value)).collect()
}

async fn publish_and_name(fixture: &Fixture, alias: &str) {
    fixture.create("thing").await;
    fixture.done("POST", "/thing/versions", json!({})).await;
    fixture.done("POST", "/thing/aliases", json!({ "Name": alias, "FunctionVersion": "1" })).await;
}

/// Checks that URLs and ids are one to one, and that what a URL belongs to is there. Gives the number of URLs.
async fn check(fixture: &Fixture) -> usize {
    let urls: Vec<(String, FunctionUrl)> = all(fixture, "function-url/").await;
    let targets: Vec<(String, FunctionUrlTarget)> = all(fixture, URL_ID_PREFIX).await;
    let made: BTreeSet<_> = urls.iter().map(|(_, url)| FunctionUrl::id_key(&url.id)).collect();
    let led: BTreeSet<_> = targets.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(made, led, "every id leads to a URL and every URL has its id");
    for (key, url) in &urls {
        assert_eq!(*key, FunctionUrl::key(&url.scope, &url.function_name, url.alias.as_deref()));
        let owner = match &url.alias {
            Some(alias) => Alias::key(&url.scope, &url.function_name, alias),
            None => Function::key(&url.scope, &url.function_name),
        };
        let found = fixture.test.store.metadata.get(&owner).await.expect("the store works");
        assert!(found.is_some(), "{owner} is gone");
    }
    urls.len()
}

#[tokio::test]
async fn an_id_leads_to_its_url_and_goes_with_it() {
    let fixture = start();
    publish_and_name(&fixture, "live").await;
    let created = fixture.done("POST", URL, json!({ "AuthType": "NONE" })).await;
    fixture.done("POST", &format!("{URL}?Qualifier=live"), json!({ "AuthType": "AWS_IAM" })).await;
    assert_eq!(check(&fixture).await, 2);
    let address = created["FunctionUrl"].as_str().unwrap();
    let id = address.strip_prefix("http://").and_then(|rest| rest.split('.').next()).unwrap();
    assert_eq!(address, format!("http://{id}.lambda-url.eu-west-1.localhost:4566/"));
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{id}");
    let target = all::<FunctionUrlTarget>(&fixture, &FunctionUrl::id_key(id)).await.remove(0).1;
    assert_eq!(target, FunctionUrlTarget { scope: scope(), function_name: "thing".to_owned(), alias: None });

    fixture.done("DELETE", URL, Value::Null).await;
    assert_eq!(check(&fixture).await, 1);
    fixture.done("DELETE", "/thing/aliases/live", Value::Null).await;
    assert_eq!(check(&fixture).await, 0);
    fixture.done("POST", URL, json!({ "AuthType": "NONE" })).await;
    fixture.done("DELETE", "/thing", Value::Null).await;
    assert_eq!(check(&fixture).await, 0);
}

#[tokio::test]
async fn stamps_and_changes() {
    let fixture = start();
    fixture.create("thing").await;
    let created = fixture.done("POST", URL, json!({ "AuthType": "NONE" })).await;
    assert_eq!(created["CreationTime"], "2026-01-31T12:00:00.123000Z");
    fixture.clock.advance(std::time::Duration::from_secs(1));
    let updated = fixture.done("PUT", URL, json!({ "InvokeMode": "RESPONSE_STREAM" })).await;
    assert_eq!(updated["LastModifiedTime"], "2026-01-31T12:00:01.123000Z");
    assert_eq!((&updated["CreationTime"], &updated["AuthType"]), (&created["CreationTime"], &json!("NONE")));
    assert_eq!(updated["FunctionUrl"], created["FunctionUrl"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_id_is_left_when_urls_and_their_owners_come_and_go_at_once() {
    let fixture = Arc::new(start());
    publish_and_name(&fixture, "live").await;
    let alias = json!({ "Name": "live", "FunctionVersion": "1" });
    let steps = [
        ("POST", format!("{URL}?Qualifier=live"), json!({ "AuthType": "NONE" })),
        ("DELETE", format!("{URL}?Qualifier=live"), Value::Null),
        ("POST", URL.to_owned(), json!({ "AuthType": "NONE" })),
        ("POST", "/thing/aliases".to_owned(), alias),
        ("DELETE", "/thing/aliases/live".to_owned(), Value::Null),
        ("POST", String::new(), support::thing("thing")),
        ("POST", "/thing/versions".to_owned(), json!({})),
        ("DELETE", "/thing".to_owned(), Value::Null),
    ];
    let callers: Vec<_> = steps
        .into_iter()
        .map(|(method, path, body)| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                for _ in 0..40 {
                    // Most of them find nothing to do, which is as good.
                    let _ = fixture.ask(method, &path, body.clone()).await;
                    let _ = fixture.settle("thing", Ok(())).await;
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::time::timeout(3 * BOUND, caller).await.unwrap().unwrap();
    }
    check(&fixture).await;
}
