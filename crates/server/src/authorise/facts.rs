//! What conditions and variables of policies can read of a request.
//!
//! A key that is not here is missing, as it is on AWS for requests that do not have it.

use jiff::Timestamp;
use serde_json::Value;
use tindra_core::function::Scope;
use tindra_core::name::{self, FunctionReference};
use tindra_core::policy::{Context, Requester};
use tindra_services::iam::{Tag, Who};

use super::{Asker, Asking};
use crate::edge::Peer;

pub(super) fn context(asking: Asking<'_>, requester: &Requester, tags: &[Tag]) -> Context {
    let context = of_principal(asking.asker, requester, tags);
    let context = of_moment(asking.asker, context);
    of_service(asking, of_tags(asking, context))
}

/// What is known of somebody who asks for no operation of an API.
pub(super) fn of_asker(asker: Asker<'_>, requester: &Requester, tags: &[Tag]) -> Context {
    of_moment(asker, of_principal(asker, requester, tags))
}

/// What is known of somebody who did not sign.
pub(super) fn of_stranger(asker: Asker<'_>) -> Context {
    of_moment(asker, Context::default().with("aws:PrincipalType", "Anonymous"))
}

fn of_principal(asker: Asker<'_>, requester: &Requester, tags: &[Tag]) -> Context {
    let identity = &asker.who.identity;
    let (kind, arn) = match requester {
        Requester::Root { .. } => ("Account", requester.arn()),
        // The role and not the session, as the guide says of this key.
        Requester::Session { role, .. } => ("AssumedRole", role.clone()),
        _ => ("User", requester.arn()),
    };
    let context = Context::default()
        .with("aws:PrincipalType", kind)
        .with("aws:PrincipalArn", arn)
        .with("aws:PrincipalAccount", identity.account.as_str())
        .with("aws:PrincipalIsAWSService", "false");
    let context = match &identity.who {
        Who::User(name) => context.with("aws:username", name.as_str()),
        Who::Root | Who::Role { .. } => context,
    };
    let context = match asker.peer {
        Peer::Environment(environment) => {
            context.with("lambda:SourceFunctionArn", name::arn(&environment.scope, &environment.function_name, None))
        }
        Peer::Operator { .. } => context,
    };
    tags.iter().fold(context, |context, tag| context.with(&format!("aws:PrincipalTag/{}", tag.key), tag.value.as_str()))
}

fn of_moment(asker: Asker<'_>, context: Context) -> Context {
    let seconds = i64::try_from(asker.now_ms / 1_000).unwrap_or(i64::MAX);
    let now = Timestamp::from_second(seconds).unwrap_or_default();
    context
        .with("aws:CurrentTime", now.to_string())
        .with("aws:EpochTime", seconds.to_string())
        .with("aws:SecureTransport", asker.is_tls.to_string())
        .with("aws:RequestedRegion", asker.who.scope.region.as_str())
}

fn of_tags(asking: Asking<'_>, context: Context) -> Context {
    let tags = request_tags(&asking.call.input);
    if tags.is_empty() {
        return context;
    }
    let keys = tags.iter().map(|(key, _)| key.clone()).collect();
    let context = context.with_all("aws:TagKeys", keys);
    tags.into_iter().fold(context, |context, (key, value)| context.with(&format!("aws:RequestTag/{key}"), value))
}

/// The tags that a request brings: a map (Lambda), or a list of pairs (IAM); or the keys that it takes away.
fn request_tags(input: &Value) -> Vec<(String, String)> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    match input.get("Tags").or_else(|| input.get("tags")).or_else(|| input.get("TagKeys")) {
        Some(Value::Object(tags)) => tags.iter().map(|(key, value)| (key.clone(), text(Some(value)))).collect(),
        Some(Value::Array(tags)) => tags
            .iter()
            .map(|tag| match tag {
                Value::String(key) => (key.clone(), String::new()),
                pair => (text(pair.get("Key")), text(pair.get("Value"))),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The keys of the services' own (service authorization reference); each has a member of its own.
fn of_service(asking: Asking<'_>, context: Context) -> Context {
    let input = &asking.call.input;
    let context = [
        ("lambda:FunctionArn", "FunctionName"),
        ("lambda:Principal", "Principal"),
        ("lambda:FunctionUrlAuthType", "FunctionUrlAuthType"),
        ("lambda:CodeSigningConfigArn", "CodeSigningConfigArn"),
        ("iam:PolicyARN", "PolicyArn"),
        ("iam:PermissionsBoundary", "PermissionsBoundary"),
    ]
    .into_iter()
    .fold(context, |context, (key, member)| match input.get(member).and_then(Value::as_str) {
        Some(value) if key == "lambda:FunctionArn" => context.with(key, function_arn(asking, value)),
        Some(value) => context.with(key, value),
        None => context,
    });
    let layers = input.get("Layers").and_then(Value::as_array);
    match layers.map(|layers| layers.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()) {
        Some(layers) => context.with_all("lambda:Layer", layers),
        None => context,
    }
}

/// A function as conditions name it, whatever form the request has.
fn function_arn(asking: Asking<'_>, text: &str) -> String {
    let scope = &asking.asker.who.scope;
    match FunctionReference::parse(text) {
        Ok(reference) => {
            let account = reference.account.unwrap_or(&scope.account).to_owned();
            name::arn(&Scope { account, region: scope.region.clone() }, reference.name, reference.qualifier)
        }
        Err(_) => text.to_owned(),
    }
}
