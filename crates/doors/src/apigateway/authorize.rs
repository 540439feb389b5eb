//! Whether a route lets a request in, and what its authorizer tells of who sent it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tindra_core::door::{
    Arrival, Authorizer, AuthorizerAnswer, HttpCall, HttpRequest, IdentityFacts, IdentitySource, Judgement,
    execute_api_arn, http_authorizer_event_1, http_authorizer_event_2,
};
use tindra_core::policy::Context;

use super::HttpApis;
use super::function_uri::FunctionTarget;
use super::jwt::{self, Token, Wanted};
use super::lambda::Errand;
use super::records::{Authorization, AuthorizerKind, PayloadFormat};
use super::refusal::Refusal;
use super::serving::{ServedAuthorizer, ServedRoute, ServedStage, Serving};

/// For the answer of a Lambda authorizer (AWS).
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request on a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnRoute<'a> {
    pub(super) api: &'a Serving,
    pub(super) stage: &'a ServedStage,
    pub(super) route: &'a ServedRoute,
    /// Its text.
    pub(super) key: &'a str,
    pub(super) path_parameters: &'a [(String, String)],
    pub(super) request: &'a HttpRequest<'a>,
    pub(super) arrival: &'a Arrival<'a>,
    /// Of the path within the stage.
    pub(super) path: &'a str,
}

impl<'a> OnRoute<'a> {
    pub(super) fn call(&self, authorizer: Option<&'a Authorizer>) -> HttpCall<'a> {
        HttpCall {
            door: tindra_core::door::Door2::HttpApi,
            account_id: &self.api.scope.account,
            api_id: &self.api.id,
            stage: &self.stage.name,
            route_key: self.key,
            path_parameters: self.path_parameters,
            stage_variables: &self.stage.variables,
            authorizer,
        }
    }

    fn arn(&self) -> String {
        execute_api_arn(&self.api.scope, &self.api.id, &self.stage.name, self.request.method, self.path)
    }

    /// What identity sources may read of the context.
    fn context(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            pair("accountId", &self.api.scope.account),
            pair("apiId", &self.api.id),
            pair("domainName", self.request.host),
            pair("domainPrefix", self.request.domain_prefix()),
            pair("httpMethod", self.request.method),
            pair("identity.sourceIp", self.request.source_ip),
            pair("identity.userAgent", self.request.user_agent().unwrap_or_default()),
            pair("path", self.request.path),
            pair("protocol", self.request.protocol),
            pair("requestId", self.request.request_id),
            pair("routeKey", self.key),
            pair("stage", &self.stage.name),
        ]
    }

    fn identity(&self, sources: &[IdentitySource]) -> Option<Vec<String>> {
        let context = self.context();
        let facts = IdentityFacts { context: &context, stage_variables: &self.stage.variables };
        IdentitySource::read_all(sources, self.request, &facts)
    }
}

impl HttpApis {
    /// Who sent a request that may pass; none on an open route.
    pub(super) async fn authorize(&self, on: OnRoute<'_>) -> Result<Option<Authorizer>, Refusal> {
        let found = on.route.authorizer.as_deref();
        match (&on.route.authorization, found) {
            (Authorization::Open, _) => Ok(None),
            (Authorization::Jwt { scopes, .. }, Some(authorizer)) => {
                self.check_token(on, authorizer, scopes).await.map(Some)
            }
            (Authorization::Lambda { .. }, Some(authorizer)) => self.ask(on, authorizer).await.map(Some),
            // A deployment holds all that it refers to.
            (_, None) => Err(Refusal::Internal),
        }
    }

