//! Kafka: which cluster a mapping means, and how one logs in to it.

use std::collections::HashMap;

use serde::Deserialize;
use tindra_brokers::{KafkaCertificate, KafkaConsumer, KafkaEvent, KafkaLogin, KafkaOptions};
use tindra_core::event_source_mapping::stream::Partition;
use tindra_core::event_source_mapping::{EventSourceMapping, MappingSettings, StartingPosition};
use tindra_events::mappings::{GroupEvent, GroupMember, SourceError};
use tindra_store::BoxFuture;

use super::secrets::Login;
use super::{Brokers, problem};
use crate::config::{Broker, BrokerPlace};

/// What a secret with a certificate of one's own holds (AWS).
#[derive(Deserialize)]
struct Certificate {
    certificate: String,
    #[serde(rename = "privateKey")]
    private_key: String,
    #[serde(rename = "privateKeyPassword")]
    private_key_password: Option<String>,
}

/// What a secret with an authority holds (AWS).
#[derive(Deserialize)]
struct Authority {
    certificate: String,
}

/// Ways to log in: `SourceAccessConfigurations` and the mechanism.
const LOGINS: [(&str, &str); 3] =
    [("BASIC_AUTH", "PLAIN"), ("SASL_SCRAM_256_AUTH", "SCRAM-SHA-256"), ("SASL_SCRAM_512_AUTH", "SCRAM-SHA-512")];

impl Brokers {
    /// A member, which has not joined yet, of a mapping's consumer group.
    ///
    /// # Errors
    /// What the operator or the function's owner has to add.
    pub(crate) async fn kafka(&self, mapping: &EventSourceMapping) -> Result<Box<dyn GroupMember>, SourceError> {
        let options = self.kafka_options(mapping).await?;
        let consumer = KafkaConsumer::open(options).await.map_err(problem)?;
        Ok(Box::new(MemberOfKafka(consumer)))
    }

    async fn kafka_options(&self, mapping: &EventSourceMapping) -> Result<KafkaOptions, SourceError> {
        let (broker, servers, is_tls) = self.cluster(mapping)?;
        let settings = &mapping.settings;
        for kind in ["CLIENT_CERTIFICATE_TLS_AUTH", "SERVER_ROOT_CA_CERTIFICATE"] {
            if !is_tls && settings.access(kind).is_some() {
                return Err(SourceError::new(format!(
                    "{kind} is for TLS, and this server is configured to speak to {} without; give the broker a url with kafkas://",
                    servers.join(",")
                )));
            }
        }
        let group = settings.kafka.as_ref().map(|kafka| kafka.consumer_group_id.clone());
        Ok(KafkaOptions {
            login: self.kafka_login(settings).await?,
            certificate: self.kafka_certificate(settings).await?,
            authorities: self.kafka_authorities(broker, settings).await?,
            servers,
            is_tls,
            group: group.unwrap_or_else(|| mapping.uuid.to_string()),
            topics: mapping.source.topics.clone(),
        })
    }

    /// The cluster that a mapping names: functions' owners reach none that the operator does not name.
    fn cluster(&self, mapping: &EventSourceMapping) -> Result<(&Broker, Vec<String>, bool), SourceError> {
        let (arn, named) = (mapping.source.arn.as_deref(), &mapping.source.bootstrap_servers);
        for broker in &self.brokers {
            let BrokerPlace::Kafka { servers, is_tls } = &broker.place else { continue };
            match arn {
                Some(_) if broker.arn.as_deref() == arn => return Ok((broker, servers.clone(), *is_tls)),
                None if broker.arn.is_none() && named.iter().all(|server| servers.contains(server)) => {
                    return Ok((broker, named.clone(), *is_tls));
                }
                _ => {}
            }
        }
        Err(SourceError::new(match arn {
            Some(arn) => format!(
                "this server knows no Kafka {arn}; name it in the server's configuration as [[brokers]], with arn and url \
                 (kafkas://HOST:PORT,…)"
            ),
            None => format!(
                "this server knows no Kafka at {}; name all of these servers in its configuration as [[brokers]], with url \
                 (kafkas://HOST:PORT,…) and without arn",
                named.join(",")
            ),
        }))
    }

