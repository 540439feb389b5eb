//! Where the sources of event source mappings are: queues and streams here, or those that the operator says are elsewhere, and
//! brokers.

use std::sync::Arc;

use serde_json::{Value, json};
use tindra_brokers::RabbitQueue;
use tindra_control::KnownQueues;
use tindra_core::event_source_mapping::{EventSourceMapping, SourceKind};
use tindra_core::function::{Function, Version};
use tindra_events::mappings::{BrokerQueue, SourceApi, SourceError, Sources};
use tindra_outside::{Outside, OutsideError, OutsideService};
use tindra_services::kinesis::KinesisService;
use tindra_services::sqs::SqsService;
use tindra_store::{BoxFuture, JsonRecords as _, Store, Versioned};

use crate::authorise::RoleAuthority;
use crate::brokers::{Brokers, QueueOfRabbit, problem};

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
            let arn = mapping.source.arn.clone().ok_or_else(|| SourceError::new("it names no source"))?;
            let actions = actions(mapping.source.kind).iter().map(|action| (*action, arn.as_str()));
            self.authorise(mapping, &actions.collect::<Vec<_>>()).await?;
            match mapping.source.kind {
                SourceKind::Kinesis => self.stream(OutsideService::Kinesis, mapping, arn),
                SourceKind::DynamoDb => self.stream(OutsideService::DynamoDbStreams, mapping, arn),
                _ => self.queue(arn).await,
            }
        })
    }

    fn broker<'a>(
        &'a self,
        mapping: &'a EventSourceMapping,
    ) -> BoxFuture<'a, Result<Box<dyn BrokerQueue>, SourceError>> {
        Box::pin(async move {
            let arn = mapping.source.arn.as_deref().unwrap_or_default();
            let secret = mapping.settings.access("BASIC_AUTH");
            // AWS reads no broker of another account.
            for arn in secret.into_iter().chain([arn]) {
                if arn.split(':').nth(4) != Some(&mapping.scope.account) {
                    return Err(SourceError::new(format!("{arn} is not of the function's account")));
                }
            }
            let mut actions = vec![("mq:DescribeBroker", arn)];
            actions.extend(secret.map(|secret| ("secretsmanager:GetSecretValue", secret)));
            self.authorise(mapping, &actions).await?;
            let options = self.brokers.rabbit(mapping).await?;
            let queue = RabbitQueue::open(&options).await.map_err(problem)?;
            Ok(Box::new(QueueOfRabbit(queue)) as Box<dyn BrokerQueue>)
        })
    }
}

impl SourcesOfServer {
    async fn queue(&self, arn: String) -> Result<Arc<dyn SourceApi>, SourceError> {
        let queue: Arc<dyn SourceApi> = match &self.sqs {
            _ if self.outside.is_known(OutsideService::Sqs) => {
                Arc::new(QueueElsewhere { outside: self.outside.clone(), arn })
            }
            Some(sqs) => Arc::new(QueueHere { sqs: sqs.clone(), arn }),
            None => {
                let problem = "SQS is switched off here; take sqs out of disabled_services, or set sqs_endpoint";
                return Err(SourceError::new(problem));
            }
        };
        queue.call("GetQueueAttributes", json!({ "AttributeNames": ["VisibilityTimeout"] })).await?;
        Ok(queue)
    }

    fn stream(
        &self,
        service: OutsideService,
        mapping: &EventSourceMapping,
        arn: String,
    ) -> Result<Arc<dyn SourceApi>, SourceError> {
        if self.outside.is_known(service) {
            let region = mapping.source_region().to_owned();
            return Ok(Arc::new(StreamElsewhere { outside: self.outside.clone(), arn, region }));
        }
        match (service, &self.kinesis) {
            (OutsideService::Kinesis, Some(kinesis)) => {
                return Ok(Arc::new(StreamHere { kinesis: kinesis.clone(), arn }));
            }
            (OutsideService::Kinesis, None) => {
                let problem =
                    "Kinesis is switched off here; take kinesis out of disabled_services, or set kinesis_endpoint";
                return Err(SourceError::new(problem));
            }
            _ => {}
        }
        let (setting, variable) = (service.setting(), service.variable());
        Err(SourceError::new(format!("no endpoint for {service} is configured; set {setting} or {variable}")))
    }

    /// Refuses what the function's role may not do: who polls is not the function.
    async fn authorise(&self, mapping: &EventSourceMapping, actions: &[(&str, &str)]) -> Result<(), SourceError> {
        let Some(authority) = &self.authority else { return Ok(()) };
        let key = Function::version_key(&mapping.scope, &mapping.function_name, Version::Latest);
        let read: Result<Option<Versioned<Function>>, _> = self.store.metadata.get_json(&key).await;
        let function = read.map_err(|error| SourceError::new(error.to_string()))?;
        let function = function.ok_or_else(|| SourceError::new("its function has gone"))?.value;
        let role = function.serving.unwrap_or(function.desired).configuration.role;
        for (action, arn) in actions {
            let checked = authority.check(&role, &mapping.function_arn(), action, arn).await;
            checked.map_err(SourceError::new)?;
        }
        Ok(())
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

/// The queues that are here.
#[derive(Debug)]
pub(crate) struct QueuesHere(pub(crate) SqsService);

impl KnownQueues for QueuesHere {
    fn visibility_timeout_s<'a>(&'a self, queue_arn: &'a str) -> BoxFuture<'a, Option<u32>> {
        Box::pin(async move {
            let input = json!({ "AttributeNames": ["VisibilityTimeout"] });
            let answer = self.0.ask_queue(queue_arn, "GetQueueAttributes", &input).await.ok()?;
            answer["Attributes"]["VisibilityTimeout"].as_str()?.parse().ok()
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
