//! Bodies as Java writes them, times in milliseconds, and bytes that are nothing.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use minicbor::Encoder;
use minicbor::data::Tag;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::{Value, json};

use super::read;
use crate::service::{Call, Reply, WireRequest, kinesis_cbor};
use crate::{ApiError, Operation};

fn call(target: &str, body: Vec<u8>) -> Result<Call, ApiError> {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", HeaderValue::from_str(&format!("Kinesis_20131202.{target}")).unwrap());
    kinesis_cbor().decode(&WireRequest {
        method: &Method::POST,
        path: "/",
        query: "",
        headers: &headers,
        body: Bytes::from(body),
    })
}

fn operation(name: &str) -> &'static Operation {
    kinesis_cbor().operations().find(|operation| operation.name() == name).unwrap()
}

#[test]
fn a_request_as_java_writes_it() {
    let mut body = Encoder::new(Vec::new());
    body.begin_map().unwrap();
    body.str("StreamName").unwrap().str("s").unwrap();
    body.str("Data").unwrap().bytes(&[0, 255]).unwrap();
    body.str("PartitionKey").unwrap().begin_str().unwrap().str("ke").unwrap().str("y").unwrap().end().unwrap();
    body.end().unwrap();
    let input = call("PutRecord", body.into_writer()).unwrap().input;
    assert_eq!(input, json!({"StreamName": "s", "Data": "AP8=", "PartitionKey": "key"}));
}

#[test]
fn times_count_milliseconds_and_those_in_seconds_are_understood() {
    for (written, seconds) in [(1_700_000_000_500_i64, 1_700_000_000.5), (1_700_000_000, 1_700_000_000.0)] {
        let mut body = Encoder::new(Vec::new());
        body.tag(Tag::new(1)).unwrap().i64(written).unwrap();
        assert_eq!(read(&body.into_writer()).unwrap(), json!(seconds));
    }
    let output = json!({"Records": [{
        "SequenceNumber": "1", "Data": "AP8=", "ApproximateArrivalTimestamp": 1_700_000_000.5, "PartitionKey": null,
    }], "MillisBehindLatest": 0});
    let response = kinesis_cbor().encode(operation("GetRecords"), Reply::new(output), "id");
    assert_eq!(response.headers()["content-type"], "application/x-amz-cbor-1.1");
    let mut expected = Encoder::new(Vec::new());
    expected.map(2).unwrap().str("Records").unwrap().array(1).unwrap().map(3).unwrap();
    expected.str("SequenceNumber").unwrap().str("1").unwrap().str("Data").unwrap().bytes(&[0, 255]).unwrap();
    expected.str("ApproximateArrivalTimestamp").unwrap().tag(Tag::new(1)).unwrap().i64(1_700_000_000_500).unwrap();
    expected.str("MillisBehindLatest").unwrap().i64(0).unwrap();
    assert_eq!(response.body(), &expected.into_writer());
}

#[test]
fn errors_are_cbor_too() {
    let response = kinesis_cbor().encode_error(&ApiError::new("ResourceNotFoundException", "no"), "id");
    assert_eq!(response.status(), 400);
    assert_eq!(read(response.body()).unwrap(), json!({"__type": "ResourceNotFoundException", "message": "no"}));
}

#[test]
fn what_is_no_body_is_refused() {
    let deep = vec![0x81; 100];
    let numbers = [vec![0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], vec![0x3b; 9]];
    for body in [b"{}".to_vec(), vec![0xa1, 0x61], vec![0xa0, 0xa0], vec![0x9b; 9], deep].into_iter().chain(numbers) {
        let error = call("PutRecord", body).unwrap_err();
        assert_eq!(error.code(), "SerializationException", "{error}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        ".{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|members| members.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in values()) {
        assert_eq!(read(&kinesis_cbor().write_cbor(None, &value)).unwrap(), value);
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        drop(read(&body));
    }
}
