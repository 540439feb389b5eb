//! Tables from the IAM user guide, and laws that must hold for any policy.

mod conditions;
mod decisions;
mod documents;
mod patterns;
mod properties;

use super::{Context, Policy, Requester};

const ACCOUNT: &str = "123456789012";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:thing";

fn policy(text: &str) -> Policy {
    Policy::parse(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn user(account: &str, name: &str) -> Requester {
    Requester::User { account: account.to_owned(), arn: format!("arn:aws:iam::{account}:user/{name}") }
}

fn session(account: &str, role: &str) -> Requester {
    Requester::Session {
        account: account.to_owned(),
        arn: format!("arn:aws:sts::{account}:assumed-role/{role}/session"),
        role: format!("arn:aws:iam::{account}:role/{role}"),
    }
}

fn service(name: &str) -> Requester {
    Requester::Service { name: name.to_owned() }
}

fn context(pairs: &[(&str, &str)]) -> Context {
    pairs.iter().fold(Context::default(), |context, (key, value)| context.with(key, *value))
}
