//! Every operator, several values, missing keys.

use super::super::{Context, Decision, Request, evaluate};
use super::{ACCOUNT, FUNCTION, context, policy, user};

/// Whether `{"OPERATOR": {"k": VALUES}}` holds in a grant.
fn holds(operator: &str, values: &str, context: &Context) -> bool {
    decide("Allow", operator, values, context) == Decision::Allowed
}

fn decide(effect: &str, operator: &str, values: &str, context: &Context) -> Decision {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"*","Resource":"*",
            "Condition":{{"{operator}":{{"k":{values}}}}}}}}}"#
    );
    let requester = user(ACCOUNT, "john");
    let request = Request { requester: &requester, action: "lambda:InvokeFunction", resource: FUNCTION, context };
    evaluate(request, &[policy(&text)])
}

#[test]
fn each_operator_compares_as_the_guide_says() {
    for (operator, values, actual, expected) in [
        ("StringEquals", r#""a""#, "a", true),
        ("StringEquals", r#""a*""#, "ab", false),
        ("StringEquals", r#"["b","a"]"#, "a", true),
        ("StringEquals", r#""A""#, "a", false),
        ("stringequals", r#""a""#, "a", true),
        ("StringNotEquals", r#""a""#, "b", true),
        ("StringNotEquals", r#"["a","b"]"#, "b", false),
        ("StringEqualsIgnoreCase", r#""A""#, "a", true),
        ("StringNotEqualsIgnoreCase", r#""A""#, "a", false),
        ("StringLike", r#""a?c*""#, "abcdef", true),
        ("StringLike", r#""A*""#, "abc", false),
        ("StringNotLike", r#""a*""#, "abc", false),
        ("NumericEquals", "10", "10.0", true),
        ("NumericNotEquals", "10", "11", true),
        ("NumericLessThan", r#""10""#, "9", true),
        ("NumericLessThan", r#""10""#, "10", false),
        ("NumericLessThanEquals", r#""10""#, "10", true),
        ("NumericGreaterThan", r#""10""#, "9", false),
        ("NumericGreaterThanEquals", r#""10""#, "10", true),
        ("NumericEquals", r#""ten""#, "ten", false),
        ("DateLessThan", r#""2020-06-30T00:00:00Z""#, "2020-06-29T23:59:59Z", true),
        ("DateGreaterThan", r#""2020-04-01""#, "2020-04-01T00:00:01Z", true),
        ("DateEquals", r#""1577836800""#, "2020-01-01T00:00:00Z", true),
        ("DateNotEquals", r#""1577836800""#, "2020-01-01T00:00:00Z", false),
        ("DateLessThanEquals", r#""2020-01-01T01:00:00+01:00""#, "2020-01-01T00:00:00Z", true),
        ("DateGreaterThanEquals", r#""2020-01-01T00:00:00""#, "2019-12-31T23:59:59Z", false),
        ("Bool", "true", "True", true),
        ("Bool", r#""false""#, "true", false),
        ("BinaryEquals", r#""QmluYXJ5""#, "QmluYXJ5", true),
        ("BinaryEquals", r#""QmluYXJ5""#, "QmluYXJ4", false),
        ("IpAddress", r#""203.0.113.0/24""#, "203.0.113.77", true),
        ("IpAddress", r#""203.0.113.0/24""#, "203.0.114.77", false),
        ("IpAddress", r#""203.0.113.7""#, "203.0.113.7", true),
        ("IpAddress", r#""203.0.113.7""#, "203.0.113.8", false),
        ("IpAddress", r#""203.0.113.0/33""#, "203.0.113.0", false),
        ("IpAddress", r#""0.0.0.0/0""#, "198.51.100.1", true),
        ("IpAddress", r#""0.0.0.0/0""#, "2001:db8::1", false),
        ("IpAddress", r#""2001:DB8:1234:5678::/64""#, "2001:db8:1234:5678:9::1", true),
        ("NotIpAddress", r#""203.0.113.0/24""#, "203.0.113.77", false),
        ("ArnEquals", r#""arn:aws:s3:::bucket*""#, "arn:aws:s3:::bucket-1", true),
        ("ArnLike", r#""arn:aws:sns:*:123456789012:t?pic""#, "arn:aws:sns:eu-west-1:123456789012:topic", true),
        ("ArnLike", r#""arn:aws:sns:*:t?pic""#, "arn:aws:sns:eu-west-1:123456789012:topic", false),
        ("ArnNotLike", r#""arn:aws:s3:::bucket""#, "arn:aws:s3:::other", true),
        ("ArnNotEquals", r#""arn:aws:s3:::bucket""#, "arn:aws:s3:::bucket", false),
        ("Null", "true", "a", false),
        ("Null", "false", "a", true),
        ("StringEquals", r#""${aws:username}""#, "john", true),
        ("StringLike", r#""${aws:username}/*""#, "john/home", true),
    ] {
        let context = context(&[("K", actual), ("aws:username", "john")]);
        assert_eq!(holds(operator, values, &context), expected, "{operator} {values} with {actual}");
    }
}

#[test]
fn a_missing_key_is_treated_by_the_operators_form() {
    for (operator, expected) in [
        ("StringEquals", false),
        ("StringNotEquals", true),
        ("StringEqualsIfExists", true),
        ("StringNotEqualsIfExists", true),
        ("NumericLessThan", false),
        ("NotIpAddress", true),
        ("IpAddressIfExists", true),
        ("ForAllValues:StringEquals", true),
        ("ForAllValues:StringEqualsIfExists", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("ForAnyValue:StringEqualsIfExists", false),
    ] {
        assert_eq!(holds(operator, r#""a""#, &Context::default()), expected, "{operator}");
    }
    assert!(holds("Null", "true", &Context::default()));
    assert!(!holds("Null", "false", &Context::default()));
}

#[test]
fn a_key_with_several_values_is_compared_as_the_quantifier_says() {
    let context = Context::default().with_all("k", vec!["a".to_owned(), "b".to_owned()]);
    for (operator, values, expected) in [
        ("ForAllValues:StringEquals", r#"["a","b","c"]"#, true),
        ("ForAllValues:StringEquals", r#"["a","c"]"#, false),
        ("ForAnyValue:StringEquals", r#"["a","c"]"#, true),
        ("ForAnyValue:StringEquals", r#"["c","d"]"#, false),
        ("ForAllValues:StringNotEquals", r#"["c","d"]"#, true),
        ("ForAllValues:StringNotEquals", r#"["a","d"]"#, false),
        ("ForAnyValue:StringNotEquals", r#"["a","d"]"#, true),
        ("ForAnyValue:StringNotEquals", r#"["a","b"]"#, false),
        ("ForAnyValue:StringLike", r#""B*""#, false),
        ("ForAllValues:StringLike", r#"["a*","b*"]"#, true),
        ("StringNotEquals", r#""a""#, false),
    ] {
        assert_eq!(holds(operator, values, &context), expected, "{operator} {values}");
    }
    let none = Context::default().with_all("k", Vec::new());
    assert!(holds("ForAllValues:StringEquals", r#""a""#, &none));
    assert!(holds("Null", "true", &none));
}

#[test]
fn a_variable_without_a_value_never_widens_a_grant() {
    let context = context(&[("k", "x")]);
    let value = r#""${aws:username}""#;
    assert_eq!(decide("Allow", "StringEquals", value, &context), Decision::ImplicitlyDenied);
    assert_eq!(decide("Allow", "StringNotEquals", value, &context), Decision::ImplicitlyDenied);
    assert_eq!(decide("Deny", "StringNotEquals", value, &context), Decision::ExplicitlyDenied);
    assert_eq!(decide("Deny", "StringEquals", value, &context), Decision::ImplicitlyDenied);
}
