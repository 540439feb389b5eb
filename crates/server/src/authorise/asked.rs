//! What a request is in the words of policies: an action on a resource of an account.

mod events;
mod queues;
mod streams;
mod topics;

use serde_json::Value;
use tindra_core::function::Scope;
use tindra_core::name::{FunctionName, FunctionReference};
use tindra_core::policy::{Context, Request, Requester};
use tindra_core::scaling::target_arn;
use tindra_model::{Call, Service};
use tindra_services::iam;

use crate::auth::Who;

/// Operations of IAM that are about the caller when they name nobody.
const ABOUT_ONESELF: [&str; 5] = ["GetUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey"];

/// An action on a resource.
#[derive(Debug)]
pub(super) struct Asked {
    /// For example `lambda:InvokeFunction`.
    pub(super) action: String,
    /// An ARN, or `*` for what is about no resource in particular.
    pub(super) resource: String,
    /// The account of the resource, in the request's region.
    pub(super) owner: Scope,
    /// The function of the resource, which may have a policy.
    pub(super) function: Option<FunctionName>,
    /// The queue of the resource, which may have a policy.
    pub(super) queue: Option<String>,
    /// The user or role of the resource, whose ARN has a path that the request does not tell.
    pub(super) entity: Option<iam::Principal>,
    /// The topic of the resource, which has a policy.
    pub(super) topic: Option<String>,
    /// The subscription that it is about.
    pub(super) subscription: Option<String>,
    /// Further resources of a request that names several.
    pub(super) further: Vec<String>,
}

impl Asked {
    pub(super) fn read(service: &Service, call: &Call, who: &Who) -> Self {
        let action = format!("{}:{}", service.signing_name(), action(service, call));
        let owner = who.scope.clone();
        let asked = |resource| Self {
            action,
            resource,
            owner,
            function: None,
            queue: None,
            entity: None,
            topic: None,
            subscription: None,
            further: Vec::new(),
        };
        match service.signing_name() {
            "lambda" => match function(call, &who.scope) {
                Some((owner, function)) => {
                    let resource = function.arn(&owner);
                    Self { resource, owner, function: Some(function), ..asked(String::new()) }
                }
                None => asked(of_lambda(call, &who.scope)),
            },
            "sqs" => match queues::queue(call, &who.scope) {
                Some((owner, queue)) => {
                    let resource = tindra_services::sqs::queue_arn(&owner, &queue);
                    Self { resource, owner, queue: Some(queue), ..asked(String::new()) }
                }
                None => asked("*".to_owned()),
            },
            "logs" => {
                let mut groups = groups(&call.input, &who.scope).into_iter();
                let resource = groups.next().unwrap_or_else(|| of_logs(&call.input, &who.scope));
                Self { further: groups.collect(), ..asked(resource) }
            }
            "application-autoscaling" => asked(of_autoscaling(call, &who.scope)),
            "apigateway" => asked(of_api_gateway(call, &who.scope)),
            "sns" => {
                let owner = topics::owner(call, &who.scope);
                let (resource, topic) = topics::resource(call, &who.scope);
                Self { owner, topic, subscription: topics::subscription(call), ..asked(resource) }
            }
            "events" => asked(events::of_events(call, &who.scope)),
            "kinesis" => asked(streams::resource(call, &who.scope)),
            "scheduler" => asked(events::of_scheduler(call, &who.scope)),
            "iam" => Self { entity: entity(call, who), ..asked(of_iam(call, who)) },
            _ => asked(text(&call.input, "RoleArn").unwrap_or("*").to_owned()),
        }
    }

    pub(super) fn request<'a>(&'a self, requester: &'a Requester, context: &'a Context) -> Request<'a> {
        Request { requester, action: &self.action, resource: &self.resource, context }
    }

    /// Whether it is to become a session of a role.
    pub(super) fn is_assuming(&self) -> bool {
        self.action == "sts:AssumeRole"
    }
}

/// Whether a request names a function, queue or topic of another account than its own. Cheap, for it is asked of every
/// request.
pub(super) fn is_foreign(call: &Call, scope: &Scope) -> bool {
    if queues::is_foreign(call, scope) || topics::is_foreign(call, scope) {
        return true;
    }
    let Some(text) = named_function(call).filter(|text| text.contains(':')) else { return false };
    let account = FunctionReference::parse(text).ok().and_then(|reference| reference.account);
    account.is_some_and(|account| account != scope.account)
}

