//! The life of a function, as tools see it.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Duration;
use support::{start, start_with, thing, zip};
use tindra_control::ControlOptions;
use tindra_core::function::Reason;

#[tokio::test]
async fn a_function_is_pending_then_active_and_shows_its_defaults() {
    let fixture = start();
    let created = fixture.done("POST", "", thing("thing")).await;
    assert_eq!(created["FunctionArn"], "arn:aws:lambda:eu-west-1:123456789012:function:thing");
    assert_eq!((&created["State"], &created["StateReasonCode"]), (&json!("Pending"), &json!("Creating")));
    assert_eq!(created["StateReason"], "The function is being created.");
    assert!(created.get("LastUpdateStatus").is_none() && created.get("LastUpdateStatusReason").is_none());
    assert_eq!(created["LastModified"], "2026-01-31T12:00:00.123+0000");
    for (member, value) in [
        ("Timeout", json!(3)),
        ("MemorySize", json!(128)),
        ("EphemeralStorage", json!({ "Size": 512 })),
        ("PackageType", json!("Zip")),
        ("TracingConfig", json!({ "Mode": "PassThrough" })),
        ("SnapStart", json!({ "ApplyOn": "None", "OptimizationStatus": "Off" })),
        ("LoggingConfig", json!({ "LogFormat": "Text", "LogGroup": "/aws/lambda/thing" })),
        ("Version", json!("$LATEST")),
        ("Description", json!("")),
    ] {
        assert_eq!(created[member], value, "{member}");
    }
    let pending = fixture.done("GET", "/thing/configuration", Value::Null).await;
    assert_eq!((&pending["State"], &pending["LastUpdateStatus"]), (&json!("Pending"), &json!("InProgress")));
    assert_eq!(pending["LastUpdateStatusReasonCode"], "Creating");
    assert!(fixture.settle("thing", Ok(())).await);
    let active = fixture.done("GET", "/thing/configuration", Value::Null).await;
    assert_eq!((&active["State"], &active["LastUpdateStatus"]), (&json!("Active"), &json!("Successful")));
    assert!(active.get("StateReason").is_none() && active.get("LastUpdateStatusReason").is_none());
    assert_ne!(active["RevisionId"], created["RevisionId"]);
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let fixture = start();
    fixture.create("thing").await;
    let refused = fixture.refused("POST", "", thing("thing")).await;
    assert_eq!(refused, ("ResourceConflictException", "Function already exist: thing".to_owned()));
}

#[tokio::test]
async fn unsettled_functions_refuse_changes() {
    let fixture = start();
    fixture.done("POST", "", thing("thing")).await;
    let busy = "The operation cannot be performed at this time. An update is in progress for resource: arn:aws:lambda:eu-west-1:123456789012:function:thing";
    for _ in 0..2 {
        for (path, body) in
            [("/thing/code", json!({ "ZipFile": zip("2") })), ("/thing/configuration", json!({ "Timeout": 5 }))]
        {
            let refused = fixture.refused("PUT", path, body).await;
            assert_eq!(refused, ("ResourceConflictException", busy.to_owned()));
        }
        // The second time round it is an update that is in progress.
        fixture.settle("thing", Ok(())).await;
        fixture.done("PUT", "/thing/configuration", json!({ "Timeout": 9 })).await;
    }
}

#[tokio::test]
async fn an_update_is_in_progress_until_it_is_settled() {
    let fixture = start();
    let created = fixture.create("thing").await;
    fixture.clock.advance(Duration::from_secs(1));
    let update = json!({ "MemorySize": 256, "Environment": { "Variables": { "GREETING": "hello" } } });
    let updated = fixture.done("PUT", "/thing/configuration", update).await;
    assert_eq!((&updated["State"], &updated["LastUpdateStatus"]), (&json!("Active"), &json!("InProgress")));
    assert_eq!(updated["LastUpdateStatusReason"], "The function is being created.");
    assert_eq!((&updated["MemorySize"], &updated["Timeout"]), (&json!(256), &json!(3)));
    assert_eq!(updated["Environment"], json!({ "Variables": { "GREETING": "hello" } }));
    assert_eq!(updated["LastModified"], "2026-01-31T12:00:01.123+0000");
    assert_eq!(updated["CodeSha256"], created["CodeSha256"]);
    assert!(fixture.settle("thing", Ok(())).await);

    let updated = fixture.done("PUT", "/thing/code", json!({ "ZipFile": zip("other") })).await;
    assert_ne!(updated["CodeSha256"], created["CodeSha256"]);
    assert_eq!(updated["MemorySize"], 256);
    let reason = Reason { code: "InvalidRuntime".to_owned(), message: "no such runtime".to_owned() };
    assert!(fixture.settle("thing", Err(reason)).await);
    let failed = fixture.done("GET", "/thing/configuration", Value::Null).await;
    assert_eq!((&failed["State"], &failed["LastUpdateStatus"]), (&json!("Active"), &json!("Failed")));
    assert_eq!(failed["LastUpdateStatusReasonCode"], "InvalidRuntime");
    fixture.done("PUT", "/thing/configuration", json!({ "Timeout": 4 })).await;
}

