//! Events of requests, beside the samples that AWS publishes.

use serde_json::{Map, Value, json};

use super::{ARRIVAL, headers, json, request};
use crate::door::{
    Authorizer, CognitoIdentity, Door2, HttpCall, HttpRequest, IamIdentity, RestCall, RestIdentity, alb_event,
    payload_1, payload_2, rest_event,
};

fn http_call(door: Door2) -> HttpCall<'static> {
    HttpCall {
        door,
        account_id: "123456789012",
        api_id: "aaaaaaaaaa",
        stage: "$default",
        route_key: "$default",
        path_parameters: &[],
        stage_variables: &[],
        authorizer: None,
    }
}

/// aws-lambda-go, `apigw-v2-request-no-authorizer.json`, without its client certificate.
#[test]
fn payload_2_of_an_http_api_is_the_published_sample() {
    let event = payload_2(&request("GET", "/"), &ARRIVAL, &http_call(Door2::HttpApi));
    let expected = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {
            "accept": "*/*",
            "content-length": "0",
            "host": "aaaaaaaaaa.execute-api.us-west-2.amazonaws.com",
            "user-agent": "curl/7.58.0",
            "x-amzn-trace-id": "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c",
            "x-forwarded-for": "1.2.3.4",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https"
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "aaaaaaaaaa",
            "domainName": "aaaaaaaaaa.execute-api.us-west-2.amazonaws.com",
            "domainPrefix": "aaaaaaaaaa",
            "http": {
                "method": "GET",
                "path": "/",
                "protocol": "HTTP/1.1",
                "sourceIp": "1.2.3.4",
                "userAgent": "curl/7.58.0"
            },
            "requestId": "LV7fzho-PHcEJPw=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "21/Apr/2020:15:08:21 +0000",
            "timeEpoch": 1_587_481_701_067_u64
        },
        "isBase64Encoded": false
    });
    assert_eq!(json(&event), expected);
}

/// Lambda developer guide, "Invoking Lambda function URLs" (aws-lambda-go, `lambda-urls-request.json`).
#[test]
fn payload_2_of_a_url_is_the_published_sample() {
    let iam = Authorizer::Iam(IamIdentity {
        access_key: "AKIA...".to_owned(),
        account_id: "111122223333".to_owned(),
        caller_id: "AIDA...".to_owned(),
        cognito_identity: None,
        principal_org_id: None,
        user_arn: "arn:aws:iam::111122223333:user/example-user".to_owned(),
        user_id: "AIDA...".to_owned(),
    });
    let request = HttpRequest {
        query: Some("parameter1=value1&parameter1=value2&parameter2=value"),
        host: "url-id.lambda-url.us-west-2.on.aws",
        headers: headers(&[
            ("cookie", "cookie1; cookie2"),
            ("header1", "value1"),
            ("header2", "value1"),
            ("header2", "value2"),
            ("content-type", "text/plain"),
        ]),
        body: b"Hello from client!",
        ..request("POST", "/my/path")
    };
    let call = HttpCall { api_id: "url-id", authorizer: Some(&iam), ..http_call(Door2::Url) };
    let event = json(&payload_2(&request, &ARRIVAL, &call));
    assert_eq!(event["rawPath"], "/my/path");
    assert_eq!(event["rawQueryString"], "parameter1=value1&parameter1=value2&parameter2=value");
    assert_eq!(event["cookies"], json!(["cookie1", "cookie2"]));
    assert_eq!(event["headers"]["header1"], "value1");
    assert_eq!(event["headers"]["header2"], "value1,value2");
    assert_eq!(event["headers"]["cookie"], "cookie1; cookie2", "URLs show cookies twice");
    assert_eq!(event["headers"]["content-length"], "18");
    assert_eq!(event["queryStringParameters"], json!({"parameter1": "value1,value2", "parameter2": "value"}));
    let expected = json!({"iam": {
        "accessKey": "AKIA...",
        "accountId": "111122223333",
        "callerId": "AIDA...",
        "cognitoIdentity": null,
        "principalOrgId": null,
        "userArn": "arn:aws:iam::111122223333:user/example-user",
        "userId": "AIDA..."
    }});
    assert_eq!(event["requestContext"]["authorizer"], expected);
    assert_eq!(event["requestContext"]["domainPrefix"], "url-id");
    assert_eq!(event["body"], "Hello from client!");
    assert_eq!(event["isBase64Encoded"], false);
}

