//! The services outside by their names: for people, in signatures, in settings.

use std::fmt::{self, Display, Formatter};

/// A service that Tindra is a client of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideService {
    /// Queues.
    Sqs,
    /// Topics.
    Sns,
    /// Event buses.
    EventBridge,
    /// Buckets.
    S3,
    /// Streams.
    Kinesis,
    /// Streams of tables.
    DynamoDbStreams,
}

impl OutsideService {
    /// As signatures, ARNs and the names of AWS's own servers have it.
    #[must_use]
    pub fn signing_name(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Sns => "sns",
            Self::EventBridge => "events",
            Self::S3 => "s3",
            Self::Kinesis => "kinesis",
            Self::DynamoDbStreams => "dynamodb",
        }
    }

    /// The setting of the configuration file that says where it is.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Sqs => "sqs_endpoint",
            Self::Sns => "sns_endpoint",
            Self::EventBridge => "eventbridge_endpoint",
            Self::S3 => "s3_endpoint",
            Self::Kinesis => "kinesis_endpoint",
            Self::DynamoDbStreams => "dynamodb_streams_endpoint",
        }
    }

    /// The environment variable, of AWS's own choice, that says it where the setting does not.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
            Self::Sns => "AWS_ENDPOINT_URL_SNS",
            Self::EventBridge => "AWS_ENDPOINT_URL_EVENTBRIDGE",
            Self::S3 => "AWS_ENDPOINT_URL_S3",
            Self::Kinesis => "AWS_ENDPOINT_URL_KINESIS",
            Self::DynamoDbStreams => "AWS_ENDPOINT_URL_DYNAMODB_STREAMS",
        }
    }
}

impl Display for OutsideService {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sqs => "SQS",
            Self::Sns => "SNS",
            Self::EventBridge => "EventBridge",
            Self::S3 => "S3",
            Self::Kinesis => "Kinesis",
            Self::DynamoDbStreams => "DynamoDB Streams",
        })
    }
}
