//! Brokers whose messages run functions, and the secrets that mappings name.

use std::fmt::{self, Debug, Formatter};
use std::path::PathBuf;

use serde::Deserialize;
use tindra_brokers::BrokerUrl;

/// A broker, as `[[brokers]]` of the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerSettings {
    /// The ARN by which mappings name it, `arn:aws:mq:REGION:ACCOUNT:broker:NAME:ID` or `arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/ID`;
    /// none for a Kafka that mappings name by its servers.
    pub arn: Option<String>,
    /// What and where it is: `amqps://HOST[:PORT]` of a RabbitMQ or `kafkas://HOST:PORT,…` of a Kafka; `amqp://…` and `kafka://…`
    /// without TLS.
    pub url: String,
    /// PEM file with the authorities that its certificate may come from. Default: those that the system trusts.
    pub ca_cert: Option<PathBuf>,
}

/// A secret, as `[[secrets]]` of the file has it. What is in it is what Secrets Manager would have, JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSettings {
    /// The ARN by which mappings name it, `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME`.
    pub arn: String,
    /// The file that it is in; read when it is needed.
    pub file: Option<PathBuf>,
    /// Or the environment variable that it is in.
    pub variable: Option<String>,
}

/// A broker, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// By which mappings name it; none for a Kafka that they name by its servers.
    pub arn: Option<String>,
    /// What and where it is.
    pub place: BrokerPlace,
    /// The authorities that its certificate may come from; none for the system's.
    pub authorities: Option<PathBuf>,
}

/// What and where a broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerPlace {
    /// A RabbitMQ.
    Rabbit(BrokerUrl),
    /// A Kafka.
    Kafka {
        /// `HOST:PORT` of those that are asked first.
        servers: Vec<String>,
        /// Whether they are spoken to over TLS.
        is_tls: bool,
    },
}

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// In a file.
    File(PathBuf),
    /// Here: it was in an environment variable.
    Text(String),
}

/// Without the secret.
impl Debug for SecretPlace {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "File({})", path.display()),
            Self::Text(_) => out.write_str("Text"),
        }
    }
}