/// The roles that a request gives away, and the service that will use them.
pub(super) fn roles_to_pass(call: &Call) -> Vec<(&str, &'static str)> {
    const API_GATEWAY: &str = "apigateway.amazonaws.com";
    let given = |member, service| text(&call.input, member).map(|role| (role, service)).into_iter().collect();
    match call.operation.name() {
        "CreateFunction" | "UpdateFunctionConfiguration" => given("Role", "lambda.amazonaws.com"),
        "CreateApi" | "UpdateApi" | "CreateIntegration" | "UpdateIntegration" => given("CredentialsArn", API_GATEWAY),
        "CreateAuthorizer" | "UpdateAuthorizer" => given("AuthorizerCredentialsArn", API_GATEWAY),
        _ => events::roles(call),
    }
}

/// The object that a request deploys as code, and the action of reading it.
pub(super) fn code_to_read(call: &Call) -> Option<(String, &'static str)> {
    let input = match call.operation.name() {
        "CreateFunction" => call.input.get("Code")?,
        "PublishLayerVersion" => call.input.get("Content")?,
        "UpdateFunctionCode" => &call.input,
        _ => return None,
    };
    let (bucket, key) = (text(input, "S3Bucket")?, text(input, "S3Key")?);
    let action = if text(input, "S3ObjectVersion").is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    Some((format!("arn:aws:s3:::{bucket}/{key}"), action))
}

/// The action of an operation, where it is not called as the operation (service authorization reference).
fn action<'a>(service: &Service, call: &'a Call) -> &'a str {
    match call.operation.name() {
        // Its actions are the methods.
        _ if service.signing_name() == "apigateway" => call.operation.http().0,
        _ if service.signing_name() == "sqs" => queues::action(call),
        "Invoke" | "InvokeAsync" | "InvokeWithResponseStream" => "InvokeFunction",
        "GetLayerVersionByArn" => "GetLayerVersion",
        name => name,
    }
}

/// The function that an operation of Lambda is about. Those of event source mappings name one, too.
fn named_function(call: &Call) -> Option<&str> {
    let members = ["FunctionName", "ResourceArn", "Resource"];
    let named = || members.iter().find_map(|member| text(&call.input, member));
    if is_of_mapping(call) { None } else { named() }
}

fn is_of_mapping(call: &Call) -> bool {
    call.operation.name().contains("EventSourceMapping")
}

/// That function, and whose it is.
fn function(call: &Call, scope: &Scope) -> Option<(Scope, FunctionName)> {
    let qualifier = text(&call.input, "Qualifier");
    let reference = FunctionReference::parse(named_function(call)?).ok()?.with_qualifier(qualifier).ok()?;
    // Another region's is not served; the operation says so.
    reference.check_region(scope).ok()?;
    let owner = reference.owner(scope);
    let (name, qualifier) = (reference.name.to_owned(), reference.qualifier.map(str::to_owned));
    Some((owner, FunctionName { name, qualifier }))
}

fn of_lambda(call: &Call, Scope { account, region }: &Scope) -> String {
    let input = &call.input;
    let named = |kind: &str, name: &str| match name.starts_with("arn:") {
        true => name.to_owned(),
        false => format!("arn:aws:lambda:{region}:{account}:{kind}:{name}"),
    };
    let whole = ["Resource", "ResourceArn", "CodeSigningConfigArn", "DurableExecutionArn", "Arn"];
    if let Some(name) = text(input, "FunctionName").filter(|_| !is_of_mapping(call)) {
        return named("function", name);
    }
    if let Some(arn) = whole.iter().find_map(|member| text(input, member)) {
        return arn.to_owned();
    }
    if let Some(layer) = text(input, "LayerName") {
        let layer = named("layer", layer);
        return input.get("VersionNumber").map_or_else(|| layer.clone(), |version| format!("{layer}:{version}"));
    }
    let kinds = [("UUID", "event-source-mapping"), ("CapacityProviderName", "capacity-provider")];
    let found = kinds.iter().find_map(|(member, kind)| text(input, member).map(|name| named(kind, name)));
    found.unwrap_or_else(|| "*".to_owned())
}

