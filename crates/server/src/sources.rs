//! Where the sources of event source mappings are: queues and streams here, or those that the operator says are elsewhere, and
//! brokers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tindra_brokers::RabbitQueue;
use tindra_control::{KnownSources, SourceFound};
use tindra_core::event_source_mapping::{EventSourceMapping, SourceKind, kinesis_stream_name};
use tindra_core::function::{Function, Version};
use tindra_events::mappings::{BrokerQueue, GroupMember, SourceApi, SourceError, Sources};
use tindra_outside::{Outside, OutsideError, OutsideService};
use tindra_services::kinesis::KinesisService;
use tindra_services::sqs::SqsService;
use tindra_store::{BoxFuture, JsonRecords as _, Store, Versioned};

use tokio::time::timeout;

use crate::authorise::RoleAuthority;
use crate::brokers::{Brokers, QueueOfRabbit, problem};

/// How long whoever makes a mapping waits for its source.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// What services call a queue or stream that is not there.
const MISSING: [&str; 3] =
    ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "ResourceNotFoundException"];

/// What the role of a function needs to have a source polled for it (AWS).
fn actions(kind: SourceKind) -> &'static [&'static str] {
    match kind {
        SourceKind::Kinesis => &["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"],
        SourceKind::DynamoDb => &["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream"],
        _ => &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
    }
}

/// Opens the sources of mappings.
#[derive(Debug)]
pub(crate) struct SourcesOfServer {
    pub(crate) store: Store,
    /// None where SQS is switched off.
    pub(crate) sqs: Option<SqsService>,
    /// None where Kinesis is switched off.
    pub(crate) kinesis: Option<KinesisService>,
    pub(crate) outside: Outside,
    /// What roles may do; none where everybody may do everything.
    pub(crate) authority: Option<RoleAuthority>,
    pub(crate) brokers: Brokers,
}

impl Sources for SourcesOfServer {
    fn open<'a>(&'a self, mapping: &'a EventSourceMapping) -> BoxFuture<'a, Result<Arc<dyn SourceApi>, SourceError>> {
        Box::pin(async move {
            if let Some((_, refusal)) = self.refusal(mapping).await? {
                return Err(SourceError::new(refusal));
            }
            let source = self.source(mapping)?;
            if mapping.source.kind.is_sqs() {
                source.call("GetQueueAttributes", json!({ "AttributeNames": ["VisibilityTimeout"] })).await?;
            }
            Ok(source)
        })
    }

    fn broker<'a>(
        &'a self,
        mapping: &'a EventSourceMapping,
    ) -> BoxFuture<'a, Result<Box<dyn BrokerQueue>, SourceError>> {
        Box::pin(async move {
            self.authorise_broker(mapping, "mq:DescribeBroker").await?;
            let options = self.brokers.rabbit(mapping).await?;
            let queue = RabbitQueue::open(&options).await.map_err(problem)?;
            Ok(Box::new(QueueOfRabbit(queue)) as Box<dyn BrokerQueue>)
        })
    }

    fn group<'a>(
        &'a self,
        mapping: &'a EventSourceMapping,
    ) -> BoxFuture<'a, Result<Box<dyn GroupMember>, SourceError>> {
        Box::pin(async move {
            self.authorise_broker(mapping, "kafka:DescribeClusterV2").await?;
            self.brokers.kafka(mapping).await
        })
    }
}

impl KnownSources for SourcesOfServer {
    fn find<'a>(&'a self, mapping: &'a EventSourceMapping) -> BoxFuture<'a, SourceFound> {
        Box::pin(async move { timeout(LOOK_TIMEOUT, self.look(mapping)).await.unwrap_or(SourceFound::Unknown) })
    }
}

impl SourcesOfServer {
    /// Refuses what is of another account, and what the function's role may not have.
    async fn authorise_broker(&self, mapping: &EventSourceMapping, describe: &str) -> Result<(), SourceError> {
        let arn = mapping.source.arn.as_deref();
        let is_secret = |uri: &&str| uri.starts_with("arn:");
        let secrets = mapping.settings.source_access.iter().map(|access| access.uri.as_str()).filter(is_secret);
        let secrets: Vec<&str> = secrets.collect();
        // AWS reads no broker of another account.
        for arn in secrets.iter().copied().chain(arn) {
            if arn.split(':').nth(4) != Some(&mapping.scope.account) {
                return Err(SourceError::new(format!("{arn} is not of the function's account")));
            }
        }
        let mut actions: Vec<(&str, &str)> = arn.into_iter().map(|arn| (describe, arn)).collect();
        actions.extend(secrets.into_iter().map(|secret| ("secretsmanager:GetSecretValue", secret)));
        for (action, arn) in actions {
            if let Some(refusal) = self.refusal_of(mapping, action, arn).await? {
                return Err(SourceError::new(refusal));
            }
        }
        Ok(())
    }

    async fn look(&self, mapping: &EventSourceMapping) -> SourceFound {
        match self.refusal(mapping).await {
            Ok(None) => {}
            Ok(Some((action, _))) => return SourceFound::Forbidden { action: action.to_owned() },
            Err(_) => return SourceFound::Unknown,
        }
        let Ok(source) = self.source(mapping) else { return SourceFound::Unknown };
        let arn = mapping.source.arn.as_deref().unwrap_or_default();
        let asked = match mapping.source.kind {
            SourceKind::Kinesis => {
                source.call("ListShards", json!({ "StreamName": kinesis_stream_name(arn), "MaxResults": 1 })).await
            }
            SourceKind::DynamoDb => source.call("DescribeStream", json!({ "StreamArn": arn, "Limit": 1 })).await,
            _ => source.call("GetQueueAttributes", json!({ "AttributeNames": ["VisibilityTimeout"] })).await,
        };
        match asked {
            Ok(answer) => {
                let hidden_s = answer["Attributes"]["VisibilityTimeout"].as_str();
                SourceFound::There { visibility_timeout_s: hidden_s.and_then(|seconds| seconds.parse().ok()) }
            }
            Err(error) if error.code.as_deref().is_some_and(|code| MISSING.contains(&code)) => SourceFound::Missing,
            Err(_) => SourceFound::Unknown,
        }
    }

