//! Event patterns beside somebody else's implementation of the language, over generated patterns and events.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use quamina::Quamina;
use serde_json::{Map, Value, json};
use tindra_core::event_pattern::Pattern;

/// Few names and values, so that patterns and events meet. Behind these are values: what is said of the values of an object is
/// nobody's to rely on (AWS), and the two differ there.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned)
}

/// Behind these are objects.
fn name_of_object() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["e", "f"]).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["", "x", "xy", "xyx", "XY", "yx", "10.0.0.7", "10.0.1.7", "2001:db8::1"])
            .prop_map(str::to_owned),
        "[xyXY]{0,4}",
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3..4i64).prop_map(|number| json!(number)),
        (-6..7i32).prop_map(|number| json!(f64::from(number) / 2.0))
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        3 => number(),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

/// An event, with lists in it or without.
fn event(has_lists: bool) -> impl Strategy<Value = Value> {
    let list = u32::from(has_lists);
    let value = prop_oneof![3 => scalar(), list => prop::collection::vec(scalar(), 1..4).prop_map(Value::from)];
    let flat = prop::collection::btree_map(name(), value, 1..4).prop_map(|fields| json!(fields)).boxed();
    let values = flat.clone();
    flat.prop_recursive(3, 24, 3, move |inner| {
        let objects = prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from);
        let object = prop_oneof![1 => inner, list => objects];
        let objects = prop::collection::btree_map(name_of_object(), object, 1..3);
        (values.clone(), objects).prop_map(|(values, objects)| joined(values, objects))
    })
}

/// An object with further fields.
fn joined(mut object: Value, fields: BTreeMap<String, Value>) -> Value {
    if let Value::Object(members) = &mut object {
        members.extend(fields);
    }
    object
}

fn wildcard() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["x", "y", "*"]), 1..6).prop_map(|parts| {
        let mut text = parts.concat();
        while text.contains("**") {
            text = text.replace("**", "*");
        }
        text
    })
}

fn comparison() -> impl Strategy<Value = Value> {
    let bounds = (-3..4i64, 0..4i64).prop_map(|(from, more)| json!({ "numeric": [">=", from, "<", from + more + 1] }));
    prop_oneof![
        6 => scalar(),
        1 => "[xy]{1,2}".prop_map(|prefix| json!({ "prefix": prefix })),
        1 => "[xy]{1,2}".prop_map(|suffix| json!({ "suffix": suffix })),
        1 => "[xyXY]{1,3}".prop_map(|text| json!({ "equals-ignore-case": text })),
        1 => wildcard().prop_map(|wildcard| json!({ "wildcard": wildcard })),
        1 => bounds,
        1 => prop::collection::vec("[xy]{1,2}", 1..3).prop_map(|texts| json!({ "anything-but": texts })),
        1 => prop::collection::vec(-3..4i64, 1..3).prop_map(|numbers| json!({ "anything-but": numbers })),
        1 => Just(json!({ "cidr": "10.0.0.0/24" })),
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    prop::collection::vec(comparison(), 1..3).prop_map(Value::from)
}

/// One rule somewhere. Of several in one pattern the other side loses some when there are lists, or questions whether there
/// is a value at all.
fn single() -> impl Strategy<Value = Value> {
    let exists = any::<bool>().prop_map(|exists| json!([{ "exists": exists }]));
    let rule = (name(), prop_oneof![3 => rule(), 1 => exists]).prop_map(|(name, rule)| json!({ name: rule }));
    (rule, prop::collection::vec(name_of_object(), 0..2))
        .prop_map(|(rule, above)| above.into_iter().fold(rule, |inner, name| json!({ name: inner })))
}

fn pattern() -> impl Strategy<Value = Value> {
    let flat = prop::collection::btree_map(name(), rule(), 1..3).prop_map(|rules| json!(rules)).boxed();
    let values = flat.clone();
    flat.prop_recursive(2, 8, 2, move |inner| {
        let objects = prop::collection::btree_map(name_of_object(), inner, 1..3);
        (values.clone(), objects).prop_map(|(values, objects)| joined(values, objects))
    })
}

fn matches_in_quamina(pattern: &Value, event: &Value) -> bool {
    let mut quamina = Quamina::new();
    quamina.add_pattern("it", &pattern.to_string()).unwrap();
    quamina.has_matches(event.to_string().as_bytes()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn patterns_match_what_quamina_matches(pattern in pattern(), event in event(false)) {
        let ours = Pattern::from_json(&pattern).unwrap().matches(&event);
        prop_assert_eq!(ours, matches_in_quamina(&pattern, &event), "{} {}", pattern, event);
    }

    #[test]
    fn rules_hold_where_quamina_says(pattern in single(), event in event(true)) {
        let ours = Pattern::from_json(&pattern).unwrap().matches(&event);
        prop_assert_eq!(ours, matches_in_quamina(&pattern, &event), "{} {}", pattern, event);
    }

    /// `$or` is what its alternatives are one by one.
    #[test]
    fn alternatives_are_patterns_of_their_own(common in pattern(), alternatives in prop::collection::vec(pattern(), 2..4), event in event(true)) {
        let whole = |alternative: &Value| {
            Pattern::from_json(&common).unwrap().matches(&event) && Pattern::from_json(alternative).unwrap().matches(&event)
        };
        let any = alternatives.iter().any(whole);
        let mut joined: Map<String, Value> = common.as_object().unwrap().clone();
        joined.insert("$or".to_owned(), Value::from(alternatives));
        prop_assert_eq!(Pattern::from_json(&Value::from(joined)).unwrap().matches(&event), any);
    }
}
