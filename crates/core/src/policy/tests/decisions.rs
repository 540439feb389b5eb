//! Who may do what: statements, principals, and the two sides of a request.

use std::sync::Arc;

use super::super::{Context, Decision, Holdings, Origin, Policy, Request, Requester, Verdict, authorise, evaluate};
use super::{ACCOUNT, FUNCTION, context, policy, service, session, user};

const OTHER: &str = "210987654321";

fn statement(text: &str) -> Policy {
    policy(&format!(r#"{{"Version":"2012-10-17","Statement":[{text}]}}"#))
}

fn grant() -> Policy {
    statement(r#"{"Effect":"Allow","Action":"lambda:invokefunction","Resource":"*"}"#)
}

fn grant_to(principal: &str) -> Policy {
    statement(&format!(
        r#"{{"Effect":"Allow","Principal":{principal},"Action":"lambda:InvokeFunction","Resource":"{FUNCTION}"}}"#
    ))
}

fn verdict(requester: &Requester, identity: &[Policy], resource: Option<&Policy>) -> Verdict {
    let context = Context::default();
    let request = Request { requester, action: "lambda:InvokeFunction", resource: FUNCTION, context: &context };
    let identity: Vec<_> = identity.iter().cloned().map(Arc::new).collect();
    authorise(request, Holdings { policies: &identity, ..Holdings::default() }, resource, ACCOUNT)
}

#[test]
fn the_negated_elements_speak_of_all_the_rest() {
    let context = Context::default();
    let john = user(ACCOUNT, "john");
    let decide = |text: &str, action: &str, resource: &str| {
        evaluate(Request { requester: &john, action, resource, context: &context }, &[statement(text)])
    };
    let not_action = r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#;
    assert_eq!(decide(not_action, "lambda:InvokeFunction", FUNCTION), Decision::Allowed);
    assert_eq!(decide(not_action, "iam:CreateUser", "*"), Decision::ImplicitlyDenied);
    let not_resource = r#"{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::mine/*"}"#;
    assert_eq!(decide(not_resource, "s3:GetObject", "arn:aws:s3:::mine/a"), Decision::ImplicitlyDenied);
    assert_eq!(decide(not_resource, "s3:GetObject", "arn:aws:s3:::yours/a"), Decision::ExplicitlyDenied);
    let unknown = r#"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::${aws:username}/*"}"#;
    assert_eq!(decide(unknown, "s3:GetObject", "arn:aws:s3:::yours/a"), Decision::ImplicitlyDenied);
}

#[test]
fn variables_belong_to_the_version_of_2012() {
    let john = user(ACCOUNT, "john");
    let context = context(&[("aws:username", "john")]);
    let request =
        Request { requester: &john, action: "s3:GetObject", resource: "arn:aws:s3:::b/john/x", context: &context };
    let text = |version: &str| {
        format!(
            r#"{{{version}"Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${{aws:username}}/*"}}}}"#
        )
    };
    assert_eq!(evaluate(request, &[policy(&text(r#""Version":"2012-10-17","#))]), Decision::Allowed);
    assert_eq!(evaluate(request, &[policy(&text(r#""Version":"2008-10-17","#))]), Decision::ImplicitlyDenied);
    assert_eq!(evaluate(request, &[policy(&text(""))]), Decision::ImplicitlyDenied);
}

#[test]
fn principals_are_named_directly_or_by_their_account() {
    let direct = Verdict::Allowed;
    let by_identity = Verdict::ImplicitlyDenied(Origin::Identity);
    for (principal, requester, expected) in [
        (r#""*""#, user(ACCOUNT, "john"), direct),
        (r#"{"AWS":"*"}"#, user(ACCOUNT, "john"), direct),
        (r#"{"AWS":"arn:aws:iam::123456789012:user/john"}"#, user(ACCOUNT, "john"), direct),
        (r#"{"AWS":"arn:aws:iam::123456789012:user/j*"}"#, user(ACCOUNT, "john"), by_identity),
        (r#"{"AWS":["1","arn:aws:iam::123456789012:role/r"]}"#, session(ACCOUNT, "r"), direct),
        (r#"{"AWS":"arn:aws:sts::123456789012:assumed-role/r/session"}"#, session(ACCOUNT, "r"), direct),
        (r#"{"AWS":"arn:aws:iam::123456789012:role/q"}"#, session(ACCOUNT, "r"), by_identity),
        (r#"{"AWS":"123456789012"}"#, user(ACCOUNT, "john"), by_identity),
        (r#"{"AWS":"arn:aws:iam::123456789012:root"}"#, user(ACCOUNT, "john"), by_identity),
        (r#"{"Service":"s3.amazonaws.com"}"#, service("s3.amazonaws.com"), direct),
        (
            r#"{"Service":"s3.amazonaws.com"}"#,
            service("sns.amazonaws.com"),
            Verdict::ImplicitlyDenied(Origin::Resource),
        ),
        (r#""*""#, Requester::Anonymous, direct),
        (r#"{"AWS":"123456789012"}"#, Requester::Anonymous, Verdict::ImplicitlyDenied(Origin::Resource)),
        (
            r#"{"Federated":"cognito-identity.amazonaws.com"}"#,
            Requester::Federated { provider: "cognito-identity.amazonaws.com".to_owned() },
            direct,
        ),
    ] {
        assert_eq!(verdict(&requester, &[], Some(&grant_to(principal))), expected, "{principal} for {requester:?}");
    }
}

#[test]
fn whoever_is_not_exempt_is_denied() {
    let deny = statement(
        r#"{"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::123456789012:user/john","arn:aws:iam::123456789012:root"]},
            "Action":"*","Resource":"*"}"#,
    );
    assert_eq!(verdict(&user(ACCOUNT, "john"), &[grant()], Some(&deny)), Verdict::Allowed);
    assert_eq!(verdict(&user(ACCOUNT, "jane"), &[grant()], Some(&deny)), Verdict::ExplicitlyDenied(Origin::Resource));
    assert_eq!(verdict(&Requester::Root { account: ACCOUNT.to_owned() }, &[], Some(&deny)), Verdict::Allowed);
}

#[test]
fn within_an_account_either_side_grants_and_across_accounts_both_must() {
    let named = |account: &str| grant_to(&format!(r#"{{"AWS":"arn:aws:iam::{account}:user/john"}}"#));
    let (own, here, there) = (grant(), named(ACCOUNT), named(OTHER));
    for (account, identity, resource, expected) in [
        (ACCOUNT, None, None, Verdict::ImplicitlyDenied(Origin::Identity)),
        (ACCOUNT, Some(&own), None, Verdict::Allowed),
        (ACCOUNT, None, Some(&here), Verdict::Allowed),
        (ACCOUNT, Some(&own), Some(&there), Verdict::Allowed),
        (OTHER, Some(&own), None, Verdict::ImplicitlyDenied(Origin::Resource)),
        (OTHER, None, Some(&there), Verdict::ImplicitlyDenied(Origin::Identity)),
        (OTHER, Some(&own), Some(&there), Verdict::Allowed),
    ] {
        let identity: Vec<Policy> = identity.into_iter().cloned().collect();
        assert_eq!(verdict(&user(account, "john"), &identity, resource), expected);
    }
    let whole_account = grant_to(&format!(r#"{{"AWS":"{OTHER}"}}"#));
    assert_eq!(verdict(&user(OTHER, "john"), &[grant()], Some(&whole_account)), Verdict::Allowed);
    let deny = statement(r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#);
    assert_eq!(
        verdict(&user(ACCOUNT, "john"), &[grant(), deny], Some(&here)),
        Verdict::ExplicitlyDenied(Origin::Identity)
    );
    let root = |account: &str| Requester::Root { account: account.to_owned() };
    assert_eq!(verdict(&root(ACCOUNT), &[], None), Verdict::Allowed);
    assert_eq!(verdict(&root(OTHER), &[], None), Verdict::ImplicitlyDenied(Origin::Resource));
}

#[test]
fn what_bounds_an_identity_must_allow_as_well() {
    let (john, robot) = (user(ACCOUNT, "john"), session(ACCOUNT, "r"));
    let context = Context::default();
    let (own, other) = ([grant()], statement(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#));
    let deny = statement(r#"{"Effect":"Deny","Action":"lambda:*","Resource":"*"}"#);
    let here = grant_to(r#"{"AWS":["arn:aws:iam::123456789012:user/john","arn:aws:iam::123456789012:role/r"]}"#);
    let ask = |requester, policies: &[Policy], boundary, session: &[Policy], resource| {
        let shared = |policies: &[Policy]| policies.iter().cloned().map(Arc::new).collect::<Vec<_>>();
        let (policies, session) = (&shared(policies), &shared(session));
        let request = Request { requester, action: "lambda:InvokeFunction", resource: FUNCTION, context: &context };
        authorise(request, Holdings { policies, boundary, session }, resource, ACCOUNT)
    };
    let by = Verdict::ImplicitlyDenied;
    assert_eq!(ask(&john, &own, Some(&own[0]), &[], None), Verdict::Allowed);
    assert_eq!(ask(&john, &own, Some(&other), &[], None), by(Origin::Boundary));
    assert_eq!(ask(&john, &[], Some(&own[0]), &[], None), by(Origin::Identity));
    assert_eq!(ask(&john, &own, Some(&deny), &[], Some(&here)), Verdict::ExplicitlyDenied(Origin::Boundary));
    assert_eq!(ask(&john, &[], Some(&other), &[], Some(&here)), Verdict::Allowed);
    assert_eq!(ask(&robot, &own, None, &own, None), Verdict::Allowed);
    assert_eq!(ask(&robot, &own, None, std::slice::from_ref(&other), None), by(Origin::Session));
    assert_eq!(ask(&robot, &own, None, std::slice::from_ref(&other), Some(&here)), by(Origin::Session));
    assert_eq!(ask(&robot, &[], None, std::slice::from_ref(&other), Some(&here)), by(Origin::Identity));
    assert_eq!(ask(&robot, &[], None, &[], Some(&here)), Verdict::Allowed);
}

#[test]
fn refusals_are_in_the_words_of_aws() {
    let john = user(ACCOUNT, "john");
    let context = Context::default();
    let request = Request { requester: &john, action: "lambda:InvokeFunction", resource: FUNCTION, context: &context };
    let start = format!(
        "User: arn:aws:iam::{ACCOUNT}:user/john is not authorized to perform: lambda:InvokeFunction on resource: {FUNCTION} "
    );
    for (verdict, end) in [
        (
            Verdict::ImplicitlyDenied(Origin::Identity),
            "because no identity-based policy allows the lambda:InvokeFunction action",
        ),
        (
            Verdict::ImplicitlyDenied(Origin::Resource),
            "because no resource-based policy allows the lambda:InvokeFunction action",
        ),
        (Verdict::ExplicitlyDenied(Origin::Identity), "with an explicit deny in an identity-based policy"),
        (Verdict::ExplicitlyDenied(Origin::Resource), "with an explicit deny in a resource-based policy"),
    ] {
        assert_eq!(verdict.refusal(request), Some(format!("{start}{end}")));
    }
    assert_eq!(Verdict::Allowed.refusal(request), None);
}
