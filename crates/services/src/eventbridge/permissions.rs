//! The resource policy of a bus: who else may put events.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::policy::{Context, Decision, Policy, Request, Requester, evaluate};

use super::EventBridgeService;
use super::error::EventsError;
use super::names::BusName;

/// Of a policy's text (AWS).
const POLICY_BYTES_MAX: usize = 10_240;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRequest {
    event_bus_name: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    statement_id: Option<String>,
    condition: Option<Condition>,
    policy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    r#type: String,
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemoveRequest {
    event_bus_name: Option<String>,
    statement_id: Option<String>,
    #[serde(default)]
    remove_all_permissions: bool,
}

impl EventBridgeService {
    pub(super) async fn put_permission(&self, scope: &Scope, request: PutRequest) -> Result<Value, EventsError> {
        let name = BusName::read(scope, request.event_bus_name.as_deref())?;
        self.change_bus(&name, |bus| {
            let policy = match &request.policy {
                Some(policy) => policy.clone(),
                None => with_statement(bus.policy.as_deref(), &request.statement(&name)?)?,
            };
            check(&policy)?;
            bus.policy = Some(policy);
            Ok(())
        })
        .await?;
        Ok(json!({}))
    }

    pub(super) async fn remove_permission(&self, scope: &Scope, request: RemoveRequest) -> Result<Value, EventsError> {
        let name = BusName::read(scope, request.event_bus_name.as_deref())?;
        if !request.remove_all_permissions && request.statement_id.is_none() {
            return Err(EventsError::invalid("Parameter StatementId must be specified."));
        }
        self.change_bus(&name, |bus| {
            let Some(policy) = bus.policy.take().filter(|_| !request.remove_all_permissions) else {
                return if request.remove_all_permissions { Ok(()) } else { Err(no_policy()) };
            };
            let id = request.statement_id.as_deref().unwrap_or_default();
            let mut document: Value = serde_json::from_str(&policy).map_err(|_| no_policy())?;
            let mut statements = statements(&document);
            let count = statements.len();
            statements.retain(|statement| statement["Sid"] != id);
            if statements.len() == count {
                return Err(EventsError::missing(format!("Statement with the provided id {id} does not exist.")));
            }
            if !statements.is_empty() {
                document["Statement"] = statements.into();
                bus.policy = Some(document.to_string());
            }
            Ok(())
        })
        .await?;
        Ok(json!({}))
    }

    /// Whether the policy of a bus lets somebody put events.
    pub(super) async fn lets_in(&self, bus: &BusName, requester: &Requester) -> Result<bool, EventsError> {
        let policy = self.bus(bus).await?.value.policy;
        let Some(policy) = policy.and_then(|text| Policy::parse(&text).ok()) else { return Ok(false) };
        let resource = bus.arn();
        let mut context = Context::default();
        if let Some(account) = requester.account() {
            context = context.with("aws:PrincipalAccount", account);
        }
        let request = Request { requester, action: "events:PutEvents", resource: &resource, context: &context };
        Ok(evaluate(request, [&policy]) == Decision::Allowed)
    }
}

impl PutRequest {
    /// The statement that the single members stand for.
    fn statement(&self, bus: &BusName) -> Result<Value, EventsError> {
        let given = |name: &str, member: &Option<String>| {
            member.clone().ok_or_else(|| EventsError::invalid(format!("Parameter {name} must be specified.")))
        };
        let (sid, principal) = (given("StatementId", &self.statement_id)?, given("Principal", &self.principal)?);
        let action = given("Action", &self.action)?;
        let principal = match principal.as_str() {
            "*" => json!("*"),
            account => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
        };
        let mut statement = json!({
            "Sid": sid, "Effect": "Allow", "Principal": principal, "Action": action, "Resource": bus.arn(),
        });
        if let Some(Condition { r#type, key, value }) = &self.condition {
            statement["Condition"] = json!({ r#type: { key: value } });
        }
        Ok(statement)
    }
}

/// A policy's text with a statement in place of one with the same id.
fn with_statement(policy: Option<&str>, statement: &Value) -> Result<String, EventsError> {
    let document = policy.map(serde_json::from_str::<Value>).transpose();
    let mut document = document.map_err(|_| no_policy())?.unwrap_or_else(|| json!({ "Version": "2012-10-17" }));
    let mut statements = statements(&document);
    statements.retain(|one| one["Sid"] != statement["Sid"]);
    statements.push(statement.clone());
    document["Statement"] = statements.into();
    Ok(document.to_string())
}

fn statements(document: &Value) -> Vec<Value> {
    match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

fn check(policy: &str) -> Result<(), EventsError> {
    if policy.len() > POLICY_BYTES_MAX {
        return Err(EventsError::new(
            "PolicyLengthExceededException",
            format!("The policy is longer than {POLICY_BYTES_MAX} bytes."),
        ));
    }
    let parsed = Policy::parse(policy).and_then(|policy| policy.check_for_resource());
    parsed.map_err(|error| EventsError::invalid(format!("Invalid policy: {error}")))
}

fn no_policy() -> EventsError {
    EventsError::missing("EventBus does not have a policy.")
}