    async fn kafka_login(&self, settings: &MappingSettings) -> Result<Option<KafkaLogin>, SourceError> {
        for (access, mechanism) in LOGINS {
            if let Some(secret) = settings.access(access) {
                let Login { username, password } = self.secrets.login(secret).await?;
                return Ok(Some(KafkaLogin { mechanism, user: username, password }));
            }
        }
        Ok(None)
    }

    async fn kafka_certificate(&self, settings: &MappingSettings) -> Result<Option<KafkaCertificate>, SourceError> {
        let Some(secret) = settings.access("CLIENT_CERTIFICATE_TLS_AUTH") else { return Ok(None) };
        let form = r#"{"certificate": "…", "privateKey": "…"}"#;
        let Certificate { certificate, private_key, private_key_password } = self.secrets.read(secret, form).await?;
        Ok(Some(KafkaCertificate { certificate, key: private_key, key_password: private_key_password }))
    }

    async fn kafka_authorities(
        &self,
        broker: &Broker,
        settings: &MappingSettings,
    ) -> Result<Option<String>, SourceError> {
        if let Some(secret) = settings.access("SERVER_ROOT_CA_CERTIFICATE") {
            let Authority { certificate } = self.secrets.read(secret, r#"{"certificate": "…"}"#).await?;
            return Ok(Some(certificate));
        }
        let Some(path) = broker.authorities.clone() else { return Ok(None) };
        let read = tokio::task::spawn_blocking(move || {
            std::fs::read_to_string(&path).map_err(|error| format!("failed to read {}: {error}", path.display()))
        });
        let read = read.await.map_err(|error| SourceError::new(error.to_string()))?;
        read.map(Some).map_err(SourceError::new)
    }
}

/// A member of a group as the pollers use it.
#[derive(Debug)]
struct MemberOfKafka(KafkaConsumer);

impl GroupMember for MemberOfKafka {
    fn servers(&self) -> &str {
        self.0.servers()
    }

    fn partitions(&self) -> BoxFuture<'_, Result<Vec<Partition>, SourceError>> {
        Box::pin(async move { self.0.partitions().await.map_err(problem) })
    }

    fn starts(
        &self,
        partitions: Vec<Partition>,
        position: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(Partition, u64)>, SourceError>> {
        Box::pin(async move { self.0.starts(partitions, position).await.map_err(problem) })
    }

    fn committed(&self, partitions: Vec<Partition>) -> BoxFuture<'_, Result<HashMap<Partition, u64>, SourceError>> {
        Box::pin(async move { self.0.committed(partitions).await.map_err(problem) })
    }

    fn join(&self) -> Result<(), SourceError> {
        self.0.join().map_err(problem)
    }

    fn next(&mut self) -> BoxFuture<'_, Result<GroupEvent, SourceError>> {
        Box::pin(async move {
            Ok(match self.0.next().await.map_err(problem)? {
                KafkaEvent::Assigned(partitions) => GroupEvent::Assigned(partitions),
                KafkaEvent::Revoking => GroupEvent::Revoking,
                KafkaEvent::Lost => GroupEvent::Lost,
                KafkaEvent::Record(partition, record) => GroupEvent::Record(partition, record),
                KafkaEvent::AtTip(partition) => GroupEvent::AtTip(partition),
                KafkaEvent::NotCommitted(partitions) => GroupEvent::NotCommitted(partitions),
            })
        })
    }

    fn assign(&self, from: &[(Partition, Option<u64>)]) -> Result<(), SourceError> {
        self.0.assign(from).map_err(problem)
    }

    fn release(&self) -> Result<(), SourceError> {
        self.0.release().map_err(problem)
    }

    fn commit(&self, offsets: &[(Partition, u64)]) -> Result<(), SourceError> {
        self.0.commit(offsets).map_err(problem)
    }

    fn hold(&self, partition: &Partition, is_held: bool) {
        self.0.hold(partition, is_held);
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.0.close().await })
    }
}
