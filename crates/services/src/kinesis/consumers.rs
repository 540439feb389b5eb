//! Registered consumers: who may subscribe to the shards of a stream.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_model::ApiError;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};

use super::KinesisService;
use super::error::{in_use, invalid, limit, missing, no_stream, stored};
use super::list_shards::check_created;
use super::names::{Named, consumer_of_arn};
use super::records::{Consumer, Tags};
use super::{stream_of_arn, tags};

/// Consumers of a stream (AWS).
const CONSUMERS_MAX: usize = 20;
/// Consumers of a page (AWS).
const PAGE: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RegisterRequest {
    #[serde(flatten)]
    stream: Named,
    consumer_name: String,
    #[serde(default)]
    tags: Tags,
}

/// A consumer by its own ARN, or by that of its stream and its name.
#[derive(Debug, Deserialize)]
pub(super) struct ConsumerRequest {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    #[serde(rename = "ConsumerName")]
    name: Option<String>,
    #[serde(rename = "ConsumerARN")]
    arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    #[serde(flatten)]
    stream: Named,
    next_token: Option<String>,
    max_results: Option<usize>,
    stream_creation_timestamp: Option<f64>,
}

impl KinesisService {
    pub(super) async fn register_consumer(&self, scope: &Scope, request: RegisterRequest) -> Result<Value, ApiError> {
        let (name, added) = (&request.consumer_name, tags::merged(Tags::new(), request.tags)?);
        loop {
            let stream = self.named(scope, &request.stream).await?;
            let found = self.stored(scope, &stream.name).await?;
            let found = found.ok_or_else(|| no_stream(&stream.name, &scope.account))?;
            let others = self.consumers(scope, &stream.name).await?;
            if others.iter().any(|other| other.value.name == *name) {
                return Err(in_use(format!("Consumer {name} of stream {} already exists.", stream.name)));
            }
            if others.len() >= CONSUMERS_MAX {
                return Err(limit(format!("A stream has at most {CONSUMERS_MAX} registered consumers.")));
            }
            let consumer = Consumer {
                scope: scope.clone(),
                stream: stream.name.clone(),
                name: name.clone(),
                created_ms: self.now_ms(),
                tags: added.clone(),
            };
            // The stream is written as it is, so that it cannot be deleted or get another consumer meanwhile.
            let batch = Batch::default()
                .put_json(found.key, Precondition::Revision(found.revision), &found.value)
                .and_then(|batch| batch.put_json(consumer.key(), Precondition::Absent, &consumer));
            match self.commit(batch.map_err(stored)?).await {
                Ok(()) => return Ok(json!({ "Consumer": consumer.shown() })),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(stored(error)),
            }
        }
    }

    pub(super) async fn deregister_consumer(&self, scope: &Scope, request: ConsumerRequest) -> Result<Value, ApiError> {
        loop {
            let found = self.consumer(scope, &request).await?;
            let batch = Batch::default().delete(found.key, Precondition::Revision(found.revision));
            match self.inner.around.store.metadata.commit(batch).await {
                Ok(_) => return Ok(json!({})),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(stored(error)),
            }
        }
    }

    pub(super) async fn describe_consumer(&self, scope: &Scope, request: ConsumerRequest) -> Result<Value, ApiError> {
        let consumer = self.consumer(scope, &request).await?.value;
        let mut shown = consumer.shown();
        shown["StreamARN"] = super::stream_arn(scope, &consumer.stream).into();
        Ok(json!({ "ConsumerDescription": shown }))
    }

    pub(super) async fn list_consumers(&self, scope: &Scope, request: ListRequest) -> Result<Value, ApiError> {
        let stream = self.named(scope, &request.stream).await?;
        check_created(&stream, request.stream_creation_timestamp)?;
        let after = request.next_token.map(|token| {
            let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
            name.ok_or_else(|| invalid("NextToken is not one that this operation gave out."))
        });
        let (after, size) = (after.transpose()?, request.max_results.unwrap_or(PAGE).min(PAGE));
        let mut later = self.consumers(scope, &stream.name).await?;
        later.retain(|consumer| after.as_ref().is_none_or(|after| consumer.value.name > *after));
        let has_more = later.len() > size;
        later.truncate(size);
        let shown: Vec<Value> = later.iter().map(|consumer| consumer.value.shown()).collect();
        let mut output = json!({ "Consumers": shown });
        if let Some(last) = later.last().filter(|_| has_more) {
            output["NextToken"] = URL_SAFE_NO_PAD.encode(&last.value.name).into();
        }
        Ok(output)
    }

    async fn consumer(&self, scope: &Scope, request: &ConsumerRequest) -> Result<Versioned<Consumer>, ApiError> {
        if let Some(arn) = &request.arn {
            return self.consumer_at(scope, arn).await;
        }
        let (Some(stream), Some(name)) = (&request.stream_arn, &request.name) else {
            return Err(invalid("Either ConsumerARN or StreamARN and ConsumerName have to be given."));
        };
        let stream = self.named(scope, &Named::by_arn(stream)).await?;
        self.consumer_of(scope, &stream.name, name).await
    }

    /// The consumer of an ARN.
    pub(super) async fn consumer_at(&self, scope: &Scope, arn: &str) -> Result<Versioned<Consumer>, ApiError> {
        let no_consumer = || missing(format!("Consumer {arn} does not exist."));
        let (owner, stream) = stream_of_arn(arn).filter(|(owner, _)| owner == scope).ok_or_else(no_consumer)?;
        let (name, created_s) = consumer_of_arn(arn).ok_or_else(no_consumer)?;
        let found = self.consumer_of(&owner, stream, name).await?;
        match found.value.created_ms / 1_000 == created_s {
            true => Ok(found),
            false => Err(no_consumer()),
        }
    }

    async fn consumer_of(&self, scope: &Scope, stream: &str, name: &str) -> Result<Versioned<Consumer>, ApiError> {
        let key = Consumer::prefix(scope, stream) + name;
        let found = self.inner.around.store.metadata.get_json(&key).await.map_err(stored)?;
        found
            .ok_or_else(|| missing(format!("Consumer {name} of stream {stream}, account {} not found.", scope.account)))
    }

    pub(super) async fn change_consumer(
        &self,
        scope: &Scope,
        arn: &str,
        edit: impl Fn(&mut Consumer) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        loop {
            let mut found = self.consumer_at(scope, arn).await?;
            edit(&mut found.value)?;
            let before = Precondition::Revision(found.revision);
            let batch = Batch::default().put_json(found.key, before, &found.value).map_err(stored)?;
            match self.inner.around.store.metadata.commit(batch).await {
                Err(StoreError::Conflict { .. }) => {}
                done => return done.map(drop).map_err(stored),
            }
        }
    }
}
