//! Clients of message brokers whose messages run functions: RabbitMQ, by AMQP 0-9-1, and with the feature `kafka` Apache Kafka.
//!
//! What is here takes messages, acknowledges them and gives them back, and says how a message looks to a function. It knows
//! nothing of mappings and functions: which broker is meant, and with whose password, is decided before. Every step of
//! connecting has its time, and of a broker's bytes none is believed before it was looked at.

mod address;
mod amqp;
#[cfg(feature = "kafka")]
mod kafka;
mod rabbit;
mod record;

pub use address::{BrokerUrl, BrokerUrlError};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaCertificate, KafkaConsumer, KafkaEvent, KafkaLogin, KafkaOptions};
pub use rabbit::{RabbitMessage, RabbitOptions, RabbitQueue};

/// Whether this build can read Kafka.
pub const HAS_KAFKA: bool = cfg!(feature = "kafka");

/// Why a broker did not do what it was asked; it reads after "the broker: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// There is no connection, or it has ended.
    #[error("{0}")]
    Lost(String),
    /// It refuses, in its own words.
    #[error("it answers {code}: {text}")]
    Refused {
        /// Of the protocol, for example 404.
        code: u16,
        /// Its words.
        text: String,
    },
    /// It says what nobody understands.
    #[error("it does not speak AMQP 0-9-1 as it should: {0}")]
    Malformed(&'static str),
    /// A step took longer than it may.
    #[error("{0} took too long")]
    TooSlow(&'static str),
    /// The certificates to trust cannot be read.
    #[error("{0}")]
    Trust(String),
}

impl BrokerError {
    fn lost(error: &std::io::Error) -> Self {
        Self::Lost(format!("the connection has ended: {error}"))
    }
}