fn of_logs(input: &Value, Scope { account, region }: &Scope) -> String {
    if let Some(arn) = text(input, "resourceArn") {
        return arn.to_owned();
    }
    let group = text(input, "logGroupIdentifier").or_else(|| text(input, "logGroupName")).unwrap_or_default();
    let group = group.rsplit_once(":log-group:").map_or(group, |(_, name)| name).trim_end_matches(":*");
    let stream = text(input, "logStreamName").unwrap_or_default();
    format!("arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}")
}

/// The groups of a request that names them in a list.
fn groups(input: &Value, Scope { account, region }: &Scope) -> Vec<String> {
    let named = input.get("logGroupIdentifiers").and_then(Value::as_array).into_iter().flatten();
    let arn = |group: &str| {
        let name = group.rsplit_once(":log-group:").map_or(group, |(_, name)| name).trim_end_matches(":*");
        format!("arn:aws:logs:{region}:{account}:log-group:{name}:log-stream:")
    };
    named.filter_map(Value::as_str).map(arn).collect()
}

/// A scalable target, also one that is not there yet. Lists are of no one in particular.
fn of_autoscaling(call: &Call, scope: &Scope) -> String {
    if call.operation.name().starts_with("Describe") {
        return "*".to_owned();
    }
    let resource_id = || text(&call.input, "ResourceId").map(|resource_id| target_arn(scope, resource_id));
    text(&call.input, "ResourceARN").map(str::to_owned).or_else(resource_id).unwrap_or_else(|| "*".to_owned())
}

/// The path of the operation, without the generation of the API (`/apis/ID/routes`).
fn of_api_gateway(call: &Call, scope: &Scope) -> String {
    let (_, template) = call.operation.http();
    let template = template.split('?').next().unwrap_or_default();
    let filled = template.split('/').map(|segment| match label(segment) {
        Some(label) => member_of(&call.input, label).unwrap_or("*"),
        None => segment,
    });
    let path = filled.collect::<Vec<_>>().join("/");
    format!("arn:aws:apigateway:{}::{}", scope.region, path.strip_prefix("/v2").unwrap_or(&path))
}

fn label(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// The member that a label of a path stands for: `apiId` is `ApiId`, and `resource-arn` is `ResourceArn`.
fn member_of<'a>(input: &'a Value, label: &str) -> Option<&'a str> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    let found = input.as_object()?.iter().find(|(name, _)| plain(name) == plain(label))?;
    found.1.as_str()
}

fn of_iam(call: &Call, who: &Who) -> String {
    let (input, operation) = (&call.input, call.operation.name());
    let named = |kind: &str, name: &str| {
        let path = text(input, "Path").or_else(|| text(input, "PathPrefix")).unwrap_or("/");
        format!("arn:aws:iam::{}:{kind}{path}{name}", who.scope.account)
    };
    if let Some(role) = text(input, "RoleName") {
        return named("role", role);
    }
    if let Some(user) = text(input, "UserName") {
        return named("user", user);
    }
    if let Some(arn) = text(input, "PolicyArn") {
        return arn.to_owned();
    }
    match operation {
        "ListUsers" => named("user", ""),
        "ListRoles" => named("role", ""),
        "ListPolicies" => named("policy", ""),
        "CreatePolicy" => named("policy", text(input, "PolicyName").unwrap_or_default()),
        name if ABOUT_ONESELF.contains(&name) => who.identity.arn(),
        _ => "*".to_owned(),
    }
}

/// The user or role that an operation of IAM is about.
fn entity(call: &Call, who: &Who) -> Option<iam::Principal> {
    let named = |member, kind| text(&call.input, member).map(|name| (kind, name.to_owned()));
    match named("RoleName", iam::Kind::Role).or_else(|| named("UserName", iam::Kind::User)) {
        Some((kind, name)) => Some(iam::Principal { account: who.scope.account.clone(), kind, name }),
        None if ABOUT_ONESELF.contains(&call.operation.name()) => who.identity.principal(),
        None => None,
    }
}

fn text<'a>(input: &'a Value, member: &str) -> Option<&'a str> {
    input.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
}
