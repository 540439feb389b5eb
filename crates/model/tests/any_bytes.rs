//! Whatever comes over the wire: a request that fits, or a well-formed refusal. The same check is a fuzz target
//! (`fuzz/`).
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{Map, Value};
use tindra_model::{Service, WireRequest, lambda, logs};

/// Routes and decodes a request; a refusal must be a 4xx with a JSON body and the error's name in its header.
fn check(service: &'static Service, method: &Method, target: &str, headers: &HeaderMap, body: &[u8]) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = WireRequest { method, path, query, headers, body: body.to_vec().into() };
    let Err(error) = service.decode(&request) else { return };
    let response = service.encode_error(&error, "00000000-0000-4000-8000-000000000000");
    assert!(response.status().is_client_error(), "{}: {}", response.status(), error.message());
    assert!(!response.headers()["x-amzn-errortype"].is_empty());
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert!(body.is_object(), "{body}");
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![Just(Method::GET), Just(Method::PUT), Just(Method::POST), Just(Method::DELETE), Just(Method::PATCH)]
}

/// Text that a client might put into a path or a query.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{0,20}",
        "[%:/a-zA-Z0-9$.+_-]{0,200}",
        Just("arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af".to_owned()),
        Just("%".to_owned()),
        Just("%ff%FE".to_owned()),
        Just("..%2f..".to_owned()),
    ]
}

/// The path of an operation with anything in its labels, and anything behind the question mark.
fn target() -> impl Strategy<Value = (Method, String)> {
    let operations: Vec<_> = lambda().operations().map(|operation| operation.http()).collect();
    (proptest::sample::select(operations), proptest::collection::vec(piece(), 8)).prop_map(
        |((method, path), pieces)| {
            let mut pieces = pieces.into_iter();
            let mut target = String::new();
            let mut rest = path;
            while let Some((before, label)) = rest.split_once('{') {
                target.push_str(before);
                target.push_str(&pieces.next().unwrap_or_default());
                rest = label.split_once('}').map_or("", |(_, after)| after);
            }
            target.push_str(rest);
            let mut separator = if target.contains('?') { '&' } else { '?' };
            for (name, value) in ["Qualifier", "Marker", "MaxItems", "tagKeys"].iter().zip(pieces) {
                target.push_str(&format!("{separator}{name}={value}"));
                separator = '&';
            }
            (method.parse().unwrap(), target)
        },
    )
}

fn json(depth: u32) -> impl Strategy<Value = Value> {
    let names: Vec<String> = lambda()
        .operations()
        .flat_map(|operation| lambda().input_members(operation.name()))
        .map(|member| member.rsplit('.').next().unwrap_or_default().to_owned())
        .collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        Just(Value::from("python3.12")),
    ];
    leaf.prop_recursive(depth, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(names.clone()), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_path_and_any_bytes(method in method(), path in "/[ -~]{0,100}", body in bytes()) {
        check(lambda(), &method, &path, &HeaderMap::new(), &body);
    }

    #[test]
    fn every_operation_with_any_bytes((method, target) in target(), body in bytes()) {
        check(lambda(), &method, &target, &HeaderMap::new(), &body);
    }

    #[test]
    fn every_operation_with_members_of_any_kind((method, target) in target(), body in json(4)) {
        check(lambda(), &method, &target, &HeaderMap::new(), &serde_json::to_vec(&body).unwrap());
    }

    #[test]
    fn any_target_header(target in "[ -~]{0,60}", body in json(3)) {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Logs_20140328.{target}")).unwrap();
        headers.insert(HeaderName::from_static("x-amz-target"), value);
        check(logs(), &Method::POST, "/", &headers, &serde_json::to_vec(&body).unwrap());
    }
}
