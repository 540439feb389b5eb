//! Answers and errors on the wire.

use serde_json::json;

use super::*;
use crate::{apigatewayv2, application_autoscaling, iam, kinesis, lambda, logs, sts};

#[test]
fn errors_have_the_members_that_the_model_spells() {
    for (service, code, status, body) in [
        (lambda(), "InvalidRuntimeException", 502, json!({"Type": "Server", "Message": "m"})),
        (lambda(), "TooManyRequestsException", 429, json!({"Type": "User", "message": "m"})),
        (lambda(), "RequestEntityTooLargeException", 413, json!({"message": "m"})),
        (lambda(), "UnknownOperationException", 404, json!({"message": "m"})),
        (lambda(), "UnrecognizedClientException", 403, json!({"message": "m"})),
        (lambda(), "InvalidSignatureException", 403, json!({"message": "m"})),
        (lambda(), "SerializationException", 400, json!({"message": "m"})),
        (logs(), "SerializationException", 400, json!({"__type": "SerializationException", "message": "m"})),
        (logs(), "UnrecognizedClientException", 400, json!({"__type": "UnrecognizedClientException", "message": "m"})),
        (logs(), "ServiceUnavailableException", 500, json!({"__type": "ServiceUnavailableException", "message": "m"})),
        (lambda(), "ResourceNotFoundException", 404, json!({"Type": "User", "Message": "m"})),
        (lambda(), "InvalidParameterValueException", 400, json!({"Type": "User", "message": "m"})),
        (lambda(), "ResourceConflictException", 409, json!({"Type": "User", "message": "m"})),
        (lambda(), "ServiceException", 500, json!({"Type": "Server", "Message": "m"})),
        (lambda(), "ValidationException", 400, json!({"message": "m"})),
        (lambda(), "AccessDeniedException", 403, json!({"Message": "m"})),
        (lambda(), "PreconditionFailedException", 412, json!({"Type": "User", "message": "m"})),
        (logs(), "ResourceNotFoundException", 400, json!({"__type": "ResourceNotFoundException", "message": "m"})),
        (apigatewayv2(), "NotFoundException", 404, json!({"message": "m"})),
        (apigatewayv2(), "TooManyRequestsException", 429, json!({"message": "m"})),
    ] {
        let response = service.encode_error(&ApiError::new(code, "m"), "id");
        assert_eq!(response.status(), status, "{code}");
        assert_eq!(response.headers()["x-amzn-errortype"], code);
        assert_eq!(serde_json::from_slice::<Value>(response.body()).unwrap(), body, "{code}");
    }
}

#[test]
fn a_throttle_tells_why_and_when() {
    let error = ApiError::new("TooManyRequestsException", "Rate Exceeded.")
        .with("Reason", "ConcurrentInvocationLimitExceeded")
        .with("retryAfterSeconds", "1");
    let response = lambda().encode_error(&error, "id");
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &HeaderValue::from_static("1")));
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["Reason"], "ConcurrentInvocationLimitExceeded");
    assert!(body.get("retryAfterSeconds").is_none());
}

#[test]
fn replies_split_into_headers_and_body() {
    let invoke = lambda().operations().find(|operation| operation.name() == "Invoke").unwrap();
    let output = json!({"ExecutedVersion": "$LATEST", "FunctionError": "Unhandled", "StatusCode": 200});
    let reply = Reply { status: None, output, payload: Some(Bytes::from_static(b"[1]")) };
    let response = lambda().encode(invoke, reply, "id");
    assert_eq!(response.headers()["x-amz-executed-version"], "$LATEST");
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    assert_eq!(response.body(), "[1]");
    for status in [202, 204] {
        let none = lambda().encode(invoke, Reply { status: Some(status), ..Reply::default() }, "id");
        assert!(none.body().is_empty(), "{status}");
    }
    let list = lambda().operations().find(|operation| operation.name() == "ListFunctions").unwrap();
    let response = lambda().encode(list, Reply::new(json!({"Functions": []})), "id");
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, &br#"{"Functions":[]}"#[..]));
    let create = logs().operations().find(|operation| operation.name() == "CreateLogGroup").unwrap();
    assert!(logs().encode(create, Reply::new(json!({})), "id").body().is_empty());
}

#[test]
fn members_have_the_names_of_the_wire() {
    let operation = |name| apigatewayv2().operations().find(|operation| operation.name() == name).unwrap();
    let cors = json!({"AllowOrigins": ["*"], "MaxAge": 5});
    let output = json!({"ApiId": "a", "CorsConfiguration": cors, "Tags": {"Name": "x"}});
    let items = json!({"Items": [output.clone()], "NextToken": "t"});
    let wire = json!({
        "apiId": "a", "corsConfiguration": {"allowOrigins": ["*"], "maxAge": 5}, "tags": {"Name": "x"},
    });
    let answer = |name, output| {
        let response = apigatewayv2().encode(operation(name), Reply::new(output), "id");
        serde_json::from_slice::<Value>(response.body()).unwrap()
    };
    assert_eq!(answer("GetApi", output), wire);
    assert_eq!(answer("GetApis", items), json!({"items": [wire], "nextToken": "t"}));
    let settings = json!({"RouteSettings": {"GET /Stage": {"ThrottlingBurstLimit": 1}}});
    assert_eq!(answer("GetStage", settings), json!({"routeSettings": {"GET /Stage": {"throttlingBurstLimit": 1}}}));
}

/// One line for each error that a service can answer: its code, status and body.
fn all_errors() -> String {
    let mut text = String::new();
    for service in [apigatewayv2(), application_autoscaling(), iam(), kinesis(), lambda(), logs(), sts()] {
        let modelled = service.data.shapes.iter().filter(|(_, shape)| shape.exception).map(|(name, _)| name.as_str());
        let mut codes: Vec<&'static str> = modelled.chain(UNMODELLED.iter().map(|(code, _, _)| *code)).collect();
        codes.sort_unstable();
        codes.dedup();
        for code in codes {
            let response = service.encode_error(&ApiError::new(code, "m"), "id");
            let body = String::from_utf8_lossy(response.body());
            text += &format!("{} {} {code} {body}\n", service.signing_name(), response.status().as_u16());
        }
    }
    text
}

/// Set `TINDRA_UPDATE_GOLDEN` to write the file anew, then read the difference.
#[test]
fn every_error_has_the_form_that_is_written_down() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/encode/errors.golden.txt");
    let actual = all_errors();
    if std::env::var_os("TINDRA_UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &actual).unwrap();
    }
    assert_eq!(actual, std::fs::read_to_string(path).unwrap());
}
