//! Laws: what must hold whatever the documents are.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::prop_oneof;

use super::super::pattern::Pattern;
use super::super::{
    Condition, Context, Decision, Effect, Operator, Policy, PrincipalKind, Principals, Request, Requester, Selection,
    Statement, Version, evaluate,
};
use super::{service, session, user};

/// The definition of wildcards, by trying everything.
fn matches_naively(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|taken| matches_naively(rest, &text[taken..])),
        Some(('?', rest)) => !text.is_empty() && matches_naively(rest, &text[1..]),
        Some((own, rest)) => text.first() == Some(own) && matches_naively(rest, &text[1..]),
    }
}

fn names(choices: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(choices).prop_map(str::to_owned), 1..3)
}

fn selections<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Selection<T>> {
    (strategy, any::<bool>())
        .prop_map(|(items, negated)| if negated { Selection::AllBut(items) } else { Selection::Only(items) })
}

fn principals() -> impl Strategy<Value = Principals> {
    const ONES: &[&str] = &["*", "1", "2", "arn:aws:iam::1:user/a", "arn:aws:iam::1:root", "arn:aws:iam::2:role/r"];
    let aws = || names(ONES).prop_map(|names| (PrincipalKind::Aws, names));
    let services = names(&["s3.amazonaws.com", "sns.amazonaws.com"]).prop_map(|names| (PrincipalKind::Service, names));
    prop_oneof![
        Just(Principals::Everybody),
        aws().prop_map(|aws| Principals::Listed(vec![aws])),
        (aws(), services).prop_map(|(aws, services)| Principals::Listed(vec![aws, services])),
    ]
}

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    const OPERATORS: &[&str] = &[
        "StringEquals",
        "StringNotLike",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringLikeIfExists",
        "Null",
        "Bool",
    ];
    let keys = prop::collection::btree_map(
        prop::sample::select(vec!["k", "l", "aws:username"]),
        names(&["a", "*", "true", "${k}"]),
        1..3,
    );
    prop::collection::btree_map(prop::sample::select(OPERATORS), keys, 0..3).prop_map(|operators| {
        let of_operator = |(name, keys): (&str, std::collections::BTreeMap<&str, Vec<String>>)| {
            let operator = Operator::parse(name).unwrap();
            keys.into_iter()
                .map(move |(key, values)| Condition { operator, key: key.to_owned(), values })
                .collect::<Vec<_>>()
        };
        operators.into_iter().flat_map(of_operator).collect()
    })
}

fn statements() -> impl Strategy<Value = Statement> {
    let effect = prop_oneof![Just(Effect::Allow), Just(Effect::Deny)];
    let actions = selections(names(&["*", "s3:*", "s3:Get?bject", "lambda:InvokeFunction", "LAMBDA:*"]));
    let resources = selections(names(&["*", "arn:aws:s3:::b/*", "arn:aws:s3:::${aws:username}/?", "arn:aws:lambda"]));
    (effect, prop::option::of(selections(principals())), actions, prop::option::of(resources), conditions()).prop_map(
        |(effect, principals, actions, resources, conditions)| Statement {
            sid: None,
            effect,
            principals,
            actions,
            resources,
            conditions,
        },
    )
}

fn policies() -> impl Strategy<Value = Policy> {
    let version = prop::option::of(prop_oneof![Just(Version::Of2008), Just(Version::Of2012)]);
    (version, prop::option::of("[a-z]{1,5}"), prop::collection::vec(statements(), 0..5)).prop_map(
        |(version, id, mut statements)| {
            for (index, statement) in statements.iter_mut().enumerate().skip(1) {
                statement.sid = Some(format!("s{index}"));
            }
            Policy { version, id, statements }
        },
    )
}

#[derive(Clone, Debug)]
struct Asked {
    requester: Requester,
    action: &'static str,
    resource: &'static str,
    context: Context,
}

impl Asked {
    fn of(&self, policies: &[Policy]) -> Decision {
        let Self { requester, action, resource, context } = self;
        evaluate(Request { requester, action, resource, context }, policies)
    }
}

