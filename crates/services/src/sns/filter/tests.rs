//! Filter policies.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn filter(policy: &Value, scope: &str) -> Result<Option<Filter>, String> {
    let attributes = [("FilterPolicy", policy.to_string()), ("FilterPolicyScope", scope.to_owned())];
    Filter::of(&attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>())
}

fn message(attributes: &[(&str, &str, &str)], body: &str) -> Message {
    let one = |(name, data_type, value): &(&str, &str, &str)| {
        (name.to_string(), MessageAttribute { data_type: data_type.to_string(), value: value.to_string() })
    };
    Message { attributes: attributes.iter().map(one).collect(), body: body.to_owned(), ..Message::default() }
}

fn passes(policy: Value, attributes: &[(&str, &str, &str)]) -> bool {
    filter(&policy, "MessageAttributes").unwrap().unwrap().lets_pass(&message(attributes, ""))
}

#[test]
fn attributes_are_texts_numbers_and_lists() {
    assert!(passes(json!({ "store": ["a", "b"] }), &[("store", "String", "b")]));
    assert!(!passes(json!({ "store": ["a"] }), &[("store", "String", "b")]));
    assert!(!passes(json!({ "store": ["a"] }), &[]));
    assert!(passes(json!({ "price": [100] }), &[("price", "Number", "100.0")]));
    assert!(!passes(json!({ "price": ["100"] }), &[("price", "Number", "100")]));
    assert!(!passes(json!({ "price": [100] }), &[("price", "String", "100")]));
    let list = [("list", "String.Array", r#"["a", 5, true, null]"#)];
    for value in [json!("a"), json!(5), json!(true), json!(null)] {
        assert!(passes(json!({ "list": [value] }), &list), "{value}");
    }
    assert!(!passes(json!({ "list": ["b"] }), &list));
    assert!(!passes(json!({ "bytes": [{ "exists": true }] }), &[("bytes", "Binary", "AAAA")]));
    assert!(passes(json!({ "own": ["a"] }), &[("own", "String.kind", "a")]));
}

#[test]
fn the_operators_of_aws() {
    let text = |value| [("a", "String", value)];
    assert!(passes(json!({ "a": [{ "prefix": "ab" }] }), &text("abc")));
    assert!(passes(json!({ "a": [{ "suffix": "bc" }] }), &text("abc")));
    assert!(passes(json!({ "a": [{ "equals-ignore-case": "ABC" }] }), &text("abc")));
    assert!(!passes(json!({ "a": [{ "anything-but": ["abc", "x"] }] }), &text("abc")));
    assert!(passes(json!({ "a": [{ "anything-but": { "prefix": "x" } }] }), &text("abc")));
    assert!(!passes(json!({ "a": [{ "anything-but": { "suffix": "c" } }] }), &text("abc")));
    assert!(passes(json!({ "a": [{ "cidr": "10.0.0.0/24" }] }), &text("10.0.0.255")));
    assert!(!passes(json!({ "a": [{ "cidr": "10.0.0.0/24" }] }), &text("10.0.1.1")));
    assert!(passes(json!({ "b": [{ "exists": false }] }), &text("abc")));
    assert!(passes(json!({ "a": [{ "numeric": [">", 0, "<=", 5] }] }), &[("a", "Number", "5")]));
    assert!(!passes(json!({ "a": [{ "numeric": [">", 0, "<=", 5] }] }), &[("a", "Number", "5.1")]));
    let either = json!({ "$or": [{ "a": ["x"] }, { "b": ["y"] }] });
    assert!(passes(either.clone(), &[("b", "String", "y")]));
    assert!(!passes(either, &text("abc")));
}

#[test]
fn bodies_are_json_objects() {
    let policy = json!({ "order": { "state": ["paid"] } });
    let filter = filter(&policy, "MessageBody").unwrap().unwrap();
    for (body, passes) in [
        (r#"{"order": {"state": "paid"}}"#, true),
        (r#"{"order": [{"state": "open"}, {"state": "paid"}]}"#, true),
        (r#"{"order": {"state": "open"}}"#, false),
        ("paid", false),
        ("[]", false),
    ] {
        assert_eq!(filter.lets_pass(&message(&[], body)), passes, "{body}");
    }
}

#[test]
fn what_is_refused() {
    let refused = |policy: Value| filter(&policy, "MessageAttributes").unwrap_err();
    let names: Map<String, Value> = (0..6).map(|number| (number.to_string(), json!(["x"]))).collect();
    assert_eq!(refused(Value::Object(names)), "FilterPolicy: Filter policy can not have more than 5 keys");
    let many: Vec<u32> = (0..151).collect();
    assert_eq!(refused(json!({ "a": many })), "FilterPolicy: Filter policy is too complex");
    let ten: Vec<u32> = (0..13).collect();
    assert_eq!(refused(json!({ "a": ten, "b": ten })), "FilterPolicy: Filter policy is too complex");
    assert!(refused(json!({ "a": { "b": ["c"] } })).contains("does not support nested"));
    assert!(refused(json!({ "a": "b" })).contains("must be an object or an array"));
    assert!(refused(json!({ "a": [{ "nonsense": 1 }] })).starts_with("FilterPolicy: "));
    assert!(refused(json!([])).contains("must be an object"));
    // Twice as deep counts twice: 2 × 2 × 25 × … = 100 and 200.
    let values = |count: u32| (0..count).collect::<Vec<_>>();
    let nested = |count| json!({ "a": { "b": values(count) }, "c": ["x", "y"] });
    assert!(filter(&nested(37), "MessageBody").is_ok());
    assert!(filter(&nested(38), "MessageBody").is_err());
}

#[test]
fn an_empty_policy_is_none() {
    assert!(filter(&json!({}), "MessageBody").unwrap().is_none());
    assert!(Filter::of(&BTreeMap::new()).unwrap().is_none());
}

proptest! {
    #[test]
    fn a_text_passes_when_it_is_listed(values in prop::collection::vec("[a-c]{0,2}", 1..5), value in "[a-c]{1,2}") {
        let listed = values.contains(&value);
        prop_assert_eq!(passes(json!({ "a": values }), &[("a", "String", &value)]), listed);
    }

    #[test]
    fn no_policy_and_no_message_breaks_it(policy in ".{0,60}", value in ".{0,20}", kind in "String|Number|String.Array") {
        let attributes = BTreeMap::from([("FilterPolicy".to_owned(), policy)]);
        if let Ok(Some(filter)) = Filter::of(&attributes) {
            filter.lets_pass(&message(&[("a", &kind, &value)], &value));
        }
    }
}
