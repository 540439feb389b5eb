//! Where the records of a mapping come from.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::UnixMs;

/// A kind of event source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceKind {
    /// A standard queue.
    Sqs,
    /// A queue that keeps the order of each message group.
    SqsFifo,
    /// A Kinesis stream, or a consumer of one with enhanced fan-out.
    Kinesis,
    /// The stream of a DynamoDB table.
    DynamoDb,
    /// A Kafka cluster of the managed service.
    Msk,
    /// Any other Kafka cluster.
    SelfManagedKafka,
    /// A broker of Amazon MQ: ActiveMQ or RabbitMQ.
    Mq,
    /// The change stream of a DocumentDB cluster.
    DocumentDb,
}

/// The name of the Kinesis stream in an ARN, which may be one of a consumer; empty where there is none.
#[must_use]
pub fn kinesis_stream_name(arn: &str) -> &str {
    arn.split(":stream/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Sqs,
        Self::SqsFifo,
        Self::Kinesis,
        Self::DynamoDb,
        Self::Msk,
        Self::SelfManagedKafka,
        Self::Mq,
        Self::DocumentDb,
    ];

    /// The kind that an ARN is of: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (head, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        if head != "arn" || region.is_empty() || account.is_empty() {
            return None;
        }
        let has_name = |prefix: &str| resource.strip_prefix(prefix).is_some_and(|name| !name.is_empty());
        match service {
            "sqs" if resource.ends_with(".fifo") => Some(Self::SqsFifo),
            "sqs" if !resource.is_empty() && !resource.contains([':', '/']) => Some(Self::Sqs),
            "kinesis" if has_name("stream/") => Some(Self::Kinesis),
            "dynamodb" if has_name("table/") && resource.contains("/stream/") => Some(Self::DynamoDb),
            "kafka" if has_name("cluster/") || has_name("vpc-connection/") => Some(Self::Msk),
            "mq" if has_name("broker:") => Some(Self::Mq),
            "rds" if has_name("cluster:") => Some(Self::DocumentDb),
            _ => None,
        }
    }

    /// The kind in a sentence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqs => "SQS",
            Self::SqsFifo => "SQS FIFO",
            Self::Kinesis => "Kinesis",
            Self::DynamoDb => "DynamoDB",
            Self::Msk => "Amazon MSK",
            Self::SelfManagedKafka => "self-managed Apache Kafka",
            Self::Mq => "Amazon MQ",
            Self::DocumentDb => "DocumentDB",
        }
    }

    /// Whether this version takes records from such a source.
    #[must_use]
    pub fn is_polled(self) -> bool {
        self.is_sqs() || self.is_stream() || self.is_kafka() || self == Self::Mq
    }

    /// Queues of either order.
    #[must_use]
    pub fn is_sqs(self) -> bool {
        matches!(self, Self::Sqs | Self::SqsFifo)
    }

    /// Streams with shards.
    #[must_use]
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Kinesis | Self::DynamoDb)
    }

    /// Kafka of either operator.
    #[must_use]
    pub fn is_kafka(self) -> bool {
        matches!(self, Self::Msk | Self::SelfManagedKafka)
    }
}

/// `StartingPosition`, with its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum StartingPosition {
    /// The oldest record that there is.
    TrimHorizon,
    /// Whatever comes from now on.
    Latest,
    /// The first record from a time on, in milliseconds since 1970.
    AtTimestamp(UnixMs),
}

impl StartingPosition {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrimHorizon => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::AtTimestamp(_) => "AT_TIMESTAMP",
        }
    }
}

/// A source, and the place in it to start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventSource {
    /// Its kind.
    pub kind: SourceKind,
    /// `EventSourceArn`; none for self-managed Kafka.
    pub arn: Option<String>,
    /// `SelfManagedEventSource.Endpoints.KAFKA_BOOTSTRAP_SERVERS`.
    pub bootstrap_servers: Vec<String>,
    /// `Topics` of Kafka.
    pub topics: Vec<String>,
    /// `Queues` of a broker.
    pub queues: Vec<String>,
    /// `StartingPosition`; none where records wait to be taken.
    pub starting_position: Option<StartingPosition>,
}

impl EventSource {
    /// Equal for the same source, wherever in it one starts, in lower-case hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut servers = self.bootstrap_servers.clone();
        servers.sort_unstable();
        let mut hash = Sha256::new();
        let parts = self.arn.iter().chain(&servers).chain(&self.topics).chain(&self.queues);
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
