//! Wildcards, parts of ARNs and variables.

use super::super::Context;
use super::super::pattern::Pattern;
use super::context;

#[test]
fn wildcards_match_runs_and_single_characters() {
    for (pattern, text, matches) in [
        ("lambda:*", "lambda:InvokeFunction", true),
        ("lambda:Invoke*", "lambda:GetFunction", false),
        ("lambda:?etFunction", "lambda:GetFunction", true),
        ("a?c", "ac", false),
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false),
        ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ("é?", "éü", true),
    ] {
        assert_eq!(Pattern::new(pattern).matches(text, false), matches, "{pattern} and {text}");
    }
    assert!(Pattern::new("LAMBDA:invoke*").matches("lambda:InvokeFunction", true));
    assert!(!Pattern::new("LAMBDA:invoke*").matches("lambda:InvokeFunction", false));
}

#[test]
fn arns_match_part_by_part() {
    let function = "arn:aws:lambda:eu-west-1:123456789012:function:thing:live";
    for (pattern, matches) in [
        ("*", true),
        ("arn:aws:lambda:*:*:function:*", true),
        ("arn:aws:lambda:eu-west-1:123456789012:function:thing:*", true),
        ("arn:aws:lambda:eu-west-1:123456789012:function:thing", false),
        ("arn:aws:lambda:*:function:thing:live", false),
        ("arn:aws:lambda", true),
        ("arn:aws:lambda:*", true),
        ("arn:aws:sqs", false),
        ("arn:aws:lambda:eu-*-1:1234*:*:live", true),
        ("arn:AWS:lambda:*:*:*", false),
        ("arn:aws:lambda:eu-west-1:123456789012:Function:*", false),
    ] {
        assert_eq!(Pattern::new(pattern).matches_arn(function), matches, "{pattern}");
    }
    assert!(Pattern::new("arn:aws:s3:::bucket/*").matches_arn("arn:aws:s3:::bucket/a:b/c"));
    assert!(!Pattern::new("arn:aws:s3:::*").matches_arn("*"));
}

#[test]
fn variables_are_filled_in_as_plain_text() {
    let context = context(&[("aws:username", "jo*n"), ("aws:PrincipalTag/team", "red")]);
    let matches =
        |pattern, text| Pattern::with_variables(pattern, &context).map(|pattern| pattern.matches(text, false));
    assert_eq!(matches("home/${aws:username}/*", "home/jo*n/file"), Some(true));
    assert_eq!(matches("home/${aws:username}/*", "home/johan/file"), Some(false));
    assert_eq!(matches("${AWS:UserName}", "jo*n"), Some(true));
    assert_eq!(matches("${aws:PrincipalTag/team, 'blue'}", "red"), Some(true));
    assert_eq!(matches("${aws:PrincipalTag/town, 'blue'}", "blue"), Some(true));
    assert_eq!(matches("${aws:PrincipalTag/town}", "blue"), None);
    assert_eq!(matches("a${*}b${?}c${$}", "a*b?c$"), Some(true));
    assert_eq!(matches("a${*}b", "axb"), Some(false));
    assert_eq!(matches("open${aws:username", "open${aws:username"), Some(true));
}

#[test]
fn a_key_with_several_values_fills_in_no_variable() {
    let context = Context::default().with_all("aws:TagKeys", vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(Pattern::with_variables("${aws:TagKeys}", &context), None);
}
