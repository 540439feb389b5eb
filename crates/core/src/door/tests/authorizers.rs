//! What authorizers are asked, and what their answers mean.

use serde_json::{Value, json};

use super::{ARRIVAL, headers, json, request};
use crate::door::{
    AuthorizerAnswer, Door2, HttpCall, HttpRequest, IdentityFacts, IdentitySource, Judgement, RestCall,
    execute_api_arn, http_authorizer_event_1, http_authorizer_event_2, rest_request_authorizer_event,
    rest_token_authorizer_event,
};
use crate::function::Scope;
use crate::policy::Context;

const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:s4x3opwd6i/test/GET/request";

fn scope() -> Scope {
    Scope { account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
}

fn answer(effect: &str, resource: &str) -> Vec<u8> {
    json!({
        "principalId": "yyyyyyyy",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}]
        },
        "context": {"stringKey": "value", "numberKey": 1, "booleanKey": true, "nothing": null},
        "usageIdentifierKey": "{api-key}"
    })
    .to_string()
    .into_bytes()
}

#[test]
fn arns_name_stage_method_and_path() {
    assert_eq!(execute_api_arn(&scope(), "s4x3opwd6i", "test", "GET", "/request"), ARN);
    let root = execute_api_arn(&scope(), "id", "$default", "GET", "/");
    assert_eq!(root, "arn:aws:execute-api:us-east-1:123456789012:id/$default/GET/");
    let socket = execute_api_arn(&scope(), "id", "prod", "$connect", "");
    assert_eq!(socket, "arn:aws:execute-api:us-east-1:123456789012:id/prod/$connect");
}

/// API Gateway developer guide, "Output from an API Gateway Lambda authorizer" (aws-lambda-go,
/// `apigw-custom-auth-response.json`).
#[test]
fn policies_are_put_to_the_method() {
    let judge =
        |payload: &[u8], arn: &str| AuthorizerAnswer::parse_policy(payload).unwrap().judge(arn, &Context::default());
    let Judgement::Allow(grant) = judge(&answer("Allow", ARN), ARN) else { panic!("it is allowed") };
    assert_eq!(grant.principal_id.as_deref(), Some("yyyyyyyy"));
    assert_eq!(grant.usage_key.as_deref(), Some("{api-key}"));
    assert_eq!(Value::Object(grant.context), json!({"stringKey": "value", "numberKey": 1, "booleanKey": true}));
    let any_path = "arn:aws:execute-api:us-east-1:123456789012:s4x3opwd6i/test/GET/*";
    assert!(matches!(judge(&answer("Allow", any_path), ARN), Judgement::Allow(_)));
    assert!(matches!(judge(&answer("Allow", "*"), ARN), Judgement::Allow(_)));
    assert_eq!(judge(&answer("Deny", "*"), ARN), Judgement::Deny { explicit: true });
    let other = "arn:aws:execute-api:us-east-1:123456789012:s4x3opwd6i/test/POST/request";
    assert_eq!(judge(&answer("Allow", ARN), other), Judgement::Deny { explicit: false });
}

#[test]
fn simple_answers_say_yes_or_no() {
    let judge = |output: Value| {
        AuthorizerAnswer::parse_simple(output.to_string().as_bytes())
            .map(|answer| answer.judge(ARN, &Context::default()))
    };
    let allowed = judge(json!({"isAuthorized": true, "context": {"list": ["a"]}})).unwrap();
    assert!(matches!(allowed, Judgement::Allow(grant) if grant.context["list"] == json!(["a"])));
    assert_eq!(judge(json!({"isAuthorized": false})).unwrap(), Judgement::Deny { explicit: false });
    for output in [json!({"isAuthorized": "true"}), json!({}), json!(null), json!({"isAuthorized": true, "context": 1})]
    {
        assert!(judge(output).is_err());
    }
}

#[test]
fn wrong_policies_are_malformed() {
    let parse = |output: Value| AuthorizerAnswer::parse_policy(output.to_string().as_bytes());
    assert!(parse(json!({"principalId": "x"})).is_err());
    assert!(parse(json!({"policyDocument": {"Statement": [{"Effect": "Allow"}]}})).is_err());
    let with_list = json!({"policyDocument": {"Statement": []}, "context": {"a": [1]}});
    assert!(parse(with_list.clone()).unwrap_err().why.contains("context.a must be a string, number or boolean"));
    assert!(AuthorizerAnswer::parse_policy_2(with_list.to_string().as_bytes()).is_ok());
}

