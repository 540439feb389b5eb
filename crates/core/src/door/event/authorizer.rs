//! Who a request comes from, as events say it in `requestContext.authorizer`.

use serde_json::{Map, Value};

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
