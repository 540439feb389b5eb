//! Where the sources of event source mappings are: queues here, or those that the operator says are elsewhere, and brokers.

use std::sync::Arc;

use serde_json::{Value, json};
use tindra_brokers::RabbitQueue;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::function::{Function, Version};
use tindra_events::mappings::{BrokerQueue, QueueSource, SourceError, Sources};
use tindra_outside::{Outside, OutsideService};
use tindra_services::sqs::SqsService;
use tindra_store::{BoxFuture, JsonRecords as _, Store, Versioned};

use crate::authorise::RoleAuthority;
use crate::brokers::{Brokers, QueueOfRabbit, problem};

/// What the role of a function needs to have a queue polled for it (AWS).
const ACTIONS: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/// Opens the sources of mappings.
#[derive(Debug)]
pub(crate) struct SourcesOfServer {
    pub(crate) store: Store,
    /// None where SQS is switched off.
    pub(crate) sqs: Option<SqsService>,
    pub(crate) outside: Outside,
    /// What roles may do; none where everybody may do everything.
    pub(crate) authority: Option<RoleAuthority>,
    pub(crate) brokers: Brokers,
}

impl Sources for SourcesOfServer {
    fn queue<'a>(
        &'a self,
        mapping: &'a EventSourceMapping,
    ) -> BoxFuture<'a, Result<Arc<dyn QueueSource>, SourceError>> {
        Box::pin(async move {
            let arn = mapping.source.arn.clone().ok_or_else(|| SourceError::new("it names no queue"))?;
            self.authorise(mapping, &ACTIONS.map(|action| (action, arn.as_str()))).await?;
            let queue: Arc<dyn QueueSource> = match &self.sqs {
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

impl QueueSource for QueueHere {
    fn call<'a>(&'a self, operation: &'static str, input: Value) -> BoxFuture<'a, Result<Value, SourceError>> {
        Box::pin(async move {
            let answer = self.sqs.ask_queue(&self.arn, operation, &input).await;
            answer.map_err(|error| SourceError::new(format!("{}: {}", error.code(), error.message())))
        })
    }
}

#[derive(Debug)]
struct QueueElsewhere {
    outside: Outside,
    arn: String,
}

impl QueueSource for QueueElsewhere {
    fn call<'a>(&'a self, operation: &'static str, input: Value) -> BoxFuture<'a, Result<Value, SourceError>> {
        Box::pin(async move {
            let answer = self.outside.ask_queue(&self.arn, operation, input).await;
            answer.map_err(|error| SourceError::new(error.to_string()))
        })
    }
}