#[test]
fn http_apis_decode_the_path_and_urls_keep_it() {
    let request = HttpRequest {
        headers: headers(&[("cookie", "a=1"), ("connection", "x"), ("te", "trailers"), ("x-forwarded-for", "9.9.9.9")]),
        query: Some("q=a%20b+c&q=%C3%A9&flag&=x"),
        ..request("GET", "/a%20b/%C3%A9")
    };
    let gateway = json(&payload_2(&request, &ARRIVAL, &http_call(Door2::HttpApi)));
    assert_eq!(gateway["rawPath"], "/a b/é");
    assert_eq!(gateway["requestContext"]["http"]["path"], "/a b/é");
    assert_eq!(gateway["rawQueryString"], "q=a%20b+c&q=%C3%A9&flag&=x");
    assert_eq!(gateway["queryStringParameters"], json!({"q": "a b c,é", "flag": "", "": "x"}));
    assert_eq!(gateway["cookies"], json!(["a=1"]));
    let seen = gateway["headers"].as_object().unwrap();
    assert_eq!(seen["x-forwarded-for"], "9.9.9.9, 1.2.3.4");
    assert!(!seen.contains_key("cookie") && !seen.contains_key("connection") && !seen.contains_key("te"));
    let url = json(&payload_2(&request, &ARRIVAL, &http_call(Door2::Url)));
    assert_eq!(url["rawPath"], "/a%20b/%C3%A9");
    assert!(url["headers"].get("content-length").is_none());
}

#[test]
fn payload_2_has_jwt_and_lambda_authorizers_under_their_names() {
    let jwt = Authorizer::Jwt {
        claims: Map::from_iter([("claim1".to_owned(), Value::from("value1"))]),
        scopes: Some(vec!["scope1".to_owned(), "scope2".to_owned()]),
    };
    let call = HttpCall { authorizer: Some(&jwt), ..http_call(Door2::HttpApi) };
    let event = json(&payload_2(&request("GET", "/"), &ARRIVAL, &call));
    let expected = json!({"jwt": {"claims": {"claim1": "value1"}, "scopes": ["scope1", "scope2"]}});
    assert_eq!(event["requestContext"]["authorizer"], expected);
    let event = json(&payload_1(&request("GET", "/"), &ARRIVAL, &call));
    let expected = json!({"claims": {"claim1": "value1"}, "scopes": ["scope1", "scope2"]});
    assert_eq!(event["requestContext"]["authorizer"], expected);

    let context = Map::from_iter([("key".to_owned(), Value::from(1)), ("flag".to_owned(), Value::from(true))]);
    let lambda = Authorizer::Lambda { principal_id: Some("user".to_owned()), context };
    let call = HttpCall { authorizer: Some(&lambda), ..http_call(Door2::HttpApi) };
    let event = json(&payload_2(&request("GET", "/"), &ARRIVAL, &call));
    assert_eq!(event["requestContext"]["authorizer"], json!({"lambda": {"key": 1, "flag": true}}));
    let event = json(&payload_1(&request("GET", "/"), &ARRIVAL, &call));
    let expected = json!({"principalId": "user", "key": "1", "flag": "true"});
    assert_eq!(event["requestContext"]["authorizer"], expected);
}

