//! What Tindra is a client of. Services of AWS, each at an endpoint of the operator's choice: SQS, SNS, EventBridge, S3,
//! Kinesis and DynamoDB Streams, or what speaks their language.
//!
//! A method is one attempt to hand something over, within ten seconds; trying again is the caller's, who is told by
//! [`OutsideError::is_passing`] whether that makes sense. A success means that the service has confirmed it in its
//! own words; an answer that is none of the service's is a failure. What was sent may have arrived although an error
//! says that there was no answer. Requests are signed when there are keys.
//!
//! [`anywhere`] sends to URLs that users name, within the bounds that hold for their functions.

pub mod anywhere;
mod call;
mod endpoint;
mod error;
mod eventbridge;
pub mod http;
mod message;
mod refusal;
mod s3;
mod service;
mod sns;
mod sqs;
mod streams;
mod target;

use std::sync::Arc;

use tindra_core::clock::Clock;
use tindra_model::signing::Credentials;

pub use endpoint::{Endpoint, EndpointError};
pub use error::OutsideError;
pub use eventbridge::PutEvent;
pub use message::{AttributeKind, MessageAttribute};
pub use refusal::Refusal;
pub use s3::object_path;
pub use service::OutsideService;

use http::Client;
use sqs::QueueUrls;

/// Where the services are, and with which keys they are asked.
#[derive(Clone, Debug)]
pub struct OutsideOptions {
    /// SQS.
    pub sqs: Option<Endpoint>,
    /// SNS.
    pub sns: Option<Endpoint>,
    /// EventBridge.
    pub eventbridge: Option<Endpoint>,
    /// S3.
    pub s3: Option<Endpoint>,
    /// Kinesis.
    pub kinesis: Option<Endpoint>,
    /// DynamoDB Streams.
    pub dynamodb_streams: Option<Endpoint>,
    /// To sign with; without them requests are unsigned.
    pub keys: Option<Credentials>,
    /// For the time in signatures.
    pub clock: Arc<dyn Clock>,
}

/// The services outside. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outside(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sqs: Option<Client>,
    sns: Option<Client>,
    eventbridge: Option<Client>,
    s3: Option<Client>,
    kinesis: Option<Client>,
    dynamodb_streams: Option<Client>,
    keys: Option<Credentials>,
    clock: Arc<dyn Clock>,
    queue_urls: QueueUrls,
}

impl Outside {
    /// Nothing is connected to before it is needed.
    #[must_use]
    pub fn new(options: OutsideOptions) -> Self {
        Self(Arc::new(Shared {
            sqs: options.sqs.map(Client::new),
            sns: options.sns.map(Client::new),
            eventbridge: options.eventbridge.map(Client::new),
            s3: options.s3.map(Client::new),
            kinesis: options.kinesis.map(Client::new),
            dynamodb_streams: options.dynamodb_streams.map(Client::new),
            keys: options.keys,
            clock: options.clock,
            queue_urls: QueueUrls::default(),
        }))
    }

    /// Whether the operator has said where a service is.
    #[must_use]
    pub fn is_known(&self, service: OutsideService) -> bool {
        self.client(service).is_ok()
    }

    fn client(&self, service: OutsideService) -> Result<&Client, OutsideError> {
        let client = match service {
            OutsideService::Sqs => &self.0.sqs,
            OutsideService::Sns => &self.0.sns,
            OutsideService::EventBridge => &self.0.eventbridge,
            OutsideService::S3 => &self.0.s3,
            OutsideService::Kinesis => &self.0.kinesis,
            OutsideService::DynamoDbStreams => &self.0.dynamodb_streams,
        };
        let (setting, variable) = (service.setting(), service.variable());
        client.as_ref().ok_or(OutsideError::NotConfigured { service, setting, variable })
    }
}
