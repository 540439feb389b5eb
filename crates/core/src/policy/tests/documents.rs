//! Reading, printing, and what is said about mistakes.

use super::super::{Policy, Principals, Selection, Version};
use super::policy;

#[test]
fn one_statement_may_stand_without_its_list() {
    let read = policy(
        r#"{"Version":"2012-10-17","Id":"default","Statement":{"Sid":"a","Effect":"Allow","Principal":"*",
            "Action":["s3:GetObject"],"Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":true}}}}"#,
    );
    assert_eq!(read.version, Some(Version::Of2012));
    assert_eq!(read.statements[0].principals, Some(Selection::Only(Principals::Everybody)));
    assert_eq!(read.statements[0].conditions[0].values, ["true"]);
}

#[test]
fn printing_is_as_aws_prints() {
    let text = concat!(
        r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s3","Effect":"Allow","#,
        r#""Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","#,
        r#""Resource":"arn:aws:lambda:eu-west-1:123456789012:function:thing","#,
        r#""Condition":{"StringEquals":{"AWS:SourceAccount":"123456789012"},"#,
        r#""ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"}}},"#,
        r#"{"Effect":"Deny","NotPrincipal":{"AWS":["1","2"]},"NotAction":["a:b","a:c"],"NotResource":"*"}]}"#,
    );
    assert_eq!(policy(text).to_string(), text);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, message) in [
        ("{", "the policy is not valid JSON: EOF while parsing an object at line 1 column 1"),
        ("[]", "the policy: must be an object, not a list"),
        (r#"{"Version":"2012-10-17"}"#, "Statement: missing"),
        (r#"{"Version":"2012","Statement":[]}"#, r#"Version: must be "2012-10-17" or "2008-10-17", not "2012""#),
        (r#"{"Statements":[]}"#, "Statements: there is no such element"),
        (r#"{"Statement":[{"Action":"a:b"}]}"#, "Statement[0].Effect: missing"),
        (r#"{"Statement":[{"Effect":"allow"}]}"#, r#"Statement[0].Effect: must be "Allow" or "Deny", not "allow""#),
        (r#"{"Statement":{"Effect":"Deny"}}"#, "Statement[0].Action: missing"),
        (r#"{"Statement":{"Effect":"Deny","Action":[]}}"#, "Statement[0].Action: must not be empty"),
        (
            r#"{"Statement":{"Effect":"Deny","Action":["a:b",1]}}"#,
            "Statement[0].Action[1]: must be a string, not a number",
        ),
        (
            r#"{"Statement":{"Effect":"Deny","Action":"a:b","NotAction":"a:c"}}"#,
            "Statement[0].NotAction: must not stand beside its negated form",
        ),
        (
            r#"{"Statement":{"Effect":"Deny","Action":"a:b","Principal":{"Aws":"*"}}}"#,
            "Statement[0].Principal.Aws: must be AWS, Service, Federated or CanonicalUser",
        ),
        (
            r#"{"Statement":{"Effect":"Deny","Action":"a:b","Condition":{"StringSame":{"a":"b"}}}}"#,
            "Statement[0].Condition.StringSame: there is no such operator",
        ),
        (
            r#"{"Statement":{"Effect":"Deny","Action":"a:b","Condition":{"Bool":{"a":"b"},"bool":{"a":"c"}}}}"#,
            "Statement[0].Condition.bool: the operator is there twice",
        ),
        (
            r#"{"Statement":{"Effect":"Deny","Action":"a:b","Condition":{"Bool":{"a":[{}]}}}}"#,
            "Statement[0].Condition.Bool.a[0]: must be a string, a number or a boolean, not an object",
        ),
        (
            r#"{"Statement":[{"Sid":"a","Effect":"Deny","Action":"a:b"},{"Sid":"a","Effect":"Deny","Action":"a:b"}]}"#,
            r#"Statement[1].Sid: "a" is there twice"#,
        ),
    ] {
        assert_eq!(Policy::parse(text).unwrap_err().to_string(), message, "{text}");
    }
    let twice = Policy::parse(r#"{"Statement":[{"Effect":"Allow","Effect":"Deny"}]}"#).unwrap_err();
    assert!(twice.to_string().contains("\"Effect\" is there twice"), "{twice}");
}

#[test]
fn identities_and_resources_have_rules_of_their_own() {
    let check = |text: &str| policy(text).check_for_identity().map_err(|error| error.to_string());
    assert_eq!(check(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#), Ok(()));
    for (statement, message) in [
        (r#""Action":"*""#, "Statement[0].Resource: missing"),
        (
            r#""Action":"*","Resource":"*","Principal":"*""#,
            "Statement[0].Principal: an identity's policy must not name principals",
        ),
        (r#""Action":"Get","Resource":"*""#, r#"Statement[0].Action: "Get" does not begin with a service"#),
        (r#""Action":"a:b","Resource":"bucket""#, r#"Statement[0].Resource: "bucket" must be an ARN or "*""#),
        (r#""Action":"a:b","Resource":"*","Sid":"a b""#, "Statement[0].Sid: must be letters and digits"),
    ] {
        let text = format!(r#"{{"Statement":{{"Effect":"Allow",{statement}}}}}"#);
        assert_eq!(check(&text), Err(message.to_owned()));
    }
    let trust =
        |principal: &str| format!(r#"{{"Statement":{{"Effect":"Allow",{principal}"Action":"sts:AssumeRole"}}}}"#);
    let check = |principal: &str| policy(&trust(principal)).check_for_resource().map_err(|error| error.to_string());
    assert_eq!(check(r#""Principal":{"Service":"lambda.amazonaws.com"},"#), Ok(()));
    assert_eq!(check(""), Err("Statement[0].Principal: missing".to_owned()));
    let expected = r#"Statement[0].NotPrincipal: must not stand with the effect "Allow""#;
    assert_eq!(check(r#""NotPrincipal":{"AWS":"*"},"#), Err(expected.to_owned()));
}
