//! Lambda authorizers: who may ask, decided by a function and kept for a while.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tindra_core::door::{
    AuthorizerAnswer, Grant, IdentityFacts, IdentitySource, Judgement, execute_api_arn, rest_request_authorizer_event,
    rest_token_authorizer_event,
};
use tindra_core::limits;
use tindra_core::policy::Context;
use tindra_invoke::environments::Outcome;
use tindra_invoke::{InvokeError, InvokeResponse};

use super::Shared;
use super::exchange::Exchange;
use super::lambda::{Target, invoke_request};
use super::refusal::Refusal;
use super::stage::Found;
use crate::restapi::records::{Authorizer, AuthorizerType};

const SHARDS: usize = 16;
/// Decisions of a shard before those that are over are thrown away, and all of them when that is not enough.
const KEPT_MAX: usize = 4_096;

/// What is decided of whom.
type Key = (String, String, u64, String, Vec<String>);

#[derive(Clone, Debug)]
struct Kept {
    answer: Arc<AuthorizerAnswer>,
    until: Duration,
}

/// Decisions that are kept.
#[derive(Debug, Default)]
pub(super) struct Authorizers {
    hasher: RandomState,
    shards: [Mutex<HashMap<Key, Kept>>; SHARDS],
}

impl Authorizers {
    fn shard(&self, key: &Key) -> &Mutex<HashMap<Key, Kept>> {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        &self.shards[index]
    }

    fn get(&self, key: &Key, now: Duration) -> Option<Arc<AuthorizerAnswer>> {
        let shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(key).filter(|kept| kept.until > now).map(|kept| Arc::clone(&kept.answer))
    }

    fn keep(&self, key: Key, answer: &Arc<AuthorizerAnswer>, now: Duration, until: Duration) {
        let mut shard = self.shard(&key).lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= KEPT_MAX {
            shard.retain(|_, kept| kept.until > now);
        }
        if shard.len() >= KEPT_MAX {
            shard.clear();
        }
        shard.insert(key, Kept { answer: Arc::clone(answer), until });
    }
}

impl Shared {
    /// Lets the authorizer of a method decide; none for open methods.
    pub(super) async fn authorize(&self, exchange: &Exchange<'_>, found: &Found<'_>) -> Result<Option<Grant>, Refusal> {
        let Some(id) = &found.method.authorizer_id else { return Ok(None) };
        let stage = exchange.stage;
        let authorizer = stage.content.authorizers.get(id).ok_or_else(Refusal::authorizer_configuration)?;
        let identity = identity(exchange, authorizer)?;
        let request = &exchange.request;
        let arn = execute_api_arn(&stage.scope, &stage.api_id, &stage.name, request.method, exchange.path_in_stage);
        let (keeps_for, now) = (Duration::from_secs(authorizer.keeps_for_s().into()), self.clock.monotonic());
        let key = (
            format!("{}/{}", stage.api_id, stage.name),
            stage.deployment_id.clone(),
            stage.authorizer_epoch,
            id.clone(),
            identity.clone(),
        );
        let is_kept = !keeps_for.is_zero();
        let answer = match self.authorizers.get(&key, now).filter(|_| is_kept) {
            Some(answer) => answer,
            None => {
                let answer = Arc::new(self.ask(exchange, found, authorizer, &identity, &arn).await?);
                if is_kept {
                    self.authorizers.keep(key, &answer, now, now + keeps_for);
                }
                answer
            }
        };
        let context = Context::default().with("aws:SourceIp", request.source_ip);
        match answer.judge(&arn, &context) {
            Judgement::Allow(grant) => Ok(Some(grant)),
            Judgement::Deny { explicit } => Err(Refusal::access_denied(explicit)),
        }
    }