    async fn check_token(
        &self,
        on: OnRoute<'_>,
        authorizer: &ServedAuthorizer,
        scopes: &[String],
    ) -> Result<Authorizer, Refusal> {
        let AuthorizerKind::Jwt { issuer, audience } = &authorizer.kind else { return Err(Refusal::Internal) };
        let asked = scopes.join(" ");
        let refuse = |why: &str| {
            Refusal::Unauthorized(Some(format!(
                "Bearer scope=\"{asked}\" error=\"invalid_token\" error_description=\"{why}\""
            )))
        };
        let Some(identity) = on.identity(&authorizer.sources) else {
            return Err(Refusal::Unauthorized(Some("Bearer".to_owned())));
        };
        let text = identity.into_iter().next().unwrap_or_default();
        let token = Token::read(&text).map_err(refuse)?;
        let key = authorizer.keys.get(issuer, &token.key_id, self.clock.as_ref(), self.reach.as_ref()).await;
        let key = key.map_err(|_| Refusal::Internal)?.ok_or_else(|| refuse("the token is signed by an unknown key"))?;
        let wanted = Wanted { issuer, audience, now_s: self.clock.unix_ms() / 1_000 };
        let claims = token.verify(&key, wanted).map_err(refuse)?;
        let own: Vec<String> = jwt::scopes(&claims).into_iter().filter(|scope| scopes.contains(scope)).collect();
        if !scopes.is_empty() && own.is_empty() {
            return Err(Refusal::Forbidden(Some(format!(
                "Bearer scope=\"{asked}\" error=\"insufficient_scope\" error_description=\"the token does not have a valid scope\""
            ))));
        }
        let scopes = (!scopes.is_empty()).then_some(own);
        Ok(Authorizer::Jwt { claims: jwt::shown(claims), scopes })
    }

    async fn ask(&self, on: OnRoute<'_>, authorizer: &ServedAuthorizer) -> Result<Authorizer, Refusal> {
        let identity = on.identity(&authorizer.sources).ok_or(Refusal::Unauthorized(None))?;
        let answer = match authorizer.cache.get(&identity, self.clock.monotonic()) {
            Some(answer) => answer,
            None => self.ask_anew(on, authorizer, identity).await?,
        };
        let context = Context::default().with("aws:SourceIp", on.request.source_ip);
        match answer.judge(&on.arn(), &context) {
            Judgement::Allow(grant) => Ok(grant.authorizer()),
            Judgement::Deny { .. } => Err(Refusal::Forbidden(None)),
        }
    }

    async fn ask_anew(
        &self,
        on: OnRoute<'_>,
        authorizer: &ServedAuthorizer,
        identity: Vec<String>,
    ) -> Result<Arc<AuthorizerAnswer>, Refusal> {
        let AuthorizerKind::Lambda { uri, payload_format, is_simple, ttl_s, credentials } = &authorizer.kind else {
            return Err(Refusal::Internal);
        };
        let target = FunctionTarget::read(uri, |name| on.stage.variable(name)).ok_or(Refusal::Internal)?;
        let scope = &on.api.scope;
        let source_arn = format!(
            "arn:aws:execute-api:{}:{}:{}/authorizers/{}",
            scope.region, scope.account, on.api.id, authorizer.id
        );
        let (call, arn) = (on.call(None), on.arn());
        let payload: Bytes = match payload_format {
            PayloadFormat::V1 => http_authorizer_event_1(on.request, on.arrival, &call, &arn, &identity).into(),
            PayloadFormat::V2 => http_authorizer_event_2(on.request, on.arrival, &call, &arn, &identity).into(),
        };
        let errand = Errand {
            api: on.api,
            target,
            role: credentials.as_deref(),
            source_arn,
            payload,
            // An invoke of its own.
            request_id: uuid::Uuid::new_v4().to_string(),
            trace_id: on.arrival.trace_id,
            timeout: TIMEOUT,
        };
        let answer = self.run(errand).await.map_err(|_| Refusal::Internal)?;
        let read = match (payload_format, is_simple) {
            (_, true) => AuthorizerAnswer::parse_simple(&answer),
            (PayloadFormat::V1, false) => AuthorizerAnswer::parse_policy(&answer),
            (PayloadFormat::V2, false) => AuthorizerAnswer::parse_policy_2(&answer),
        };
        let read = read.map(Arc::new).map_err(|malformed| {
            tracing::info!(
                api = on.api.id,
                authorizer = authorizer.id,
                why = malformed.why,
                "an authorizer's answer is none"
            );
            Refusal::Internal
        })?;
        if *ttl_s > 0 {
            let ttl = Duration::from_secs(u64::from(*ttl_s));
            authorizer.cache.put(identity, Arc::clone(&read), self.clock.monotonic(), ttl);
        }
        Ok(read)
    }
}