#[test]
fn identity_sources_are_read_from_the_request() {
    let request = HttpRequest {
        query: Some("q=a%20b&empty="),
        headers: headers(&[("authorization", "Bearer x"), ("x", "1"), ("x", "2")]),
        ..request("GET", "/")
    };
    let context = headers(&[("httpMethod", "GET"), ("identity.sourceIp", "1.2.3.4")]);
    let stage_variables = headers(&[("v", "w")]);
    let facts = IdentityFacts { context: &context, stage_variables: &stage_variables };
    let read = |text: &str| text.parse::<IdentitySource>().unwrap().read(&request, &facts);
    for prefix in ["$request", "method.request", "route.request"] {
        assert_eq!(read(&format!("{prefix}.header.Authorization")).as_deref(), Some("Bearer x"));
        assert_eq!(read(&format!("{prefix}.querystring.q")).as_deref(), Some("a b"));
    }
    assert_eq!(read("$request.header.x").as_deref(), Some("1,2"));
    assert_eq!(read("$context.identity.sourceIp").as_deref(), Some("1.2.3.4"));
    assert_eq!(read("context.httpMethod").as_deref(), Some("GET"));
    assert_eq!(read("$stageVariables.v").as_deref(), Some("w"));
    assert_eq!(read("$request.querystring.empty"), None);
    assert_eq!(read("$request.header.missing"), None);
    for text in ["", "$", "$request.header.", "$request.body.a", "header.x", "$request.header.a b"] {
        assert!(text.parse::<IdentitySource>().is_err(), "{text}");
    }
    let all = |texts: &[&str]| {
        let sources: Vec<IdentitySource> = texts.iter().map(|text| text.parse().unwrap()).collect();
        IdentitySource::read_all(&sources, &request, &facts)
    };
    assert_eq!(all(&["$request.header.x", "$context.httpMethod"]), Some(vec!["1,2".to_owned(), "GET".to_owned()]));
    assert_eq!(all(&["$request.header.x", "$request.header.missing"]), None);
}

/// aws-lambda-go, `apigw-custom-auth-request.json` and `apigw-custom-auth-request-type-request.json`.
#[test]
fn rest_authorizers_are_asked_by_token_or_request() {
    let expected = json!({"type": "TOKEN", "authorizationToken": "allow", "methodArn": ARN});
    assert_eq!(json(&rest_token_authorizer_event("allow", ARN)), expected);

    let variables = headers(&[("StageVar1", "stageValue1")]);
    let call = RestCall {
        account_id: "123456789012",
        api_id: "s4x3opwd6i",
        stage: "test",
        stage_variables: &variables,
        resource_id: "05c7jb",
        resource_path: "/request",
        operation_name: None,
        path_in_stage: "/request",
        path_parameters: &[],
        api_key: None,
        authorizer: None,
        extended_request_id: "e",
        deployment_id: "d",
        binary_media_types: &[],
    };
    let request = HttpRequest { query: Some("QueryString1=queryValue1"), ..request("GET", "/test/request") };
    let event = json(&rest_request_authorizer_event(&request, &ARRIVAL, &call, ARN));
    assert_eq!((&event["type"], &event["methodArn"]), (&json!("REQUEST"), &json!(ARN)));
    assert_eq!((&event["resource"], &event["path"]), (&json!("/request"), &json!("/request")));
    assert_eq!(event["queryStringParameters"], json!({"QueryString1": "queryValue1"}));
    assert_eq!(event["multiValueQueryStringParameters"], json!({"QueryString1": ["queryValue1"]}));
    assert_eq!(event["pathParameters"], json!({}));
    assert_eq!(event["stageVariables"], json!({"StageVar1": "stageValue1"}));
    assert_eq!(event["requestContext"]["resourceId"], "05c7jb");
    assert!(event.get("body").is_none());
}

/// aws-lambda-go, `apigw-v2-custom-authorizer-v1-request.json` and `…-v2-request.json`.
#[test]
fn http_authorizers_are_asked_in_both_formats() {
    let identity = ["user1".to_owned(), "123".to_owned()];
    let variables = headers(&[("stageVariable1", "value1")]);
    let call = HttpCall {
        door: Door2::HttpApi,
        account_id: "123456789012",
        api_id: "abcdef123",
        stage: "test",
        route_key: "GET /request",
        path_parameters: &[],
        stage_variables: &variables,
        authorizer: None,
    };
    let request = request("GET", "/test/request");
    let one = json(&http_authorizer_event_1(&request, &ARRIVAL, &call, ARN, &identity));
    assert_eq!((&one["version"], &one["type"], &one["methodArn"]), (&json!("1.0"), &json!("REQUEST"), &json!(ARN)));
    assert_eq!((&one["identitySource"], &one["authorizationToken"]), (&json!("user1,123"), &json!("user1,123")));
    assert_eq!((&one["resource"], &one["path"]), (&json!("/request"), &json!("/test/request")));
    assert_eq!(one["pathParameters"], json!({}));
    let two = json(&http_authorizer_event_2(&request, &ARRIVAL, &call, ARN, &identity));
    assert_eq!((&two["version"], &two["routeArn"]), (&json!("2.0"), &json!(ARN)));
    assert_eq!(two["identitySource"], json!(["user1", "123"]));
    assert_eq!(two["requestContext"]["http"]["method"], "GET");
    assert_eq!(two["stageVariables"], json!({"stageVariable1": "value1"}));
    assert!(two.get("body").is_none() && two.get("pathParameters").is_none());
    let none = json(&http_authorizer_event_2(&request, &ARRIVAL, &call, ARN, &[]));
    assert_eq!(none["identitySource"], Value::Null);
}