fn requests() -> impl Strategy<Value = Asked> {
    let requesters = vec![
        user("1", "a"),
        user("2", "b"),
        session("2", "r"),
        service("s3.amazonaws.com"),
        Requester::Root { account: "1".to_owned() },
        Requester::Anonymous,
    ];
    let contexts =
        prop::collection::hash_map(prop::sample::select(vec!["k", "l", "aws:username"]), names(&["a", "true"]), 0..3)
            .prop_map(|map| {
                map.into_iter().fold(Context::default(), |context, (key, values)| context.with_all(key, values))
            });
    let actions = prop::sample::select(vec!["s3:GetObject", "lambda:InvokeFunction", "iam:CreateUser"]);
    let resources =
        prop::sample::select(vec!["arn:aws:s3:::b/k", "arn:aws:s3:::a/k", "arn:aws:lambda:r:1:function:f", "*"]);
    (prop::sample::select(requesters), actions, resources, contexts)
        .prop_map(|(requester, action, resource, context)| Asked { requester, action, resource, context })
}

fn everything(effect: Effect) -> Statement {
    Statement {
        sid: None,
        effect,
        principals: None,
        actions: Selection::Only(vec!["*".to_owned()]),
        resources: None,
        conditions: Vec::new(),
    }
}

proptest! {
    #[test]
    fn the_matcher_agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab*?]{0,10}") {
        let characters = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = matches_naively(&characters(&pattern), &characters(&text));
        prop_assert_eq!(Pattern::new(&pattern).matches(&text, false), expected);
    }

    #[test]
    fn what_is_printed_is_read_again(policy in policies()) {
        prop_assert_eq!(Policy::parse(&policy.to_string()), Ok(policy));
    }

    #[test]
    fn reading_never_panics(text in r#"[\[\]{}":,a-zA-Z*]{0,60}"#) {
        let _ = Policy::parse(&text);
    }

    #[test]
    fn a_denial_of_everything_always_wins(asked in requests(), mut policies in prop::collection::vec(policies(), 0..3), at in any::<prop::sample::Index>()) {
        let denial = Policy { version: None, id: None, statements: vec![everything(Effect::Deny)] };
        policies.insert(at.index(policies.len() + 1), denial);
        prop_assert_eq!(asked.of(&policies), Decision::ExplicitlyDenied);
    }

    #[test]
    fn the_order_of_statements_and_documents_is_irrelevant(asked in requests(), policies in prop::collection::vec(policies(), 0..3)) {
        let decision = asked.of(&policies);
        let mut reversed = policies.clone();
        reversed.reverse();
        for policy in &mut reversed {
            policy.statements.reverse();
        }
        prop_assert_eq!(asked.of(&reversed), decision);
    }

    #[test]
    fn a_further_grant_never_takes_away(asked in requests(), policy in policies(), mut grant in statements()) {
        let before = asked.of(std::slice::from_ref(&policy));
        grant.effect = Effect::Allow;
        let mut more = policy;
        more.statements.push(grant);
        let after = asked.of(&[more]);
        prop_assert!(after == before || (before == Decision::ImplicitlyDenied && after == Decision::Allowed));
    }

    #[test]
    fn a_further_denial_never_gives(asked in requests(), policy in policies(), mut denial in statements()) {
        let before = asked.of(std::slice::from_ref(&policy));
        denial.effect = Effect::Deny;
        let mut more = policy;
        more.statements.push(denial);
        let after = asked.of(&[more]);
        prop_assert!(after == before || after == Decision::ExplicitlyDenied);
    }

    #[test]
    fn without_a_grant_nothing_is_allowed(asked in requests(), mut policy in policies()) {
        policy.statements.retain(|statement| statement.effect == Effect::Deny);
        prop_assert!(asked.of(&[policy]) != Decision::Allowed);
    }

    #[test]
    fn everything_granted_and_nothing_denied_is_allowed(asked in requests(), mut policy in policies()) {
        policy.statements.retain(|statement| statement.effect == Effect::Allow);
        policy.statements.push(everything(Effect::Allow));
        prop_assert_eq!(asked.of(&[policy]), Decision::Allowed);
    }
}
