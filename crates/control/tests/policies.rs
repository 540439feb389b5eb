//! Resource policies: what statements say, what is refused, and what becomes of policies when their function
//! changes or goes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use support::{Fixture, caller, start};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:thing";

fn permission(sid: &str) -> Value {
    json!({ "StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com" })
}

async fn policy(fixture: &Fixture, qualifier: &str) -> (Value, String) {
    let output = fixture.done("GET", &format!("/thing/policy{qualifier}"), Value::Null).await;
    let document = serde_json::from_str(output["Policy"].as_str().unwrap()).unwrap();
    (document, output["RevisionId"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_permission_becomes_a_statement_with_its_conditions() {
    let fixture = start();
    fixture.create("thing").await;
    for (members, principal, condition) in [
        (
            json!({ "SourceArn": "arn:aws:s3:::bucket", "SourceAccount": "123456789012" }),
            json!({ "Service": "s3.amazonaws.com" }),
            json!({
                "StringEquals": { "AWS:SourceAccount": "123456789012" },
                "ArnLike": { "AWS:SourceArn": "arn:aws:s3:::bucket" },
            }),
        ),
        (
            json!({ "Principal": "210987654321", "PrincipalOrgID": "o-abcdefghij" }),
            json!({ "AWS": "arn:aws:iam::210987654321:root" }),
            json!({ "StringEquals": { "aws:PrincipalOrgID": "o-abcdefghij" } }),
        ),
        (
            json!({ "Principal": "*", "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE" }),
            json!("*"),
            json!({ "StringEquals": { "lambda:FunctionUrlAuthType": "NONE" } }),
        ),
        (
            json!({ "Principal": "*", "InvokedViaFunctionUrl": true }),
            json!("*"),
            json!({ "Bool": { "lambda:InvokedViaFunctionUrl": "true" } }),
        ),
        (
            json!({ "Principal": "alexa-appkit.amazon.com", "EventSourceToken": "skill.1" }),
            json!({ "Service": "alexa-appkit.amazon.com" }),
            json!({ "StringEquals": { "lambda:EventSourceToken": "skill.1" } }),
        ),
        (json!({}), json!({ "Service": "s3.amazonaws.com" }), Value::Null),
    ] {
        let mut request = permission("one");
        request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let output = fixture.done("POST", "/thing/policy", request.clone()).await;
        let statement: Value = serde_json::from_str(output["Statement"].as_str().unwrap()).unwrap();
        let mut expected = json!({
            "Sid": "one", "Effect": "Allow", "Principal": principal, "Action": request["Action"], "Resource": ARN,
        });
        if !condition.is_null() {
            expected["Condition"] = condition;
        }
        assert_eq!(statement, expected);
        let document = json!({ "Version": "2012-10-17", "Id": "default", "Statement": [expected] });
        assert_eq!(policy(&fixture, "").await.0, document);
        fixture.done("DELETE", "/thing/policy/one", Value::Null).await;
    }
}

#[tokio::test]
async fn each_version_and_alias_has_a_policy_of_its_own() {
    let fixture = start();
    fixture.create("thing").await;
    fixture.done("POST", "/thing/versions", json!({})).await;
    fixture.done("POST", "/thing/aliases", json!({ "Name": "live", "FunctionVersion": "1" })).await;
    for (query, end) in [("", ""), ("?Qualifier=1", ":1"), ("?Qualifier=live", ":live")] {
        fixture.done("POST", &format!("/thing/policy{query}"), permission("same")).await;
        let (document, _) = policy(&fixture, query).await;
        assert_eq!(document["Statement"].as_array().unwrap().len(), 1);
        assert_eq!(document["Statement"][0]["Resource"], json!(format!("{ARN}{end}")));
    }
    let missing = ("ResourceNotFoundException", "The resource you requested does not exist.".to_owned());
    fixture.done("DELETE", "/thing/policy/same?Qualifier=live", Value::Null).await;
    assert_eq!(fixture.refused("GET", "/thing/policy?Qualifier=live", Value::Null).await, missing);
    assert_eq!(fixture.refused("GET", "/thing/policy?Qualifier=%24LATEST", Value::Null).await, missing);
    policy(&fixture, "?Qualifier=1").await;
    let none = ("ResourceNotFoundException", format!("Function not found: {ARN}:2"));
    assert_eq!(fixture.refused("POST", "/thing/policy?Qualifier=2", permission("a")).await, none);
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_the_words_of_aws() {
    let fixture = start();
    let none = |text: &str| ("ResourceNotFoundException", text.to_owned());
    let not_found = format!("Function not found: {ARN}");
    assert_eq!(fixture.refused("POST", "/thing/policy", permission("a")).await, none(&not_found));
    assert_eq!(fixture.refused("GET", "/thing/policy", Value::Null).await, none(&not_found));
    let message = format!("No policy found for: {ARN}");
    assert_eq!(fixture.refused("DELETE", "/thing/policy/a", Value::Null).await, none(&message));

    fixture.create("thing").await;
    let message = "No policy is associated with the given resource.";
    assert_eq!(fixture.refused("DELETE", "/thing/policy/a", Value::Null).await, none(message));
    fixture.done("POST", "/thing/policy", permission("a")).await;
    let message = "Statement b is not found in resource policy.";
    assert_eq!(fixture.refused("DELETE", "/thing/policy/b", Value::Null).await, none(message));

    let message = "The statement id (a) provided already exists. Please provide a new statement id, or remove the existing statement.";
    let conflict = ("ResourceConflictException", message.to_owned());
    assert_eq!(fixture.refused("POST", "/thing/policy", permission("a")).await, conflict);

    let invalid = |text: &str| ("InvalidParameterValueException", text.to_owned());
    let message = "We currently do not support adding policies for $LATEST.";
    assert_eq!(fixture.refused("POST", "/thing/policy?Qualifier=%24LATEST", permission("b")).await, invalid(message));
    let mut request = permission("b");
    request["Principal"] = json!("nobody");
    let message = "The provided principal was invalid. Please check the principal and try again.";
    assert_eq!(fixture.refused("POST", "/thing/policy", request).await, invalid(message));
    let mut request = permission("b");
    request["FunctionUrlAuthType"] = json!("NONE");
    let message = "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action";
    assert_eq!(fixture.refused("POST", "/thing/policy", request).await, invalid(message));

    let stale = "8f5d6c1a-0000-4000-8000-000000000000";
    let mut request = permission("b");
    request["RevisionId"] = json!(stale);
    let (code, message) = fixture.refused("POST", "/thing/policy", request).await;
    assert_eq!(code, "PreconditionFailedException");
    assert!(message.ends_with("Call the GetPolicy API to retrieve the latest Revision Id"), "{message}");
    let (code, _) = fixture.refused("DELETE", &format!("/thing/policy/a?RevisionId={stale}"), Value::Null).await;
    assert_eq!(code, "PreconditionFailedException");
}

#[tokio::test]
async fn the_revision_is_the_functions_and_changes_with_the_policy() {
    let fixture = start();
    fixture.create("thing").await;
    let function = || async {
        let output = fixture.done("GET", "/thing/configuration", Value::Null).await;
        output["RevisionId"].as_str().unwrap().to_owned()
    };
    let first = function().await;
    let mut request = permission("a");
    request["RevisionId"] = json!(first);
    fixture.done("POST", "/thing/policy", request).await;
    let (_, second) = policy(&fixture, "").await;
    assert_ne!(first, second);
    assert_eq!(function().await, second);
    fixture.done("DELETE", &format!("/thing/policy/a?RevisionId={second}"), Value::Null).await;
    assert_ne!(function().await, second);
}

#[tokio::test]
async fn a_policy_has_a_greatest_length() {
    let fixture = start();
    fixture.create("thing").await;
    let mut number = 0;
    let (code, message) = loop {
        let mut request = permission(&format!("s{number}-{}", "x".repeat(90)));
        request["SourceArn"] = json!(format!("arn:aws:s3:::{}", "b".repeat(500)));
        match fixture.ask("POST", "/thing/policy", request).await {
            Ok(_) => number += 1,
            Err(error) => break (error.code(), error.message().to_owned()),
        }
        assert!(number < 40, "the policy grows and grows");
    };
    assert_eq!(code, "PolicyLengthExceededException");
    assert_eq!(message, "The final policy size is bigger than the limit (20480).");
    assert_eq!(policy(&fixture, "").await.0["Statement"].as_array().unwrap().len(), number);
}

#[tokio::test]
async fn whole_documents_are_the_same_policy() {
    let fixture = start();
    fixture.create("thing").await;
    let path = format!("/2026-07-09/resource-policy/{}", ARN.replace(':', "%3A"));
    let missing = ("ResourceNotFoundException", "The resource you requested does not exist.".to_owned());
    assert_eq!(fixture.refused("GET", &path, Value::Null).await, missing);
    assert_eq!(fixture.refused("DELETE", &path, Value::Null).await, missing);

    fixture.done("POST", "/thing/policy", permission("a")).await;
    let document = json!({
        "Version": "2012-10-17",
        "Statement": { "Sid": "b", "Effect": "Deny", "Principal": { "AWS": ["*"] }, "Action": "lambda:*", "Resource": ARN },
    });
    let put = fixture.done("PUT", &path, json!({ "Policy": document.to_string() })).await;
    let printed: Value = serde_json::from_str(put["Policy"].as_str().unwrap()).unwrap();
    let statement =
        json!({ "Sid": "b", "Effect": "Deny", "Principal": { "AWS": "*" }, "Action": "lambda:*", "Resource": ARN });
    assert_eq!(printed, json!({ "Version": "2012-10-17", "Statement": [statement] }));
    assert_eq!(fixture.done("GET", &path, Value::Null).await, put);
    assert_eq!(policy(&fixture, "").await.0, printed);

    fixture.done("POST", "/thing/policy", permission("c")).await;
    let (_, revision_id) = policy(&fixture, "").await;
    let stale = put["RevisionId"].as_str().unwrap();
    for request in [
        ("PUT", path.clone(), json!({ "Policy": document.to_string(), "RevisionId": stale })),
        ("DELETE", format!("{path}?RevisionId={stale}"), Value::Null),
    ] {
        let (code, message) = fixture.refused(request.0, &request.1, request.2).await;
        assert_eq!(code, "PreconditionFailedException");
        assert!(message.ends_with("Call the GetResourcePolicy API to retrieve the latest Revision Id"), "{message}");
    }
    fixture.done("DELETE", &format!("{path}?RevisionId={revision_id}"), Value::Null).await;
    assert_eq!(fixture.refused("GET", "/thing/policy", Value::Null).await, missing);
}

#[tokio::test]
async fn a_document_that_is_no_policy_is_refused_with_the_place() {
    let fixture = start();
    fixture.create("thing").await;
    let path = format!("/2026-07-09/resource-policy/{ARN}");
    for (document, problem) in [
        ("nonsense", "the policy is not valid JSON: expected ident at line 1 column 2"),
        (r#"{"Statement":{"Effect":"Allow","Action":"lambda:*","Resource":"*"}}"#, "Statement[0].Principal: missing"),
        (r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"lambda:*"}}"#, "Statement[0].Resource: missing"),
        (
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}"#,
            "Statement[0].Action: \"s3:*\" is not an action of lambda",
        ),
    ] {
        let expected = ("InvalidParameterValueException", format!("The provided policy is not valid: {problem}"));
        assert_eq!(fixture.refused("PUT", &path, json!({ "Policy": document })).await, expected);
    }
}

#[tokio::test]
async fn a_function_made_again_has_no_policy() {
    let fixture = start();
    fixture.create("thing").await;
    fixture.done("POST", "/thing/versions", json!({})).await;
    fixture.done("POST", "/thing/policy", permission("a")).await;
    fixture.done("POST", "/thing/policy?Qualifier=1", permission("a")).await;
    assert!(fixture.control.resource_policy(&caller().scope, "thing", Some("1")).await.unwrap().is_some());
    fixture.done("DELETE", "/thing", Value::Null).await;
    fixture.create("thing").await;
    fixture.refused("GET", "/thing/policy", Value::Null).await;
    for qualifier in [None, Some("1")] {
        assert_eq!(fixture.control.resource_policy(&caller().scope, "thing", qualifier).await.unwrap(), None);
    }
}

#[tokio::test]
async fn whoever_was_told_of_a_change_is_judged_by_it() {
    let fixture = start();
    fixture.create("thing").await;
    let sids = || async {
        let policy = fixture.control.resource_policy(&caller().scope, "thing", None).await.unwrap();
        policy.map_or(0, |policy| policy.statements.len())
    };
    for round in 0..20 {
        assert_eq!(sids().await, 0, "round {round}");
        fixture.done("POST", "/thing/policy", permission("a")).await;
        assert_eq!(sids().await, 1, "round {round}");
        fixture.done("DELETE", "/thing/policy/a", Value::Null).await;
    }
}

#[tokio::test]
async fn permissions_added_at_once_are_all_there() {
    let fixture = std::sync::Arc::new(start());
    fixture.create("thing").await;
    let mut adding = tokio::task::JoinSet::new();
    for number in 0..20 {
        let fixture = std::sync::Arc::clone(&fixture);
        adding.spawn(async move { fixture.done("POST", "/thing/policy", permission(&format!("s{number}"))).await });
    }
    assert_eq!(adding.join_all().await.len(), 20);
    assert_eq!(policy(&fixture, "").await.0["Statement"].as_array().unwrap().len(), 20);
}