    /// Whoever can be asked about the queue or stream of a mapping.
    fn source(&self, mapping: &EventSourceMapping) -> Result<Arc<dyn SourceApi>, SourceError> {
        let arn = mapping.source.arn.clone().ok_or_else(|| SourceError::new("it names no source"))?;
        let service = match mapping.source.kind {
            SourceKind::Kinesis => OutsideService::Kinesis,
            SourceKind::DynamoDb => OutsideService::DynamoDbStreams,
            _ => OutsideService::Sqs,
        };
        let (outside, region) = (self.outside.clone(), mapping.source_region().to_owned());
        let off = |name: &str, service: &str| {
            let setting = format!("take {service} out of disabled_services, or set {service}_endpoint");
            Err(SourceError::new(format!("{name} is switched off here; {setting}")))
        };
        match (service, outside.is_known(service)) {
            (OutsideService::Sqs, true) => Ok(Arc::new(QueueElsewhere { outside, arn })),
            (_, true) => Ok(Arc::new(StreamElsewhere { outside, arn, region })),
            (OutsideService::Sqs, false) => match self.sqs.clone() {
                Some(sqs) => Ok(Arc::new(QueueHere { sqs, arn })),
                None => off("SQS", "sqs"),
            },
            (OutsideService::Kinesis, false) => match self.kinesis.clone() {
                Some(kinesis) => Ok(Arc::new(StreamHere { kinesis, arn })),
                None => off("Kinesis", "kinesis"),
            },
            (_, false) => {
                let (setting, variable) = (service.setting(), service.variable());
                Err(SourceError::new(format!("no endpoint for {service} is configured; set {setting} or {variable}")))
            }
        }
    }

    /// What the function's role may not do with the queue or stream of a mapping, and why: who polls is not the function.
    async fn refusal(&self, mapping: &EventSourceMapping) -> Result<Option<(&'static str, String)>, SourceError> {
        let Some(arn) = mapping.source.arn.as_deref() else { return Ok(None) };
        for action in actions(mapping.source.kind) {
            if let Some(refusal) = self.refusal_of(mapping, action, arn).await? {
                return Ok(Some((action, refusal)));
            }
        }
        Ok(None)
    }

    async fn refusal_of(
        &self,
        mapping: &EventSourceMapping,
        action: &str,
        arn: &str,
    ) -> Result<Option<String>, SourceError> {
        let Some(authority) = &self.authority else { return Ok(None) };
        let key = Function::version_key(&mapping.scope, &mapping.function_name, Version::Latest);
        let read: Result<Option<Versioned<Function>>, _> = self.store.metadata.get_json(&key).await;
        let function = read.map_err(|error| SourceError::new(error.to_string()))?;
        let function = function.ok_or_else(|| SourceError::new("its function has gone"))?.value;
        let role = function.serving.unwrap_or(function.desired).configuration.role;
        Ok(authority.check(&role, &mapping.function_arn(), action, arn).await.err())
    }
}

#[derive(Debug)]
struct QueueHere {
    sqs: SqsService,
    arn: String,
}

impl SourceApi for QueueHere {
    fn forgets_calls(&self) -> bool {
        true
    }

    fn call<'a>(&'a self, operation: &'static str, input: Value) -> BoxFuture<'a, Result<Value, SourceError>> {
        Box::pin(async move {
            let answer = self.sqs.ask_queue(&self.arn, operation, &input).await;
            answer.map_err(|error| {
                let message = format!("{}: {}", error.code(), error.message());
                SourceError::refused(error.code(), message)
            })
        })
    }
}

#[derive(Debug)]
struct QueueElsewhere {
    outside: Outside,
    arn: String,
}

impl SourceApi for QueueElsewhere {
    fn call<'a>(&'a self, operation: &'static str, input: Value) -> BoxFuture<'a, Result<Value, SourceError>> {
        Box::pin(async move { self.outside.ask_queue(&self.arn, operation, input).await.map_err(refused) })
    }
}

#[derive(Debug)]
struct StreamHere {
    kinesis: KinesisService,
    arn: String,
}

impl SourceApi for StreamHere {
    fn call<'a>(&'a self, operation: &'static str, input: Value) -> BoxFuture<'a, Result<Value, SourceError>> {
        Box::pin(async move {
            let answer = self.kinesis.ask_stream(&self.arn, operation, input).await;
            answer.map_err(|error| {
                let message = format!("{}: {}", error.code(), error.message());
                SourceError::refused(error.code(), message)
            })
        })
    }

    fn tells(&self) -> bool {
        true
    }

    fn more<'a>(&'a self, iterator: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.kinesis.wait_for_records(&self.arn, iterator))
    }
}

#[derive(Debug)]
struct StreamElsewhere {
    outside: Outside,
    arn: String,
    region: String,
}

impl SourceApi for StreamElsewhere {
    fn call<'a>(&'a self, operation: &'static str, input: Value) -> BoxFuture<'a, Result<Value, SourceError>> {
        Box::pin(
            async move { self.outside.ask_stream(&self.arn, &self.region, operation, input).await.map_err(refused) },
        )
    }
}

fn refused(error: OutsideError) -> SourceError {
    let message = error.to_string();
    match error {
        OutsideError::Refused { code, .. } => SourceError::refused(code, message),
        _ => SourceError::new(message),
    }
}