/// A capture of an HTTP API's event of format 1.0 (mantil-io/go-lambda-examples).
#[test]
fn payload_1_is_as_captured() {
    let parameters = headers(&[("proxy", "")]);
    let request = HttpRequest {
        host: "9pyofn5yi9.execute-api.eu-central-1.amazonaws.com",
        source_ip: "93.136.72.29",
        headers: headers(&[("accept", "*/*"), ("user-agent", "curl/7.77.0")]),
        request_id: "NIKr1jmIFiAEJmw=",
        time_ms: 1_644_163_454_741,
        ..request("POST", "/handler/")
    };
    let call = HttpCall {
        account_id: "052548195718",
        api_id: "9pyofn5yi9",
        route_key: "ANY /handler/{proxy+}",
        path_parameters: &parameters,
        ..http_call(Door2::HttpApi)
    };
    let host = "9pyofn5yi9.execute-api.eu-central-1.amazonaws.com";
    let expected = json!({
        "version": "1.0",
        "resource": "/handler/{proxy+}",
        "path": "/handler/",
        "httpMethod": "POST",
        "headers": {
            "Content-Length": "0",
            "Host": host,
            "User-Agent": "curl/7.77.0",
            "X-Amzn-Trace-Id": ARRIVAL.trace_id,
            "X-Forwarded-For": "93.136.72.29",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
            "accept": "*/*"
        },
        "multiValueHeaders": {
            "Content-Length": ["0"],
            "Host": [host],
            "User-Agent": ["curl/7.77.0"],
            "X-Amzn-Trace-Id": [ARRIVAL.trace_id],
            "X-Forwarded-For": ["93.136.72.29"],
            "X-Forwarded-Port": ["443"],
            "X-Forwarded-Proto": ["https"],
            "accept": ["*/*"]
        },
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "requestContext": {
            "accountId": "052548195718",
            "apiId": "9pyofn5yi9",
            "domainName": host,
            "domainPrefix": "9pyofn5yi9",
            "extendedRequestId": "NIKr1jmIFiAEJmw=",
            "httpMethod": "POST",
            "identity": {
                "accessKey": null,
                "accountId": null,
                "caller": null,
                "cognitoAmr": null,
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": "93.136.72.29",
                "user": null,
                "userAgent": "curl/7.77.0",
                "userArn": null
            },
            "path": "/handler/",
            "protocol": "HTTP/1.1",
            "requestId": "NIKr1jmIFiAEJmw=",
            "requestTime": "06/Feb/2022:16:04:14 +0000",
            "requestTimeEpoch": 1_644_163_454_741_u64,
            "resourceId": "ANY /handler/{proxy+}",
            "resourcePath": "/handler/{proxy+}",
            "stage": "$default"
        },
        "pathParameters": {"proxy": ""},
        "stageVariables": null,
        "body": null,
        "isBase64Encoded": false
    });
    assert_eq!(json(&payload_1(&request, &ARRIVAL, &call)), expected);
}

/// aws-lambda-go, `apigw-restapi-openapi-request.json`, without what CloudFront adds.
#[test]
fn rest_event_is_the_published_sample() {
    let iam = Authorizer::Iam(IamIdentity {
        access_key: "ANEXAMPLEOFACCESSKEY".to_owned(),
        account_id: "theAccountId".to_owned(),
        caller_id: "theCaller".to_owned(),
        cognito_identity: Some(CognitoIdentity {
            amr: vec!["authenticated".to_owned(), "theCognitoAuthenticationProvider".to_owned()],
            identity_id: "theCognitoIdentityId".to_owned(),
            identity_pool_id: "theCognitoIdentityPoolId".to_owned(),
        }),
        principal_org_id: None,
        user_arn: "theUserArn".to_owned(),
        user_id: "theUser".to_owned(),
    });
    let request = HttpRequest {
        query: Some("name=me"),
        host: "gy415nuibc.execute-api.us-east-1.amazonaws.com",
        source_ip: "192.168.196.186",
        headers: headers(&[
            ("accept", "*/*"),
            ("content-type", "application/json"),
            ("content-length", "13"),
            ("headerName", "headerValue"),
            ("user-agent", "PostmanRuntime/2.4.5"),
        ]),
        body: b"{\r\n\t\"a\": 1\r\n}",
        request_id: "deef4878-7910-11e6-8f14-25afc3e9ae33",
        time_ms: 1_589_522_469_693,
        ..request("POST", "/testStage/hello/world")
    };
    let parameters = headers(&[("proxy", "hello/world")]);
    let variables = headers(&[("stageVariableName", "stageVariableValue")]);
    let call = RestCall {
        account_id: "12345678912",
        api_id: "gy415nuibc",
        stage: "testStage",
        stage_variables: &variables,
        resource_id: "roq9wj",
        resource_path: "/{proxy+}",
        operation_name: Some("HelloWorld"),
        path_in_stage: "/hello/world",
        path_parameters: &parameters,
        api_key: Some(RestIdentity { api_key: "theApiKey", api_key_id: "theApiKeyId" }),
        authorizer: Some(&iam),
        extended_request_id: "ext=",
        deployment_id: "d1",
        binary_media_types: &[],
    };
    let host = "gy415nuibc.execute-api.us-east-1.amazonaws.com";
    let expected = json!({
        "resource": "/{proxy+}",
        "path": "/hello/world",
        "httpMethod": "POST",
        "headers": {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "headerName": "headerValue",
            "User-Agent": "PostmanRuntime/2.4.5",
            "Host": host,
            "X-Amzn-Trace-Id": ARRIVAL.trace_id,
            "X-Forwarded-For": "192.168.196.186",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https"
        },
        "multiValueHeaders": {
            "Accept": ["*/*"],
            "Content-Type": ["application/json"],
            "headerName": ["headerValue"],
            "User-Agent": ["PostmanRuntime/2.4.5"],
            "Host": [host],
            "X-Amzn-Trace-Id": [ARRIVAL.trace_id],
            "X-Forwarded-For": ["192.168.196.186"],
            "X-Forwarded-Port": ["443"],
            "X-Forwarded-Proto": ["https"]
        },
        "queryStringParameters": {"name": "me"},
        "multiValueQueryStringParameters": {"name": ["me"]},
        "pathParameters": {"proxy": "hello/world"},
        "stageVariables": {"stageVariableName": "stageVariableValue"},
        "requestContext": {
            "accountId": "12345678912",
            "resourceId": "roq9wj",
            "path": "/testStage/hello/world",
            "operationName": "HelloWorld",
            "stage": "testStage",
            "domainName": host,
            "domainPrefix": "gy415nuibc",
            "requestId": "deef4878-7910-11e6-8f14-25afc3e9ae33",
            "extendedRequestId": "ext=",
            "protocol": "HTTP/1.1",
            "identity": {
                "cognitoIdentityPoolId": "theCognitoIdentityPoolId",
                "accountId": "theAccountId",
                "cognitoIdentityId": "theCognitoIdentityId",
                "caller": "theCaller",
                "apiKey": "theApiKey",
                "apiKeyId": "theApiKeyId",
                "accessKey": "ANEXAMPLEOFACCESSKEY",
                "sourceIp": "192.168.196.186",
                "cognitoAuthenticationType": "authenticated",
                "cognitoAuthenticationProvider": "theCognitoAuthenticationProvider",
                "principalOrgId": null,
                "userArn": "theUserArn",
                "userAgent": "PostmanRuntime/2.4.5",
                "user": "theUser"
            },
            "resourcePath": "/{proxy+}",
            "httpMethod": "POST",
            "requestTime": "15/May/2020:06:01:09 +0000",
            "requestTimeEpoch": 1_589_522_469_693_u64,
            "deploymentId": "d1",
            "apiId": "gy415nuibc"
        },
        "body": "{\r\n\t\"a\": 1\r\n}",
        "isBase64Encoded": false
    });
    assert_eq!(json(&rest_event(&request, &ARRIVAL, &call)), expected);
}

