//! Every operator of the language, by example; `tests/event_patterns.rs` compares with another implementation.

use serde_json::{Value, json};

use super::Pattern;

fn matches(pattern: Value, event: Value) -> bool {
    Pattern::from_json(&pattern).unwrap().matches(&event)
}

/// The example event of AWS's page.
fn event() -> Value {
    json!({
        "version": "0",
        "source": "aws.ec2",
        "detail-type": "EC2 Instance State-change Notification",
        "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-abcd1111"],
        "detail": {
            "instance-id": "i-abcd1111",
            "state": "running",
            "c-count": 5,
            "d-count": 2.5,
            "x-limit": 301.8,
            "source-ip": "10.0.0.33",
            "source-ip6": "2001:db8::1",
            "nothing": null,
            "empty": "",
            "flag": true,
            "list": [],
        },
    })
}

#[test]
fn values_fit() {
    for pattern in [
        json!({ "source": ["aws.ec2"] }),
        json!({ "source": ["aws.s3", "aws.ec2"], "detail": { "state": ["running"] } }),
        json!({ "detail": { "c-count": [5.0], "d-count": [2.5], "flag": [true], "nothing": [null], "empty": [""] } }),
        json!({ "resources": [{ "prefix": "arn:aws:ec2" }] }),
        json!({ "source": [{ "prefix": { "equals-ignore-case": "AWS." } }, "x"] }),
        json!({ "source": [{ "suffix": ".ec2" }], "detail-type": [{ "suffix": { "equals-ignore-case": "NOTIFICATION" } }] }),
        json!({ "detail": { "state": [{ "equals-ignore-case": "RUNNING" }] } }),
        json!({ "detail": { "state": [{ "wildcard": "r*n*g" }] } }),
        json!({ "detail": { "state": [{ "anything-but": "terminated" }] } }),
        json!({ "detail": { "state": [{ "anything-but": ["terminated", "stopped"] }] } }),
        json!({ "detail": { "state": [{ "anything-but": { "prefix": "stop" } }] } }),
        json!({ "detail": { "state": [{ "anything-but": { "suffix": ["x", "y"] } }] } }),
        json!({ "detail": { "state": [{ "anything-but": { "wildcard": "*/lib/*" } }] } }),
        json!({ "detail": { "state": [{ "anything-but": { "equals-ignore-case": ["STOPPED"] } }] } }),
        json!({ "detail": { "c-count": [{ "anything-but": [123, 124] }] } }),
        json!({ "detail": { "c-count": [{ "numeric": [">", 0, "<=", 5] }], "d-count": [{ "numeric": ["<", 10] }] } }),
        json!({ "detail": { "x-limit": [{ "numeric": ["=", 3.018e2] }] } }),
        json!({ "detail": { "source-ip": [{ "cidr": "10.0.0.0/24" }] } }),
        json!({ "detail": { "source-ip6": [{ "cidr": "2001:db8::/32" }] } }),
        json!({ "detail": { "state": [{ "exists": true }], "gone": [{ "exists": false }] } }),
        json!({ "gone": { "deeper": [{ "exists": false }] } }),
        json!({ "detail": { "list": [{ "exists": false }] } }),
        json!({ "detail": { "$or": [{ "c-count": [{ "numeric": [">", 9] }] }, { "state": ["running"] }] } }),
    ] {
        assert!(matches(pattern.clone(), event()), "{pattern}");
    }
}

#[test]
fn others_do_not() {
    for pattern in [
        json!({ "source": ["aws.s3"] }),
        json!({ "source": ["aws.ec2"], "detail": { "state": ["stopped"] } }),
        json!({ "detail": ["running"] }),
        json!({ "source": { "deeper": ["x"] } }),
        json!({ "detail": { "c-count": ["5"] } }),
        json!({ "detail": { "gone": [{ "anything-but": "x" }] } }),
        json!({ "detail": { "gone": [{ "exists": true }], "state": ["running"] } }),
        json!({ "detail": { "state": [{ "exists": false }] } }),
        json!({ "detail": [{ "exists": true }] }),
        json!({ "detail": { "list": [{ "exists": true }] } }),
        json!({ "detail": { "c-count": [{ "numeric": [">", 5] }] } }),
        json!({ "detail": { "source-ip": [{ "cidr": "10.0.1.0/24" }] } }),
        json!({ "detail": { "source-ip": [{ "cidr": "::/0" }] } }),
        json!({ "detail": { "state": [{ "wildcard": "r*x*g" }] } }),
        json!({ "detail": { "state": [{ "anything-but": { "prefix": "run" } }] } }),
        json!({ "$or": [{ "source": ["x"] }, { "detail": { "state": ["y"] } }] }),
    ] {
        assert!(!matches(pattern.clone(), event()), "{pattern}");
    }
}

