//! Events of WebSocket APIs, beside the samples that AWS publishes.

use serde_json::json;

use super::{ARRIVAL, headers, json, request};
use crate::door::{HttpRequest, WebsocketCall, WebsocketEvent, websocket_authorizer_event, websocket_event};

fn call(route_key: &'static str) -> WebsocketCall<'static> {
    WebsocketCall {
        api_id: "dl7ptocha9",
        stage: "prod",
        stage_variables: &[],
        route_key,
        connection_id: "R1kmxc2VNjMCFIA=",
        connected_at_ms: 1_705_751_697_419,
        domain_name: "dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com",
        source_ip: "49.105.91.154",
        user_agent: Some("Mozilla/5.0"),
        authorizer: None,
        request_id: "R1koeHsUtjMFbRw=",
        time_ms: 1_705_751_708_326,
    }
}

/// aws-lambda-go, `apigw-websocket-request-disconnect.json`.
#[test]
fn disconnects_are_the_published_sample() {
    let event = websocket_event(&call("$disconnect"), &WebsocketEvent::Disconnect { status_code: 1001, reason: "" });
    let expected = json!({
        "headers": {
            "Host": "dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com",
            "x-api-key": "",
            "X-Forwarded-For": "",
            "x-restapi": ""
        },
        "multiValueHeaders": {
            "Host": ["dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com"],
            "x-api-key": [""],
            "X-Forwarded-For": [""],
            "x-restapi": [""]
        },
        "requestContext": {
            "routeKey": "$disconnect",
            "disconnectStatusCode": 1001,
            "eventType": "DISCONNECT",
            "extendedRequestId": "R1koeHsUtjMFbRw=",
            "requestTime": "20/Jan/2024:11:55:08 +0000",
            "messageDirection": "IN",
            "disconnectReason": "",
            "stage": "prod",
            "connectedAt": 1_705_751_697_419_u64,
            "requestTimeEpoch": 1_705_751_708_326_u64,
            "identity": {"userAgent": "Mozilla/5.0", "sourceIp": "49.105.91.154"},
            "requestId": "R1koeHsUtjMFbRw=",
            "domainName": "dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com",
            "connectionId": "R1kmxc2VNjMCFIA=",
            "apiId": "dl7ptocha9"
        },
        "isBase64Encoded": false
    });
    assert_eq!(json(&event), expected);
}

/// aws-lambda-go, `apigw-websocket-request-send-message.json`.
#[test]
fn messages_are_the_published_sample() {
    let message = WebsocketEvent::Message { message_id: "R1knPc2ntjMCFIA=", body: b"{\r\n\t\"a\": 1\r\n}" };
    let event = json(&websocket_event(&call("$default"), &message));
    let expected = json!({
        "requestContext": {
            "routeKey": "$default",
            "messageId": "R1knPc2ntjMCFIA=",
            "eventType": "MESSAGE",
            "extendedRequestId": "R1koeHsUtjMFbRw=",
            "requestTime": "20/Jan/2024:11:55:08 +0000",
            "messageDirection": "IN",
            "stage": "prod",
            "connectedAt": 1_705_751_697_419_u64,
            "requestTimeEpoch": 1_705_751_708_326_u64,
            "identity": {"userAgent": "Mozilla/5.0", "sourceIp": "49.105.91.154"},
            "requestId": "R1koeHsUtjMFbRw=",
            "domainName": "dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com",
            "connectionId": "R1kmxc2VNjMCFIA=",
            "apiId": "dl7ptocha9"
        },
        "body": "{\r\n\t\"a\": 1\r\n}",
        "isBase64Encoded": false
    });
    assert_eq!(event, expected);
}

#[test]
fn connects_have_headers_and_query_and_no_body() {
    let request = HttpRequest {
        query: Some("token=abc"),
        headers: headers(&[("sec-websocket-key", "k"), ("upgrade", "websocket"), ("connection", "Upgrade")]),
        ..request("GET", "/prod")
    };
    let connect = WebsocketEvent::Connect { request: &request, arrival: &ARRIVAL };
    let event = json(&websocket_event(&call("$connect"), &connect));
    assert_eq!(event["requestContext"]["eventType"], "CONNECT");
    assert_eq!(event["headers"]["Sec-WebSocket-Key"], "k");
    assert_eq!(event["headers"]["X-Forwarded-For"], "1.2.3.4");
    assert!(event["headers"].get("upgrade").is_none());
    assert_eq!(event["queryStringParameters"], json!({"token": "abc"}));
    assert!(event.get("body").is_none() && event["requestContext"].get("messageId").is_none());

    let arn = "arn:aws:execute-api:us-east-1:123456789012:dl7ptocha9/prod/$connect";
    let asked = json(&websocket_authorizer_event(&request, &ARRIVAL, &call("$connect"), arn));
    assert_eq!((&asked["type"], &asked["methodArn"]), (&json!("REQUEST"), &json!(arn)));
    assert_eq!(asked["queryStringParameters"], json!({"token": "abc"}));
    assert_eq!(asked["stageVariables"], json!({}));
    assert_eq!(asked["requestContext"]["connectionId"], "R1kmxc2VNjMCFIA=");
}
