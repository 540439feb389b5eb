//! Members from everywhere, and refusals that say what and where.

use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::*;
use crate::lambda;

fn decode(method: &str, path: &str, query: &str, body: &str) -> Result<Call, ApiError> {
    let headers = HeaderMap::new();
    let method: Method = method.parse().unwrap();
    lambda().decode(&WireRequest {
        method: &method,
        path,
        query,
        headers: &headers,
        body: Bytes::from(body.to_owned()),
    })
}

#[test]
fn members_come_from_path_query_and_body() {
    let call = decode(
        "GET",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af",
        "Qualifier=a%2Bb",
        "",
    );
    assert!(call.is_err(), "a qualifier of a+b breaks its pattern");
    let call = decode("GET", "/2015-03-31/functions/f", "Qualifier=%24LATEST", "").unwrap();
    assert_eq!(call.input, json!({"FunctionName": "f", "Qualifier": "$LATEST"}));
    let call = decode(
        "PUT",
        "/2015-03-31/functions/f/configuration",
        "",
        r#"{"Timeout": 5.0, "Unknown": 1, "Description": null}"#,
    );
    assert_eq!(call.unwrap().input, json!({"FunctionName": "f", "Timeout": 5}));
}

#[test]
fn wrong_types_say_what_and_where() {
    let error =
        decode("PUT", "/2015-03-31/functions/f/configuration", "", r#"{"Environment": {"Variables": {"A": 1}}}"#)
            .unwrap_err();
    assert_eq!(error.to_string(), "SerializationException: Environment.Variables.A must be a string, and is a number.");
    for (body, message) in [
        ("{", "The body is not valid JSON: EOF while parsing an object at line 1 column 1."),
        ("[]", "the body must be an object, and is a list."),
        (r#"{"Timeout": "3"}"#, "Timeout must be a whole number, and is a string."),
        (r#"{"Timeout": 1.5}"#, "Timeout must be a whole number, and is a number."),
        (r#"{"Timeout": 3000000000}"#, "Timeout must be a whole number, and is a number."),
        (r#"{"Layers": "a"}"#, "Layers must be a list, and is a string."),
        (r#"{"Layers": [1]}"#, "Layers[0] must be a string, and is a number."),
        (r#"{"VpcConfig": []}"#, "VpcConfig must be an object, and is a list."),
    ] {
        let error = decode("PUT", "/2015-03-31/functions/f/configuration", "", body).unwrap_err();
        assert_eq!((error.code(), error.message()), ("SerializationException", message));
    }
    let error = decode("GET", "/2015-03-31/functions", "MaxItems=many", "").unwrap_err();
    assert_eq!(error.to_string(), "SerializationException: MaxItems must be a whole number, and is a string.");
}

#[test]
fn json_of_any_depth_is_an_answer_and_no_crash() {
    let deep = format!(r#"{{"VpcConfig": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let error = decode("PUT", "/2015-03-31/functions/f/configuration", "", &deep).unwrap_err();
    assert_eq!(error.code(), "SerializationException");
}

#[test]
fn labels_are_decoded_once_and_may_be_bare() {
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
    for path in [arn.to_owned(), arn.replace(':', "%3A"), arn.replace(':', "%3a")] {
        let call = decode("GET", &format!("/2015-03-31/functions/{path}"), "", "").unwrap();
        assert_eq!(call.input["FunctionName"], arn);
    }
    let error = decode("GET", "/2015-03-31/functions/a%253Ab", "", "").unwrap_err();
    assert!(error.message().contains("'a%3Ab'"), "{error}");
}

#[test]
fn times_and_lists_come_out_of_queries() {
    let path = "/2025-12-01/functions/f/durable-executions";
    let query = "StartedAfter=2026-01-02T03%3A04%3A05.5Z&StartedBefore=1767323046&Statuses=RUNNING&Statuses=FAILED&ReverseOrder=true";
    let call = decode("GET", path, query, "").unwrap();
    assert_eq!(
        call.input,
        json!({
            "FunctionName": "f", "Statuses": ["RUNNING", "FAILED"], "ReverseOrder": true,
            "StartedAfter": 1_767_323_045.5, "StartedBefore": 1_767_323_046.0,
        })
    );
    assert_eq!(decode("GET", path, "StartedAfter=soon", "").unwrap_err().code(), "SerializationException");
}

#[test]
fn a_structure_can_be_the_whole_body() {
    let path = "/2025-12-01/durable-execution-callbacks/abc/fail";
    let call = decode("POST", path, "", r#"{"ErrorType": "T", "Unknown": 1}"#).unwrap();
    assert_eq!(call.input["Error"], json!({"ErrorType": "T"}));
}

#[test]
fn the_target_header_names_operations_of_the_logs() {
    let mut headers = HeaderMap::new();
    let decode = |headers: &HeaderMap, body: &'static str| {
        let body = Bytes::from_static(body.as_bytes());
        crate::logs().decode(&WireRequest { method: &Method::POST, path: "/", query: "", headers, body })
    };
    assert_eq!(decode(&headers, "{}").unwrap_err().code(), "UnknownOperationException");
    headers.insert("x-amz-target", "Logs_20140328.GetLogEvents".parse().unwrap());
    let call = decode(&headers, r#"{"logGroupName": "g", "logStreamName": "s", "startTime": 5}"#).unwrap();
    assert_eq!(call.operation.name(), "GetLogEvents");
    assert_eq!(call.input, json!({"logGroupName": "g", "logStreamName": "s", "startTime": 5}));
    let error = decode(&headers, "").unwrap_err();
    assert_eq!(
        error.message(),
        "1 validation error detected: Value null at 'logStreamName' failed to satisfy constraint: Member must not be null"
    );
    assert_eq!(decode(&headers, "{").unwrap_err().code(), "SerializationException");
}

#[test]
fn members_are_read_under_the_names_of_the_wire_and_bad_requests_have_the_services_word() {
    let headers = HeaderMap::new();
    let decode = |body: &'static str| {
        let body = Bytes::from_static(body.as_bytes());
        crate::apigatewayv2().decode(&WireRequest {
            method: &Method::POST,
            path: "/v2/apis/a1/stages",
            query: "",
            headers: &headers,
            body,
        })
    };
    let call = decode(r#"{"stageName": "s", "routeSettings": {"GET /a": {"throttlingRateLimit": 2}}}"#).unwrap();
    let settings = json!({"GET /a": {"ThrottlingRateLimit": 2}});
    assert_eq!(call.input, json!({"ApiId": "a1", "StageName": "s", "RouteSettings": settings}));
    for body in ["{}", "{", r#"{"stageName": 1}"#] {
        assert_eq!(decode(body).unwrap_err().code(), "BadRequestException", "{body}");
    }
}

#[test]
fn the_event_is_not_looked_at() {
    let call = decode("POST", "/2015-03-31/functions/f/invocations", "", "not json").unwrap();
    assert_eq!(call.payload.unwrap(), "not json");
}

proptest! {
    #[test]
    fn nothing_panics(
        index in 0..91_usize,
        label in "\\PC{0,20}",
        query in "\\PC{0,40}",
        body in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let operation = lambda().operations().nth(index).unwrap();
        let path = operation.data.path.split('?').next().unwrap().replace(['{', '}'], &label);
        let method: Method = operation.data.method.parse().unwrap();
        let headers = HeaderMap::new();
        let _ = lambda().decode(&WireRequest {
            method: &method, path: &path, query: &query, headers: &headers, body: Bytes::from(body),
        });
    }

    #[test]
    fn no_json_panics(index in 0..91_usize, value in json_value(), name in "[A-Z][A-Za-z]{0,12}") {
        let operation = lambda().operations().nth(index).unwrap();
        let members = lambda().input_members(operation.name());
        let member = members.get(name.len() % members.len().max(1)).cloned().unwrap_or(name);
        let body = json!({ member.split('.').next().unwrap(): value }).to_string();
        let path = operation.data.path.split('?').next().unwrap().replace(['{', '}'], "");
        let _ = decode(&operation.data.method, &path, "", &body);
    }

    #[test]
    fn escapes_come_back(text in "\\PC*") {
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        prop_assert_eq!(percent_decode(&escaped), text);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec(("[A-Z][a-z]{0,6}", inner), 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}
