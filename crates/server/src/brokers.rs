//! Brokers that the operator names: where they are, and with which secrets one logs in.

use std::collections::BTreeMap;

use serde::Deserialize;
use tindra_brokers::{BrokerError, RabbitMessage, RabbitOptions, RabbitQueue};
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_events::mappings::{BrokerMessage, BrokerQueue, SourceError};
use tindra_store::BoxFuture;

use crate::config::{Broker, SecretPlace};

/// The brokers and secrets of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Brokers {
    pub(crate) brokers: Vec<Broker>,
    /// By their ARNs.
    pub(crate) secrets: BTreeMap<String, SecretPlace>,
}

/// What a secret for logging in holds (AWS; other members are for others).
#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

impl Brokers {
    /// What a mapping's broker is connected to with.
    ///
    /// # Errors
    /// What the operator or the function's owner has to add.
    pub(crate) async fn rabbit(&self, mapping: &EventSourceMapping) -> Result<RabbitOptions, SourceError> {
        let arn = mapping.source.arn.as_deref().unwrap_or_default();
        let Some(broker) = self.brokers.iter().find(|broker| broker.arn == arn) else {
            return Err(SourceError::new(format!(
                "this server knows no broker {arn}; name it in the server's configuration as [[brokers]], with arn and url \
                 (amqps://HOST:PORT of a RabbitMQ; ActiveMQ is not polled)"
            )));
        };
        let secret = mapping.settings.access("BASIC_AUTH").ok_or_else(|| {
            SourceError::new("it names no secret to log in with; add BASIC_AUTH to SourceAccessConfigurations")
        })?;
        let Login { username, password } = self.login(secret).await?;
        Ok(RabbitOptions {
            url: broker.url.clone(),
            authorities: broker.authorities.clone(),
            user: username,
            password,
            virtual_host: mapping.settings.virtual_host().to_owned(),
            queue: mapping.source.queues.first().cloned().unwrap_or_default(),
            name: mapping.uuid.to_string(),
            messages_max: u16::try_from(mapping.settings.batch_size).unwrap_or(u16::MAX),
        })
    }

    async fn login(&self, arn: &str) -> Result<Login, SourceError> {
        let text = match self.secrets.get(arn) {
            Some(SecretPlace::Text(text)) => text.clone(),
            Some(SecretPlace::File(path)) => {
                let file = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
                let read = read.map_err(|error| SourceError::new(error.to_string()))?;
                read.map_err(|error| {
                    SourceError::new(format!("failed to read the secret {arn} from {}: {error}", path.display()))
                })?
            }
            None => {
                return Err(SourceError::new(format!(
                    "this server knows no secret {arn}; name it in the server's configuration as [[secrets]], with arn and file or variable"
                )));
            }
        };
        // What is wrong with it is not repeated: it may be a password.
        serde_json::from_str(&text).map_err(|_| {
            SourceError::new(format!(
                "the secret {arn} is not of the form {{\"username\": \"…\", \"password\": \"…\"}}"
            ))
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
