//! API destinations: web servers as targets.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::push::HttpRequest;
use tindra_store::{Batch, JsonRecords as _, StoreError, Versioned};
use uuid::Uuid;

use super::EventBridgeService;
use super::change::Beside;
use super::error::EventsError;
use super::event::Event;
use super::input::Path;
use super::names::Kind;
use super::page::PageRequest;
use super::records::ApiDestination;
use super::secrets::{Connection, check_url};
use super::target::Target;
use crate::instant::to_seconds;
use tindra_store::following::all;

/// Requests in a second unless the destination says otherwise (AWS).
const RATE_PER_S: u32 = 300;
/// For an answer (AWS).
const TIMEOUT_MS: u64 = 5_000;
/// What every destination here is in.
const STATE: &str = "ACTIVE";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRequest {
    name: String,
    description: Option<String>,
    connection_arn: Option<String>,
    invocation_endpoint: Option<String>,
    http_method: Option<String>,
    invocation_rate_limit_per_second: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedRequest {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    name_prefix: Option<String>,
    connection_arn: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl EventBridgeService {
    pub(super) async fn create_destination(&self, scope: &Scope, request: PutRequest) -> Result<Value, EventsError> {
        self.check_destination(scope, &request).await?;
        let now_ms = self.now_ms();
        let destination = ApiDestination {
            id: Uuid::new_v4(),
            name: request.name.clone(),
            description: request.description,
            connection_arn: request.connection_arn.unwrap_or_default(),
            endpoint: request.invocation_endpoint.unwrap_or_default(),
            method: request.http_method.unwrap_or_default(),
            rate_per_s: request.invocation_rate_limit_per_second.unwrap_or(RATE_PER_S),
            created_ms: now_ms,
            modified_ms: now_ms,
        };
        let key = Kind::ApiDestination.key(scope, &request.name);
        self.create(key, &destination, Beside::default(), || Kind::ApiDestination.exists(&request.name)).await?;
        Ok(changed(scope, &destination))
    }

    pub(super) async fn update_destination(&self, scope: &Scope, request: PutRequest) -> Result<Value, EventsError> {
        self.check_destination(scope, &request).await?;
        let now_ms = self.now_ms();
        let edited = self.change(Kind::ApiDestination, scope, &request.name, |destination: &mut ApiDestination| {
            if request.description.is_some() {
                destination.description.clone_from(&request.description);
            }
            let texts = [
                (&mut destination.connection_arn, &request.connection_arn),
                (&mut destination.endpoint, &request.invocation_endpoint),
                (&mut destination.method, &request.http_method),
            ];
            for (member, given) in texts {
                if let Some(given) = given {
                    member.clone_from(given);
                }
            }
            destination.rate_per_s = request.invocation_rate_limit_per_second.unwrap_or(destination.rate_per_s);
            destination.modified_ms = now_ms;
            Ok(destination.clone())
        });
        Ok(changed(scope, &edited.await?))
    }

    pub(super) async fn describe_destination(
        &self,
        scope: &Scope,
        request: NamedRequest,
    ) -> Result<Value, EventsError> {
        let destination: Versioned<ApiDestination> = self.named(Kind::ApiDestination, scope, &request.name).await?;
        let mut shown = listed(scope, &destination.value);
        if let Some(description) = destination.value.description {
            shown["Description"] = description.into();
        }
        Ok(shown)
    }

    pub(super) async fn delete_destination(&self, scope: &Scope, request: NamedRequest) -> Result<Value, EventsError> {
        loop {
            let destination: Versioned<ApiDestination> = self.named(Kind::ApiDestination, scope, &request.name).await?;
            if self.remove(&destination.key, destination.revision, Batch::default()).await? {
                return Ok(json!({}));
            }
        }
    }

    pub(super) async fn list_destinations(&self, scope: &Scope, request: ListRequest) -> Result<Value, EventsError> {
        let prefix = request.name_prefix.unwrap_or_default();
        let all = all::<ApiDestination>(&self.around.store, &Kind::ApiDestination.prefix(scope)).await?.into_iter();
        let all = all.map(|destination| destination.value).filter(|destination| {
            destination.name.starts_with(&prefix)
                && request.connection_arn.as_ref().is_none_or(|arn| *arn == destination.connection_arn)
        });
        request.page.cut("ApiDestinations", all.map(|one| (one.name.clone(), listed(scope, &one))))
    }

    /// The destination of an ARN; none when it has gone.
    pub(super) async fn destination_of(&self, arn: &str) -> Result<Option<ApiDestination>, StoreError> {
        let Some((scope, name)) = Kind::ApiDestination.parse_arn(arn) else { return Ok(None) };
        let key = Kind::ApiDestination.key(&scope, &name);
        let found: Option<Versioned<ApiDestination>> = self.around.store.metadata.get_json(&key).await?;
        Ok(found.map(|found| found.value).filter(|found| found.arn(&scope) == arn))
    }

    /// The connection of an ARN; none when it has gone.
    pub(super) async fn connection_of(&self, arn: &str) -> Result<Option<Connection>, StoreError> {
        let Some((scope, name)) = Kind::Connection.parse_arn(arn) else { return Ok(None) };
        let key = Kind::Connection.key(&scope, &name);
        let found: Option<Versioned<Connection>> = self.around.store.metadata.get_json(&key).await?;
        Ok(found.map(|found| found.value).filter(|found| found.arn(&scope) == arn))
    }

    async fn check_destination(&self, scope: &Scope, request: &PutRequest) -> Result<(), EventsError> {
        request.invocation_endpoint.as_deref().map_or(Ok(()), check_url)?;
        let Some(arn) = &request.connection_arn else { return Ok(()) };
        let is_own = Kind::Connection.parse_arn(arn).is_some_and(|(owner, _)| owner == *scope);
        match self.connection_of(arn).await?.filter(|_| is_own) {
            Some(_) => Ok(()),
            None => Err(EventsError::missing(format!("Connection '{arn}' does not exist."))),
        }
    }
}

impl ApiDestination {
    pub(super) fn arn(&self, scope: &Scope) -> String {
        Kind::ApiDestination.arn(scope, &format!("{}/{}", self.name, self.id))
    }

    /// The request for a target, without what the connection adds to it.
    pub(super) fn request(&self, target: &Target, event: &Event) -> HttpRequest {
        let parameters = target.http_parameters.clone().unwrap_or_default();
        let filled = |value: &String| dynamic(value, event);
        let mut values = parameters.path_parameter_values.iter().map(filled);
        let mut url = String::with_capacity(self.endpoint.len());
        for letter in self.endpoint.chars() {
            match letter {
                '*' => url.push_str(&escaped(&values.next().unwrap_or_default())),
                _ => url.push(letter),
            }
        }
        for (name, value) in &parameters.query_string_parameters {
            add_to_query(&mut url, name, &filled(value));
        }
        let headers = parameters.header_parameters.iter().map(|(name, value)| (name.clone(), filled(value)));
        HttpRequest {
            method: self.method.clone(),
            url,
            headers: headers.collect(),
            timeout_ms: TIMEOUT_MS,
            connection_arn: Some(self.connection_arn.clone()),
        }
    }
}

/// A value of a target's `HttpParameters`: what begins with `$.` is looked up in the event.
fn dynamic(value: &str, event: &Event) -> String {
    let Some(path) = Path::parse(value).filter(|_| value.starts_with("$.")) else { return value.to_owned() };
    match path.find(&event.value) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// Adds a parameter to a URL.
pub(super) fn add_to_query(url: &mut String, name: &str, value: &str) {
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(&escaped(name));
    url.push('=');
    url.push_str(&escaped(value));
}

/// With `%` for all but letters, digits and `-._~`.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// What creating and updating answer.
fn changed(scope: &Scope, destination: &ApiDestination) -> Value {
    json!({
        "ApiDestinationArn": destination.arn(scope), "ApiDestinationState": STATE,
        "CreationTime": to_seconds(destination.created_ms), "LastModifiedTime": to_seconds(destination.modified_ms),
    })
}

fn listed(scope: &Scope, destination: &ApiDestination) -> Value {
    let mut shown = changed(scope, destination);
    shown["Name"] = destination.name.as_str().into();
    shown["ConnectionArn"] = destination.connection_arn.as_str().into();
    shown["InvocationEndpoint"] = destination.endpoint.as_str().into();
    shown["HttpMethod"] = destination.method.as_str().into();
    shown["InvocationRateLimitPerSecond"] = destination.rate_per_s.into();
    shown
}