#[test]
fn fields_of_an_object_in_a_list_belong_together() {
    let pattern = json!({ "employees": { "first": ["Ann"], "last": ["Bee"] } });
    assert!(matches(pattern.clone(), json!({ "employees": [{ "first": "Cy" }, { "first": "Ann", "last": "Bee" }] })));
    assert!(!matches(pattern, json!({ "employees": [{ "first": "Ann", "last": "Dee" }, { "last": "Bee" }] })));
    let absent = json!({ "employees": { "last": [{ "exists": false }] } });
    assert!(!matches(absent.clone(), json!({ "employees": [{ "first": "Ann" }, { "last": "Bee" }] })));
    assert!(matches(absent, json!({ "employees": [{ "first": "Ann" }, { "first": "Cy" }] })));
}

#[test]
fn stars_stand_for_any_characters() {
    let fits = |wildcard: &str, text: &str| matches(json!({ "a": [{ "wildcard": wildcard }] }), json!({ "a": text }));
    for (wildcard, text) in [
        ("*", ""),
        ("a*", "a"),
        ("*.txt", "b.txt"),
        ("a*b*c", "abbc"),
        (r"a\*b", "a*b"),
        (r"a\\*", r"a\x"),
        ("ab*ba", "abba"),
    ] {
        assert!(fits(wildcard, text), "{wildcard} {text}");
    }
    for (wildcard, text) in [("a", "ab"), ("ab*ba", "aba"), (r"a\*b", "axb"), ("*b*c", "ac"), ("a*bc*c", "abc")] {
        assert!(!fits(wildcard, text), "{wildcard} {text}");
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_a_reason() {
    for (pattern, reason) in [
        ("[]", "not an object"),
        ("{}", "Empty objects"),
        ("{", "EOF"),
        (r#"{"a":"b"}"#, "\"a\" must be an object or an array"),
        (r#"{"a":[]}"#, "Empty arrays"),
        (r#"{"a":{}}"#, "Empty objects"),
        (r#"{"a":[["b"]]}"#, "Match value must be"),
        (r#"{"a":[{"like":"b"}]}"#, "Unrecognized match type like"),
        (r#"{"a":[{"prefix":1}]}"#, "prefix match pattern must be a string"),
        (r#"{"a":[{"prefix":"b","suffix":"c"}]}"#, "Only one key"),
        (r#"{"a":[{"exists":"yes"}]}"#, "exists match pattern"),
        (r#"{"a":[{"numeric":[">"]}]}"#, "numeric"),
        (r#"{"a":[{"numeric":["=<",5]}]}"#, "Unrecognized numeric range operator"),
        (r#"{"a":[{"numeric":[">",5,"<",4]}]}"#, "Bottom must be less than top"),
        (r#"{"a":[6e9]}"#, "-5.0E9 and 5.0E9"),
        (r#"{"a":[{"cidr":"10.0.0.0/33"}]}"#, "mask"),
        (r#"{"a":[{"wildcard":"a**b"}]}"#, "Consecutive wildcard"),
        (r#"{"a":[{"anything-but":[1,"b"]}]}"#, "mixed type"),
        (r#"{"a":[{"anything-but":null}]}"#, "anything-but must be"),
        (r#"{"$or":[{"a":[1]}]}"#, "at least 2"),
    ] {
        let error = Pattern::parse(pattern).unwrap_err().to_string();
        assert!(error.contains(reason), "{pattern}: {error}");
    }
}

#[test]
fn a_table_can_be_ordered_by_texts() {
    let texts = |pattern: Value| {
        let pattern = Pattern::from_json(&pattern).unwrap();
        pattern.texts_of("source").map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(texts(json!({ "source": ["a", "b"] })), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(texts(json!({ "source": ["a", { "prefix": "b" }] })), None);
    assert_eq!(texts(json!({ "detail": { "source": ["a"] } })), None);
}
