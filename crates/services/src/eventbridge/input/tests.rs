//! The examples of AWS's page, and what must hold of every event.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn event() -> Value {
    json!({
        "version": "0", "id": "7bf73129", "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2", "account": "123456789012", "time": "2015-11-11T21:29:54Z", "region": "us-east-1",
        "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
        "detail": {"instance-id": "i-0123456789", "state": "RUNNING", "tags": [{"k": "a"}, {"k": "b"}]},
    })
}

const FACTS: Facts<'_> = Facts { rule_arn: "arn:rule", rule_name: "example", ingestion_ms: 1_447_277_394_000 };

fn paths() -> BTreeMap<String, String> {
    let paths = [
        ("instance", "$.detail.instance-id"),
        ("state", "$.detail.state"),
        ("detail", "$.detail"),
        ("first", "$.resources[0]"),
        ("keys", "$.detail.tags[*].k"),
        ("none", "$.detail.none"),
    ];
    paths.map(|(name, path)| (name.to_owned(), path.to_owned())).into()
}

fn filled(template: &str) -> String {
    Template::check(template, &paths()).unwrap();
    Template::fill(template, &paths(), &event(), &FACTS)
}

#[test]
fn templates_become_what_aws_shows() {
    for (template, expected) in [
        (r#""instance <instance> is in <state>""#, r#""instance i-0123456789 is in RUNNING""#),
        (r#""instance \"<instance>\" is in <state>""#, r#""instance \"i-0123456789\" is in RUNNING""#),
        (r#"{"instance" : <instance>, "state": <state>}"#, r#"{"instance" : "i-0123456789", "state": "RUNNING"}"#),
        (
            r#"{"instance": <instance>, "state": "<state>", "status": "instance \"<instance>\" is in <state>"}"#,
            r#"{"instance": "i-0123456789", "state": "RUNNING", "status": "instance \"i-0123456789\" is in RUNNING"}"#,
        ),
        (r#"{"state": [9, <state>, true], "T" : "Yes"}"#, r#"{"state": [9, "RUNNING", true], "T" : "Yes"}"#),
        (
            r#"{"first": <first>, "keys": <keys>}"#,
            r#"{"first": "arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111", "keys": ["a","b"]}"#,
        ),
        (r#"{"none": <none>, "text": "<none>!"}"#, r#"{"none": "", "text": "!"}"#),
        ("\"one <state>\"\n\"two < three\"", "\"one RUNNING\"\n\"two < three\""),
        (
            r#"{"arn": <aws.events.rule-arn>, "name": "<aws.events.rule-name>", "at": <aws.events.event.ingestion-time>}"#,
            r#"{"arn": "arn:rule", "name": "example", "at": "2015-11-11T21:29:54Z"}"#,
        ),
    ] {
        assert_eq!(filled(template), expected);
    }
    assert_eq!(
        filled(r#""Detail is <detail>""#),
        r#""Detail is {instance-id:i-0123456789,state:RUNNING,tags:[{k:a},{k:b}]}""#
    );
    assert_eq!(
        filled("{\"e\": <aws.events.event.json>}"),
        json!({"e": event()}).to_string().replace("\"e\":", "\"e\": ")
    );
    let without: Value = serde_json::from_str(&filled("<aws.events.event>")).unwrap();
    assert_eq!((without.get("detail"), &without["id"]), (None, &event()["id"]));
}

#[test]
fn templates_that_cannot_become_json_are_refused() {
    for template in
        ["", "plain <state>", r#"{"a": <unknown>}"#, r#"{"a": "<state>}"#, r#""all: <aws.events.event.json>""#]
    {
        assert!(Template::check(template, &paths()).is_err(), "{template}");
    }
}

#[test]
fn paths_lead_where_they_say() {
    for (path, expected) in [
        ("$", Some(event())),
        ("$.detail.state", Some("RUNNING".into())),
        ("$.detail['state']", Some("RUNNING".into())),
        ("$.detail-type", Some("EC2 Instance State-change Notification".into())),
        ("$.resources[1]", None),
        ("$.detail.tags[1].k", Some("b".into())),
        ("$.detail.tags.*.k", Some(json!(["a", "b"]))),
        ("$.nothing[*]", Some(json!([]))),
    ] {
        assert_eq!(Path::parse(path).unwrap().find(&event()), expected, "{path}");
    }
    for path in ["", "detail", "$detail", "$.", "$.a..b", "$.a[x]", "$.a[", "$.a b", "$[-1]"] {
        assert_eq!(Path::parse(path), None, "{path}");
    }
}

proptest! {
    #[test]
    fn what_a_template_becomes_is_json_whatever_the_event(text in ".*", number in any::<i64>(), key in ".*") {
        let event = json!({"detail": {"text": text, "number": number, "object": {key: [text, null, true]}}});
        let names = ["text", "number", "object"].map(|name| (name.to_owned(), format!("$.detail.{name}")));
        let template = r#"{"a": <text>, "b": "x <text> \"<number>\" <object>", "c": [<number>, <object>]}"#;
        Template::check(template, &names.clone().into()).unwrap();
        let filled = Template::fill(template, &names.into(), &event, &FACTS);
        let value: Value = serde_json::from_str(&filled).unwrap();
        prop_assert_eq!(&value["a"], &event["detail"]["text"]);
        prop_assert_eq!(&value["c"], &json!([number, event["detail"]["object"]]));
    }

    #[test]
    fn no_text_is_too_odd_to_be_looked_at(template in ".*", path in ".*") {
        let paths: BTreeMap<String, String> = [("p".to_owned(), path.clone())].into();
        let _ = Template::check(&template, &paths);
        let _ = Template::fill(&template, &paths, &event(), &FACTS);
        let _ = Path::parse(&path).map(|path| path.find(&event()));
    }
}