    /// Runs the authorizer's function.
    async fn ask(
        &self,
        exchange: &Exchange<'_>,
        found: &Found<'_>,
        authorizer: &Authorizer,
        identity: &[String],
        arn: &str,
    ) -> Result<AuthorizerAnswer, Refusal> {
        let stage = exchange.stage;
        let target = Target::read(&authorizer.authorizer_uri, stage).ok_or_else(Refusal::authorizer_configuration)?;
        let (region, account) = (&stage.scope.region, &stage.scope.account);
        let source = format!("arn:aws:execute-api:{region}:{account}:{}/authorizers/{}", stage.api_id, authorizer.id);
        if !self.lets_in(exchange, &target, &source).await {
            return Err(Refusal::authorizer_configuration());
        }
        let event = match authorizer.kind {
            AuthorizerType::Token => {
                rest_token_authorizer_event(identity.first().map(String::as_str).unwrap_or_default(), arn)
            }
            AuthorizerType::Request => rest_request_authorizer_event(
                &exchange.request,
                &exchange.arrival(),
                &exchange.call(found, None, None),
                arn,
            ),
        };
        let run = self.functions.invoke(invoke_request(exchange, target, event));
        let patience = Duration::from_millis(limits::AUTHORIZER_TIMEOUT_MS.into());
        let result = tokio::time::timeout(patience, run).await.map_err(|_| Refusal::authorizer_failure())?;
        read(result, &authorizer.name)
    }
}

/// The values of the identity sources; a missing one is refused without asking anybody.
fn identity(exchange: &Exchange<'_>, authorizer: &Authorizer) -> Result<Vec<String>, Refusal> {
    let (stage, request) = (exchange.stage, &exchange.request);
    let context = [
        ("httpMethod", request.method),
        ("resourcePath", exchange.path_in_stage),
        ("path", request.path),
        ("stage", stage.name.as_str()),
        ("apiId", stage.api_id.as_str()),
        ("accountId", stage.scope.account.as_str()),
        ("identity.sourceIp", request.source_ip),
        ("identity.userAgent", request.user_agent().unwrap_or_default()),
        ("requestId", request.request_id),
        ("protocol", request.protocol),
        ("domainName", request.host),
    ];
    let context = context.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let facts = IdentityFacts { context: &context, stage_variables: &exchange.variables };
    let sources: Result<Vec<IdentitySource>, _> = authorizer.sources().map(str::parse).collect();
    let sources = sources.map_err(|_| Refusal::authorizer_configuration())?;
    let identity = IdentitySource::read_all(&sources, request, &facts).ok_or_else(Refusal::unauthorized)?;
    if let Some(expression) = &authorizer.identity_validation_expression {
        // It describes the whole token (developer guide).
        let whole = fancy_regex::Regex::new(&format!("^(?:{expression})$"));
        let whole = whole.map_err(|_| Refusal::authorizer_configuration())?;
        let token = identity.first().map(String::as_str).unwrap_or_default();
        if !whole.is_match(token).unwrap_or(false) {
            return Err(Refusal::unauthorized());
        }
    }
    Ok(identity)
}

/// What the function decided. One that fails with the word `Unauthorized` means 401 (developer guide).
fn read(result: Result<InvokeResponse, InvokeError>, name: &str) -> Result<AuthorizerAnswer, Refusal> {
    match result {
        Ok(InvokeResponse::Completed { finished, .. }) => match finished.outcome {
            Outcome::Success(payload) => AuthorizerAnswer::parse_policy(&payload).map_err(|malformed| {
                tracing::info!(authorizer = name, why = malformed.why, "an authorizer gave no answer");
                Refusal::authorizer_configuration()
            }),
            Outcome::FunctionError(payload) => {
                let error: Value = serde_json::from_slice(&payload).unwrap_or_default();
                let says = error.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
                let is_unauthorized = matches!(says, "Unauthorized" | "Error: Unauthorized");
                Err(if is_unauthorized { Refusal::unauthorized() } else { Refusal::authorizer_configuration() })
            }
        },
        Ok(_) => Err(Refusal::authorizer_failure()),
        Err(error) => {
            tracing::info!(authorizer = name, error = &error as &dyn std::error::Error, "an authorizer was not run");
            Err(Refusal::authorizer_configuration())
        }
    }
}
