//! Tables of names, and names put together and taken apart again.

use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};

use super::{FunctionName, FunctionReference, NameError};
use crate::function::Scope;

fn here() -> Scope {
    Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() }
}

#[test]
fn every_form_names_the_same_function() {
    for (text, qualifier) in [
        ("thing", None),
        ("thing:7", Some("7")),
        ("thing:$LATEST", Some("$LATEST")),
        ("function:thing", None),
        ("function:thing:prod", Some("prod")),
        ("123456789012:function:thing", None),
        ("123456789012:thing", None),
        ("123456789012:function:thing:prod", Some("prod")),
        ("eu-west-1:123456789012:function:thing", None),
        ("arn:aws:lambda:eu-west-1:123456789012:function:thing", None),
        ("arn:aws:lambda:eu-west-1:123456789012:function:thing:$LATEST", Some("$LATEST")),
        ("arn:aws:lambda:eu-west-1:123456789012:function:thing:12", Some("12")),
    ] {
        let name = FunctionName::read(text, None, &here());
        assert_eq!(
            name,
            Ok(FunctionName { name: "thing".to_owned(), qualifier: qualifier.map(str::to_owned) }),
            "{text}"
        );
    }
}

#[test]
fn names_that_look_like_other_parts_are_names() {
    for (text, name, qualifier) in [
        ("function", "function", None),
        ("function:$LATEST", "function", Some("$LATEST")),
        ("function:function:1", "function", Some("1")),
        ("123456789012", "123456789012", None),
        ("us-east-1", "us-east-1", None),
        ("arn", "arn", None),
        ("us-east-1:$LATEST", "us-east-1", Some("$LATEST")),
        ("1234567890123:prod", "1234567890123", Some("prod")),
    ] {
        let reference = FunctionReference::parse(text).unwrap();
        assert_eq!((reference.name, reference.qualifier), (name, qualifier), "{text}");
    }
}

#[test]
fn what_is_not_a_name_is_refused() {
    for text in [
        "",
        ":",
        "a:",
        ":a",
        "a b",
        "a.b",
        "a:b:c",
        "arn:aws:lambda:thing",
        "arn:aws:lambda:eu-west-1:123456789012:thing",
        "arn:aws:s3:eu-west-1:123456789012:function:thing",
        "arn:aws:lambda:eu-west-1:123456789012:function:",
        "arn:aws:lambda:eu-west-1:123456789012:function:a:b:c",
        "thing:$latest",
        "größe",
    ] {
        let refused = FunctionReference::parse(text);
        assert_eq!(refused, Err(NameError::Malformed { text: text.to_owned() }), "{text}");
    }
}

#[test]
fn names_have_at_most_64_characters() {
    assert!(FunctionReference::parse(&"n".repeat(64)).is_ok());
    let long = "n".repeat(65);
    let error = FunctionReference::parse(&long).unwrap_err();
    assert_eq!(error.code(), "InvalidParameterValueException");
    assert_eq!(
        error.to_string(),
        format!(
            "1 validation error detected: Value '{long}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
        )
    );
}

#[test]
fn qualifiers_must_agree() {
    let read = |text, qualifier| FunctionName::read(text, qualifier, &here()).map(|name| name.qualifier);
    assert_eq!(read("thing:1", Some("1")), Ok(Some("1".to_owned())));
    assert_eq!(read("thing", Some("prod")), Ok(Some("prod".to_owned())));
    assert_eq!(read("thing:1", Some("")), Ok(Some("1".to_owned())));
    assert_eq!(read("thing", Some("")), Ok(None));
    let error = read("thing:1", Some("2")).unwrap_err();
    assert_eq!(error, NameError::QualifierMismatch);
    assert_eq!(
        error.to_string(),
        "The derived qualifier from the function name does not match the specified qualifier."
    );
}

#[test]
fn other_regions_and_accounts_are_told_apart() {
    let error = FunctionName::read("arn:aws:lambda:us-east-1:123456789012:function:thing", None, &here()).unwrap_err();
    assert_eq!(error.code(), "ResourceNotFoundException");
    assert_eq!(error.to_string(), "Functions from 'us-east-1' are not reachable in this region ('eu-west-1')");
    let error = FunctionName::read("210987654321:function:thing", None, &here()).unwrap_err();
    assert_eq!(error.code(), "AccessDeniedException");
    assert!(error.to_string().ends_with("arn:aws:lambda:eu-west-1:210987654321:function:thing"), "{error}");
}

#[test]
fn whole_functions_have_no_qualifier() {
    assert!(FunctionName::read_unqualified("thing", &here()).is_ok());
    assert_eq!(FunctionName::read_unqualified("thing:$LATEST", &here()), Err(NameError::Qualified));
}

#[test]
fn a_missing_function_is_named_with_its_qualifier() {
    let name = FunctionName::read("thing:prod", None, &here()).unwrap();
    assert_eq!(
        name.not_found(&here()).to_string(),
        "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:thing:prod"
    );
}

#[test]
fn regions_of_every_partition_are_regions() {
    for region in ["us-east-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1", "ap-southeast-7"]
    {
        assert!(super::is_region(region), "{region}");
    }
    for text in ["us-east", "us-east-10", "use-east-1", "us-x-east-1", "us-isobb-east-1", "", "-", "us--1", "US-east-1"]
    {
        assert!(!super::is_region(text), "{text}");
    }
}

/// Names, among them those that read like other parts of an ARN.
fn names() -> impl Strategy<Value = String> {
    let letters = prop::sample::select(b"abzAZ019-_".to_vec());
    let random = prop::collection::vec(letters, 1..=64).prop_map(|bytes| String::from_utf8(bytes).unwrap());
    let special = prop::sample::select(vec!["function", "arn", "aws", "lambda", "us-east-1", "123456789012"]);
    proptest::prop_oneof![random, special.prop_map(str::to_owned)]
}

fn qualifiers() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(proptest::prop_oneof![
        proptest::strategy::Just("$LATEST".to_owned()),
        proptest::strategy::Just("$LATEST.PUBLISHED".to_owned()),
        names(),
    ])
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        name in names(),
        qualifier in qualifiers(),
        with_region in any::<bool>(),
        with_account in any::<bool>(),
    ) {
        let scope = here();
        let reference = FunctionReference {
            region: with_region.then_some(scope.region.as_str()),
            account: with_account.then_some(scope.account.as_str()),
            name: &name,
            qualifier: qualifier.as_deref(),
        };
        let text = reference.to_string();
        prop_assert_eq!(FunctionReference::parse(&text), Ok(reference), "{}", text);
    }

    #[test]
    fn an_arn_names_its_function(name in names(), qualifier in qualifiers()) {
        let whole = FunctionName { name, qualifier };
        prop_assert_eq!(FunctionName::read(&whole.arn(&here()), None, &here()), Ok(whole));
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = FunctionReference::parse(&text);
    }
}
