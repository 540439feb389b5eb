//! Code signing configurations in the store: none goes while a function uses it.

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Fixture, start, thing};
use tindra_testkit::BOUND;

const CONFIGS: &str = "/2020-04-22/code-signing-configs";
const USE: &str = "/2020-06-30/functions/thing/code-signing-config";

async fn create(fixture: &Fixture) -> String {
    let publishers = json!({ "SigningProfileVersionArns": ["arn:aws:signer:eu-west-1:123456789012:/x/y"] });
    let created = fixture.done("POST", CONFIGS, json!({ "AllowedPublishers": publishers })).await;
    created["CodeSigningConfig"]["CodeSigningConfigArn"].as_str().expect("it has an ARN").to_owned()
}

#[tokio::test]
async fn a_function_that_goes_leaves_its_configuration() {
    let fixture = start();
    let arn = create(&fixture).await;
    let mut body = thing("thing");
    body["CodeSigningConfigArn"] = json!(arn);
    fixture.done("POST", "", body).await;
    let read = fixture.done("GET", USE, Value::Null).await;
    assert_eq!(read, json!({ "CodeSigningConfigArn": arn, "FunctionName": "thing" }));
    let (code, _) = fixture.refused("DELETE", &format!("{CONFIGS}/{arn}"), Value::Null).await;
    assert_eq!(code, "ResourceConflictException");
    fixture.done("DELETE", "/thing", Value::Null).await;
    fixture.done("DELETE", &format!("{CONFIGS}/{arn}"), Value::Null).await;
    let left = fixture.test.store.metadata.list("code-signing", None, 10).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_does_not_go_under_a_function() {
    for _ in 0..30 {
        let fixture = Arc::new(start());
        fixture.create("thing").await;
        let arn = create(&fixture).await;
        let put = tokio::spawn({
            let (fixture, arn) = (Arc::clone(&fixture), arn.clone());
            async move { fixture.ask("PUT", USE, json!({ "CodeSigningConfigArn": arn })).await.is_ok() }
        });
        let delete = tokio::spawn({
            let (fixture, arn) = (Arc::clone(&fixture), arn.clone());
            async move { fixture.ask("DELETE", &format!("{CONFIGS}/{arn}"), Value::Null).await.is_ok() }
        });
        let is_used = tokio::time::timeout(BOUND, put).await.unwrap().unwrap();
        let is_gone = tokio::time::timeout(BOUND, delete).await.unwrap().unwrap();
        assert!(is_used != is_gone, "one of both wins");
        let read = fixture.done("GET", USE, Value::Null).await;
        assert_eq!(read.get("CodeSigningConfigArn"), is_used.then(|| json!(arn)).as_ref());
    }
}