/// aws-lambda-go, `alb-lambda-target-request-headers-only.json` and `…-multivalue-headers.json`.
#[test]
fn alb_events_are_the_published_samples() {
    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/lambda-target/abcdefg";
    let request = HttpRequest {
        query: Some("key=hello&other=a%20b&key=again"),
        headers: headers(&[("x-myheader", "123"), ("x-myheader", "456")]),
        host: "lambda-test-alb-1334523864.us-east-1.elb.amazonaws.com",
        ..request("GET", "/")
    };
    let single = json(&alb_event(&request, &ARRIVAL, arn, false));
    let expected = json!({
        "requestContext": {"elb": {"targetGroupArn": arn}},
        "httpMethod": "GET",
        "path": "/",
        "queryStringParameters": {"key": "again", "other": "a%20b"},
        "headers": {
            "x-myheader": "456",
            "host": "lambda-test-alb-1334523864.us-east-1.elb.amazonaws.com",
            "x-amzn-trace-id": ARRIVAL.trace_id,
            "x-forwarded-for": "1.2.3.4",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https"
        },
        "body": "",
        "isBase64Encoded": false
    });
    assert_eq!(single, expected);
    let multi = json(&alb_event(&request, &ARRIVAL, arn, true));
    assert_eq!(multi["multiValueQueryStringParameters"], json!({"key": ["hello", "again"], "other": ["a%20b"]}));
    assert_eq!(multi["multiValueHeaders"]["x-myheader"], json!(["123", "456"]));
    assert!(multi.get("headers").is_none() && multi.get("queryStringParameters").is_none());
}

#[test]
fn members_stand_in_the_published_order() {
    let event = payload_2(&request("GET", "/"), &ARRIVAL, &http_call(Door2::Url));
    let names: Vec<String> = json(&event).as_object().unwrap().keys().cloned().collect();
    let expected = ["version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext", "isBase64Encoded"];
    assert_eq!(names, expected);
}
