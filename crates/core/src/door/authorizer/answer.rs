//! What authorizers answer, and whether it lets a request pass.

use serde_json::{Map, Value};

use crate::door::answer::{json, kind};
use crate::door::{Authorizer, Malformed};
use crate::policy::{Context, Decision, Policy, Request, Requester, evaluate};

/// The action that callers of an API ask for.
const INVOKE: &str = "execute-api:Invoke";

/// An authorizer's answer, which may be kept and asked again for other methods of the same caller.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthorizerAnswer {
    /// A policy (REST, WebSocket, and HTTP APIs with format 1.0, or 2.0 without simple answers).
    Policy {
        /// What may be called.
        policy: Policy,
        /// What an [`Judgement::Allow`] carries on.
        grant: Grant,
    },
    /// `isAuthorized` (HTTP APIs with simple answers).
    Simple {
        /// Whether the caller may pass.
        is_authorized: bool,
        /// What an [`Judgement::Allow`] carries on.
        grant: Grant,
    },
}

/// What an authorizer tells of a caller.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grant {
    /// `principalId`; simple answers have none.
    pub principal_id: Option<String>,
    /// `context`: strings, numbers and booleans; with format 2.0 any JSON.
    pub context: Map<String, Value>,
    /// `usageIdentifierKey`: the API key, where the API's key source is `AUTHORIZER`.
    pub usage_key: Option<String>,
}

/// Whether a request may pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// It may.
    Allow(Grant),
    /// It may not (403).
    Deny {
        /// Whether a statement forbids it, in contrast to none allowing it: the message differs (`User is not
        /// authorized to access this resource with an explicit deny`).
        explicit: bool,
    },
}

impl AuthorizerAnswer {
    /// Reads an answer with a policy: REST and WebSocket APIs, and HTTP APIs with format 1.0. The values of
    /// `context` are strings, numbers and booleans; one that is null is left out.
    ///
    /// Source: API Gateway developer guide, "Output from an API Gateway Lambda authorizer".
    ///
    /// # Errors
    /// [`Malformed`] when `policyDocument` is missing or no policy, another member is of the wrong kind, or
    /// `context` holds lists or objects (500 for the client).
    pub fn parse_policy(payload: &[u8]) -> Result<Self, Malformed> {
        let answer = Self::parse_policy_2(payload)?;
        let wrong = |(_, value): &(&String, &Value)| value.is_array() || value.is_object();
        if let Some((name, value)) = answer.grant().context.iter().find(wrong) {
            let kind = kind(value);
            return Err(Malformed::new(format!("context.{name} must be a string, number or boolean, not {kind}")));
        }
        Ok(answer)
    }

    /// Reads an answer with a policy of an HTTP API with format 2.0, whose `context` may hold any JSON.
    ///
    /// # Errors
    /// [`Malformed`] when `policyDocument` is missing or no policy, or another member is of the wrong kind.
    pub fn parse_policy_2(payload: &[u8]) -> Result<Self, Malformed> {
        let members = object(payload)?;
        let document = match members.get("policyDocument") {
            Some(Value::Object(document)) => document,
            Some(other) => {
                return Err(Malformed::new(format!("policyDocument must be an object, not {}", kind(other))));
            }
            None => return Err(Malformed::new("policyDocument is missing")),
        };
        Ok(Self::Policy { policy: policy(document)?, grant: grant(&members)? })
    }

    /// Reads a simple answer.
    ///
    /// Source: API Gateway developer guide, "Control access to HTTP APIs with AWS Lambda authorizers".
    ///
    /// # Errors
    /// [`Malformed`] when `isAuthorized` is missing or no boolean, or `context` no object (500 for the client).
    pub fn parse_simple(payload: &[u8]) -> Result<Self, Malformed> {
        let members = object(payload)?;
        match members.get("isAuthorized") {
            Some(Value::Bool(is_authorized)) => {
                Ok(Self::Simple { is_authorized: *is_authorized, grant: grant(&members)? })
            }
            Some(other) => Err(Malformed::new(format!("isAuthorized must be a boolean, not {}", kind(other)))),
            None => Err(Malformed::new("isAuthorized is missing")),
        }
    }

    /// Whether it lets a request to this method ([`execute_api_arn`](crate::door::execute_api_arn)) pass, the
    /// action being `execute-api:Invoke`. `context` is for the policy's conditions (`aws:SourceIp` and such).
    #[must_use]
    pub fn judge(&self, method_arn: &str, context: &Context) -> Judgement {
        let decision = match self {
            Self::Simple { is_authorized: true, .. } => Decision::Allowed,
            Self::Simple { is_authorized: false, .. } => Decision::ImplicitlyDenied,
            Self::Policy { policy, .. } => {
                let requester = &Requester::Anonymous;
                evaluate(Request { requester, action: INVOKE, resource: method_arn, context }, [policy])
            }
        };
        match decision {
            Decision::Allowed => Judgement::Allow(self.grant().clone()),
            Decision::ExplicitlyDenied => Judgement::Deny { explicit: true },
            Decision::ImplicitlyDenied => Judgement::Deny { explicit: false },
        }
    }

    fn grant(&self) -> &Grant {
        match self {
            Self::Policy { grant, .. } | Self::Simple { grant, .. } => grant,
        }
    }
}

/// A policy. A statement about no resource at all is how authorizers say that nothing is allowed (Chalice does for an empty
/// list of routes); it says nothing, and policies elsewhere must not have it.
fn policy(document: &Map<String, Value>) -> Result<Policy, Malformed> {
    let says_nothing = |statement: &Value| {
        statement.get("Resource").and_then(Value::as_array).is_some_and(|resources| resources.is_empty())
    };
    let mut document = document.clone();
    if let Some(Value::Array(statements)) = document.get_mut("Statement") {
        let had_some = !statements.is_empty();
        statements.retain(|statement| !says_nothing(statement));
        if had_some && statements.is_empty() {
            return Ok(Policy { version: None, id: None, statements: Vec::new() });
        }
    }
    let text = Value::Object(document).to_string();
    Policy::parse(&text).map_err(|error| Malformed::new(format!("policyDocument: {error}")))
}

fn object(payload: &[u8]) -> Result<Map<String, Value>, Malformed> {
    match json(payload)? {
        Value::Object(members) => Ok(members),
        other => Err(Malformed::new(format!("it must be a JSON object, not {}", kind(&other)))),
    }
}

fn grant(members: &Map<String, Value>) -> Result<Grant, Malformed> {
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(Malformed::new(format!("{name} must be a string, not {}", kind(other)))),
    };
    let context = match members.get("context") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(context)) => context
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        Some(other) => return Err(Malformed::new(format!("context must be an object, not {}", kind(other)))),
    };
    Ok(Grant { principal_id: text("principalId")?, context, usage_key: text("usageIdentifierKey")? })
}

impl Grant {
    /// As the events of the function behind it have it.
    #[must_use]
    pub fn authorizer(&self) -> Authorizer {
        Authorizer::Lambda { principal_id: self.principal_id.clone(), context: self.context.clone() }
    }
}
