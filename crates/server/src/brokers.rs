//! Brokers that the operator names: where they are, and with which secrets one logs in.

#[cfg(feature = "kafka")]
mod kafka;
mod secrets;

use tindra_brokers::{BrokerError, RabbitMessage, RabbitOptions, RabbitQueue};
use tindra_core::event_source_mapping::EventSourceMapping;
#[cfg(not(feature = "kafka"))]
use tindra_events::mappings::GroupMember;
use tindra_events::mappings::{BrokerMessage, BrokerQueue, SourceError};
use tindra_store::BoxFuture;

use crate::config::{Broker, BrokerPlace};
use secrets::Login;
pub(crate) use secrets::Secrets;

/// What mappings of Kafka say where it is not built in.
#[cfg(not(feature = "kafka"))]
const WITHOUT_KAFKA: &str = "this server was built without Kafka, so that no records are processed; build one that reads it with: \
     cargo build --release --features kafka";

/// The brokers and secrets of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Brokers {
    pub(crate) brokers: Vec<Broker>,
    pub(crate) secrets: Secrets,
}

impl Brokers {
    /// A mapping of a Kafka says how to get a server that can read it.
    #[cfg(not(feature = "kafka"))]
    #[expect(clippy::unused_async, reason = "it is asynchronous where there is a Kafka")]
    pub(crate) async fn kafka(&self, _: &EventSourceMapping) -> Result<Box<dyn GroupMember>, SourceError> {
        Err(SourceError::new(WITHOUT_KAFKA))
    }

    /// What a mapping's broker is connected to with.
    ///
    /// # Errors
    /// What the operator or the function's owner has to add.
    pub(crate) async fn rabbit(&self, mapping: &EventSourceMapping) -> Result<RabbitOptions, SourceError> {
        let arn = mapping.source.arn.as_deref().unwrap_or_default();
        let broker = self.brokers.iter().find(|broker| broker.arn.as_deref() == Some(arn));
        let Some(Broker { place: BrokerPlace::Rabbit(url), authorities, .. }) = broker else {
            return Err(SourceError::new(format!(
                "this server knows no broker {arn}; name it in the server's configuration as [[brokers]], with arn and url \
                 (amqps://HOST:PORT of a RabbitMQ; ActiveMQ is not polled)"
            )));
        };
        let secret = mapping.settings.access("BASIC_AUTH").ok_or_else(|| {
            SourceError::new("it names no secret to log in with; add BASIC_AUTH to SourceAccessConfigurations")
        })?;
        let Login { username, password } = self.secrets.login(secret).await?;
        Ok(RabbitOptions {
            url: url.clone(),
            authorities: authorities.clone(),
            user: username,
            password,
            virtual_host: mapping.settings.virtual_host().to_owned(),
            queue: mapping.source.queues.first().cloned().unwrap_or_default(),
            name: mapping.uuid.to_string(),
            messages_max: u16::try_from(mapping.settings.batch_size).unwrap_or(u16::MAX),
        })
    }
}

/// A queue of RabbitMQ as the pollers use it.
#[derive(Debug)]
pub(crate) struct QueueOfRabbit(pub(crate) RabbitQueue);

impl BrokerQueue for QueueOfRabbit {
    fn take(&mut self) -> BoxFuture<'_, Result<BrokerMessage, SourceError>> {
        Box::pin(async move {
            let RabbitMessage { tag, bytes, members, body } = self.0.take().await.map_err(problem)?;
            Ok(BrokerMessage { tag, bytes, members, body })
        })
    }

    fn acknowledge(&mut self, tag: u64, all_before: bool) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move { self.0.acknowledge(tag, all_before).await.map_err(problem) })
    }

    fn reject(&mut self, tag: u64) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move { self.0.reject(tag).await.map_err(problem) })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.0.close().await })
    }
}

/// What a mapping tells of an error.
pub(crate) fn problem(error: BrokerError) -> SourceError {
    SourceError::new(format!("the broker: {error}"))
}
