//! Who a request comes from, as events say it in `requestContext.authorizer`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::RestIdentity;
use crate::door::HttpRequest;

/// What checked the request, with what it found.
#[derive(Clone, Debug, PartialEq)]
pub enum Authorizer {
    /// A signature by an IAM identity. Payload 2.0 has it under `authorizer.iam`; the other formats have it in
    /// `requestContext.identity`.
    Iam(IamIdentity),
    /// A JSON web token. Payload 2.0 has it under `authorizer.jwt`, 1.0 and REST have its members directly.
    Jwt {
        /// Claims by name, as the events show them: strings (lists as `[a b]`), numbers and booleans as texts.
        claims: Map<String, Value>,
        /// The scopes that the route asks for and the token has; none where the route asks for none.
        scopes: Option<Vec<String>>,
    },
    /// A Lambda authorizer's context. Payload 2.0 has it under `authorizer.lambda`, 1.0 and REST directly,
    /// beside `principalId`.
    Lambda {
        /// `principalId`; none for simple answers.
        principal_id: Option<String>,
        /// `context` of the authorizer's answer.
        context: Map<String, Value>,
    },
}

/// An IAM identity: `requestContext.authorizer.iam`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IamIdentity {
    /// `accessKey`: the id of the key that signed.
    pub access_key: String,
    /// `accountId`: the identity's account.
    pub account_id: String,
    /// `callerId`: the unique id, for a role's session with `:SESSION`.
    pub caller_id: String,
    /// `cognitoIdentity`: null for most.
    pub cognito_identity: Option<CognitoIdentity>,
    /// `principalOrgId`: null outside of an organisation.
    pub principal_org_id: Option<String>,
    /// `userArn`.
    pub user_arn: String,
    /// `userId`.
    pub user_id: String,
}

/// `requestContext.authorizer.iam.cognitoIdentity`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CognitoIdentity {
    /// `amr`: how it was authenticated.
    pub amr: Vec<String>,
    /// `identityId`.
    pub identity_id: String,
    /// `identityPoolId`.
    pub identity_pool_id: String,
}

/// `requestContext.authorizer` of payload 2.0.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Authorizer2<'a> {
    Iam(Iam2<'a>),
    Jwt { claims: &'a Map<String, Value>, scopes: Option<&'a [String]> },
    Lambda(&'a Map<String, Value>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Iam2<'a> {
    access_key: &'a str,
    account_id: &'a str,
    caller_id: &'a str,
    cognito_identity: Option<Cognito2<'a>>,
    principal_org_id: Option<&'a str>,
    user_arn: &'a str,
    user_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cognito2<'a> {
    amr: &'a [String],
    identity_id: &'a str,
    identity_pool_id: &'a str,
}

impl<'a> Authorizer2<'a> {
    pub(super) fn new(authorizer: &'a Authorizer) -> Self {
        match authorizer {
            Authorizer::Iam(iam) => Self::Iam(Iam2 {
                access_key: &iam.access_key,
                account_id: &iam.account_id,
                caller_id: &iam.caller_id,
                cognito_identity: iam.cognito_identity.as_ref().map(|cognito| Cognito2 {
                    amr: &cognito.amr,
                    identity_id: &cognito.identity_id,
                    identity_pool_id: &cognito.identity_pool_id,
                }),
                principal_org_id: iam.principal_org_id.as_deref(),
                user_arn: &iam.user_arn,
                user_id: &iam.user_id,
            }),
            Authorizer::Jwt { claims, scopes } => Self::Jwt { claims, scopes: scopes.as_deref() },
            Authorizer::Lambda { context, .. } => Self::Lambda(context),
        }
    }
}

/// `requestContext.authorizer` of REST and WebSocket APIs and of format 1.0; none for IAM identities, which
/// these have in `identity`. The values of a Lambda authorizer's context are texts there.
pub(super) fn authorizer_1(authorizer: Option<&Authorizer>) -> Option<Map<String, Value>> {
    match authorizer? {
        Authorizer::Iam(_) => None,
        Authorizer::Jwt { claims, scopes } => Some(Map::from_iter([
            ("claims".to_owned(), Value::Object(claims.clone())),
            ("scopes".to_owned(), scopes.clone().map_or(Value::Null, Value::from)),
        ])),
        Authorizer::Lambda { principal_id, context } => {
            let principal = principal_id.iter().map(|id| ("principalId".to_owned(), Value::from(id.clone())));
            Some(principal.chain(context.iter().map(|(name, value)| (name.clone(), as_text(value)))).collect())
        }
    }
}

fn as_text(value: &Value) -> Value {
    match value {
        Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        other => other.clone(),
    }
}

/// `requestContext.identity` of REST APIs and of format 1.0: all null but for signed requests.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::door) struct Identity<'a> {
    access_key: Option<&'a str>,
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<&'a str>,
    caller: Option<&'a str>,
    /// Format 1.0 alone has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cognito_amr: Option<Option<&'a [String]>>,
    cognito_authentication_provider: Option<&'a str>,
    cognito_authentication_type: Option<&'static str>,
    cognito_identity_id: Option<&'a str>,
    cognito_identity_pool_id: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    source_ip: &'a str,
    user: Option<&'a str>,
    user_agent: Option<String>,
    user_arn: Option<&'a str>,
}

impl<'a> Identity<'a> {
    pub(super) fn new(request: &HttpRequest<'a>, authorizer: Option<&'a Authorizer>) -> Self {
        let iam = match authorizer {
            Some(Authorizer::Iam(iam)) => Some(iam),
            _ => None,
        };
        let cognito = iam.and_then(|iam| iam.cognito_identity.as_ref());
        Self {
            access_key: iam.map(|iam| iam.access_key.as_str()),
            account_id: iam.map(|iam| iam.account_id.as_str()),
            api_key: None,
            api_key_id: None,
            caller: iam.map(|iam| iam.caller_id.as_str()),
            cognito_amr: None,
            cognito_authentication_provider: cognito.and_then(|cognito| cognito.amr.last()).map(String::as_str),
            cognito_authentication_type: cognito.map(|cognito| cognito.authentication_type()),
            cognito_identity_id: cognito.map(|cognito| cognito.identity_id.as_str()),
            cognito_identity_pool_id: cognito.map(|cognito| cognito.identity_pool_id.as_str()),
            principal_org_id: iam.and_then(|iam| iam.principal_org_id.as_deref()),
            source_ip: request.source_ip,
            user: iam.map(|iam| iam.user_id.as_str()),
            user_agent: request.user_agent().map(str::to_owned),
            user_arn: iam.map(|iam| iam.user_arn.as_str()),
        }
    }

    pub(super) fn with_api_key(mut self, key: Option<RestIdentity<'a>>) -> Self {
        self.api_key = key.map(|key| key.api_key);
        self.api_key_id = key.map(|key| key.api_key_id);
        self
    }

    /// With `cognitoAmr`.
    pub(super) fn of_format_1(mut self, authorizer: Option<&'a Authorizer>) -> Self {
        self.cognito_amr = Some(match authorizer {
            Some(Authorizer::Iam(iam)) => iam.cognito_identity.as_ref().map(|cognito| cognito.amr.as_slice()),
            _ => None,
        });
        self
    }
}

impl CognitoIdentity {
    fn authentication_type(&self) -> &'static str {
        if self.amr.iter().any(|method| method == "authenticated") { "authenticated" } else { "unauthenticated" }
    }
}