#[tokio::test]
async fn a_failed_creation_can_only_be_deleted() {
    let fixture = start();
    fixture.done("POST", "", thing("thing")).await;
    let reason = Reason { code: "InvalidRuntime".to_owned(), message: "no such runtime".to_owned() };
    assert!(fixture.settle("thing", Err(reason)).await);
    let failed = fixture.done("GET", "/thing/configuration", Value::Null).await;
    assert_eq!((&failed["State"], &failed["StateReason"]), (&json!("Failed"), &json!("no such runtime")));
    assert_eq!(fixture.refused("PUT", "/thing/configuration", json!({})).await.0, "ResourceConflictException");
    assert_eq!(fixture.ask("DELETE", "/thing", Value::Null).await.unwrap().status, Some(204));
}

#[tokio::test]
async fn changes_can_be_bound_to_a_revision() {
    let fixture = start();
    fixture.create("thing").await;
    let seen = fixture.done("GET", "/thing/configuration", Value::Null).await["RevisionId"].clone();
    let update = json!({ "Timeout": 5, "RevisionId": seen });
    fixture.done("PUT", "/thing/configuration", update.clone()).await;
    fixture.settle("thing", Ok(())).await;
    let (code, message) = fixture.refused("PUT", "/thing/configuration", update).await;
    assert_eq!(code, "PreconditionFailedException");
    assert!(message.contains("Call the GetFunction/GetAlias API"), "{message}");
    let code = json!({ "ZipFile": zip("2"), "RevisionId": "old" });
    assert_eq!(fixture.refused("PUT", "/thing/code", code).await.0, "PreconditionFailedException");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let fixture = start();
    fixture.create("thing").await;
    let before = fixture.done("GET", "/thing/configuration", Value::Null).await;
    let blobs = fixture.test.store.blobs.list().await.unwrap();
    let answer = fixture.done("PUT", "/thing/code", json!({ "ZipFile": zip("2"), "DryRun": true })).await;
    assert_ne!(answer["CodeSha256"], before["CodeSha256"]);
    assert_eq!(fixture.done("GET", "/thing/configuration", Value::Null).await, before);
    assert_eq!(fixture.test.store.blobs.list().await.unwrap(), blobs);
}

#[tokio::test]
async fn code_can_be_fetched_for_ten_minutes() {
    let fixture = start();
    let mut body = thing("thing");
    body["Tags"] = json!({ "team": "a" });
    fixture.done("POST", "", body.clone()).await;
    let got = fixture.done("GET", "/thing", Value::Null).await;
    assert_eq!(got["Configuration"]["FunctionName"], "thing");
    assert_eq!((&got["Tags"], &got["Code"]["RepositoryType"]), (&json!({ "team": "a" }), &json!("S3")));
    let location = got["Code"]["Location"].as_str().unwrap();
    let token = location.strip_prefix("http://127.0.0.1:4566/_tindra/code/").unwrap();
    let zip = STANDARD.decode(body["Code"]["ZipFile"].as_str().unwrap()).unwrap();
    assert_eq!(fixture.control.code(token).await.unwrap(), zip);
    fixture.clock.advance(Duration::from_secs(599));
    assert!(fixture.control.code(token).await.is_some());
    fixture.clock.advance(Duration::from_secs(1));
    assert!(fixture.control.code(token).await.is_none(), "the link has expired");

    let later = token.replacen(&format!(".{}", 1_769_860_800_123_u64 + 600_000), ".9999999999999", 1);
    assert_ne!(later, token);
    let cut = &token[..token.len() - 2];
    for forged in ["", ".", "a.b.c", "é", later.as_str(), cut] {
        assert!(fixture.control.code(forged).await.is_none(), "{forged}");
    }
}

