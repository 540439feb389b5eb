//! Where the services are that the server is a client of, and the keys for them.

use std::sync::Arc;

use tindra_core::clock::Clock;
use tindra_model::signing::Credentials;
use tindra_outside::{Endpoint, OutsideOptions};

/// The services outside and the keys for them.
#[derive(Clone, Debug, Default)]
pub struct OutsideAccess {
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
    /// From `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; without them requests are unsigned.
    pub keys: Option<Credentials>,
}

impl OutsideAccess {
    /// What a client of all of them is made from.
    #[must_use]
    pub fn options(&self, clock: Arc<dyn Clock>) -> OutsideOptions {
        let Self { sqs, sns, eventbridge, s3, kinesis, dynamodb_streams, keys } = self.clone();
        OutsideOptions { sqs, sns, eventbridge, s3, kinesis, dynamodb_streams, keys, clock }
    }
}

/// Keys are the same when both or neither are there: secrets are not compared.
impl PartialEq for OutsideAccess {
    fn eq(&self, other: &Self) -> bool {
        let endpoints = |access: &Self| {
            let Self { sqs, sns, eventbridge, s3, kinesis, dynamodb_streams, keys: _ } = access;
            [sqs, sns, eventbridge, s3, kinesis, dynamodb_streams].map(Clone::clone)
        };
        endpoints(self) == endpoints(other) && self.keys.is_some() == other.keys.is_some()
    }
}

impl Eq for OutsideAccess {}