#[tokio::test]
async fn only_zips_are_taken() {
    let fixture = start();
    let with = |source: Value| {
        let mut body = thing("thing");
        body["Code"] = source;
        body
    };
    for (source, code, text) in [
        (json!({}), "InvalidParameterValueException", "Please provide a source for function code."),
        (json!({ "ZipFile": "" }), "InvalidParameterValueException", "Uploaded file must be a non-empty zip"),
        (json!({ "ZipFile": "bm8gemlw" }), "InvalidParameterValueException", "Could not unzip uploaded file."),
        (json!({ "S3Bucket": "bucket", "S3Key": "k" }), "InvalidParameterValueException", "This server has no S3 "),
        (json!({ "S3Key": "k" }), "InvalidParameterValueException", "Please provide a source for function code."),
        (json!({ "ImageUri": "image" }), "InvalidParameterValueException", "Code.ImageUri: "),
    ] {
        let (refused, message) = fixture.refused("POST", "", with(source)).await;
        assert!(refused == code && message.starts_with(text), "{refused}: {message}");
    }
    let large = STANDARD.encode(vec![0_u8; 52_428_801]);
    let (refused, message) = fixture.refused("POST", "", with(json!({ "ZipFile": large }))).await;
    assert_eq!(
        (refused, message.as_str()),
        ("RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes")
    );
    assert!(fixture.test.store.blobs.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn names_are_read_in_every_form_and_missing_functions_named() {
    let fixture = start();
    fixture.create("thing").await;
    for name in ["thing", "function:thing", "123456789012:function:thing", "thing:$LATEST"] {
        let got = fixture.done("GET", &format!("/{}/configuration", name.replace('$', "%24")), Value::Null).await;
        assert_eq!(got["FunctionName"], "thing");
    }
    let qualified = fixture.done("GET", "/thing/configuration?Qualifier=%24LATEST", Value::Null).await;
    assert_eq!(qualified["FunctionArn"], "arn:aws:lambda:eu-west-1:123456789012:function:thing:$LATEST");
    let missing = fixture.refused("GET", "/thing?Qualifier=prod", Value::Null).await;
    let text = "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:thing:prod";
    assert_eq!(missing, ("ResourceNotFoundException", text.to_owned()));
    assert_eq!(fixture.refused("PUT", "/other/configuration", json!({})).await.0, "ResourceNotFoundException");
    let (code, message) = fixture.refused("PUT", "/thing:prod/configuration", json!({})).await;
    assert!(code == "InvalidParameterValueException" || code == "ValidationException", "{code}: {message}");
}

#[tokio::test]
async fn deleting_is_for_whole_functions() {
    let fixture = start();
    fixture.create("thing").await;
    let latest = fixture.refused("DELETE", "/thing?Qualifier=%24LATEST", Value::Null).await;
    let text = "$LATEST version cannot be deleted without deleting the function.";
    assert_eq!(latest, ("InvalidParameterValueException", text.to_owned()));
    assert_eq!(fixture.refused("DELETE", "/thing?Qualifier=7", Value::Null).await.0, "ResourceNotFoundException");
    assert_eq!(
        fixture.refused("DELETE", "/thing?Qualifier=prod", Value::Null).await.0,
        "InvalidParameterValueException"
    );
    assert_eq!(fixture.ask("DELETE", "/thing", Value::Null).await.unwrap().status, Some(204));
    assert_eq!(fixture.refused("GET", "/thing", Value::Null).await.0, "ResourceNotFoundException");
    assert_eq!(fixture.refused("DELETE", "/thing", Value::Null).await.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let fixture = start();
    for number in 0..55 {
        fixture.create(&format!("thing-{number:02}")).await;
    }
    let names = |page: &Value| -> Vec<String> {
        page["Functions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["FunctionName"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = fixture.done("GET", "?MaxItems=1000", Value::Null).await;
    assert_eq!(names(&first).len(), 50);
    let path = format!("?Marker={}", first["NextMarker"].as_str().unwrap());
    let second = fixture.done("GET", &path, Value::Null).await;
    assert_eq!(names(&second), ["thing-50", "thing-51", "thing-52", "thing-53", "thing-54"]);
    assert!(second.get("NextMarker").is_none());
    let small = fixture.done("GET", "?MaxItems=2&FunctionVersion=ALL", Value::Null).await;
    assert_eq!(names(&small).len(), 2);
    let arn = small["Functions"][0]["FunctionArn"].as_str().unwrap();
    assert!(arn.ends_with(":thing-00:$LATEST"), "{arn}");
    assert_eq!(fixture.refused("GET", "?Marker=%21", Value::Null).await.0, "InvalidParameterValueException");
    let edge = fixture.done("GET", "?MasterRegion=us-east-1&FunctionVersion=ALL", Value::Null).await;
    assert_eq!(edge, json!({ "Functions": [] }));
}

#[tokio::test]
async fn usage_is_counted_and_reset_empties_everything() {
    let fixture = start();
    let settings = "/2016-08-19/account-settings";
    let mut code_size = 0;
    for name in ["one", "two"] {
        code_size += fixture.create(name).await["CodeSize"].as_u64().unwrap();
    }
    let answer = fixture.done("GET", settings, Value::Null).await;
    assert_eq!(answer["AccountUsage"], json!({ "TotalCodeSize": code_size, "FunctionCount": 2 }));
    assert_eq!(answer["AccountLimit"]["ConcurrentExecutions"], 1_000);
    fixture.control.reset().await.unwrap();
    let answer = fixture.done("GET", settings, Value::Null).await;
    assert_eq!(answer["AccountUsage"], json!({ "TotalCodeSize": 0, "FunctionCount": 0 }));
    assert!(fixture.test.store.blobs.list().await.unwrap().is_empty());
    fixture.create("one").await;
}

#[tokio::test]
async fn code_storage_has_a_limit_that_counts_every_version() {
    let size = start().create("one").await["CodeSize"].as_u64().unwrap();
    let options = ControlOptions { code_bytes_max: 2 * size, ..ControlOptions::default() };
    let fixture = start_with(options);
    fixture.create("one").await;
    fixture.done("POST", "/one/versions", json!({})).await;
    let (code, message) = fixture.refused("POST", "", thing("two")).await;
    assert_eq!(code, "CodeStorageExceededException");
    assert!(message.starts_with("Code storage limit exceeded"), "{message}");
    fixture.done("DELETE", "/one?Qualifier=1", Value::Null).await;
    fixture.create("two").await;
}
