//! What rules and schedules push to streams.

use bytes::Bytes;
use tindra_core::push::{Content, Push, PushError};
use tindra_model::ApiError;
use tindra_store::BoxFuture;
use uuid::Uuid;

use super::{KinesisService, stream_of_arn};
use crate::receive::{Receive, Received};

impl Receive for KinesisService {
    /// The record is durable when this returns, before the push has ended: one that is cut off in between comes twice, as it
    /// may on AWS.
    fn receive<'a>(&'a self, push: &'a Push, _id: Uuid, body: &'a Bytes) -> BoxFuture<'a, Result<Received, PushError>> {
        Box::pin(async move {
            let target = &push.target_arn;
            let (Content::Stream(record), Some((owner, name))) = (&push.content, stream_of_arn(target)) else {
                return Err(PushError::lasting("INVALID_PARAMETER", format!("{target} is no stream")));
            };
            if owner.account != push.source.scope.account {
                let message = format!("{target} does not let {} put records", push.source.arn);
                return Err(PushError::lasting("NO_PERMISSIONS", message));
            }
            let put = self.put_for(&owner, name, &record.partition_key, body.clone()).await;
            put.map(|()| Received::default()).map_err(|error| refused(&error))
        })
    }
}

fn refused(error: &ApiError) -> PushError {
    match error.code() {
        "ResourceNotFoundException" => PushError::lasting("NO_RESOURCE", error.message()),
        "ValidationException" | "InvalidArgumentException" => PushError::lasting("INVALID_PARAMETER", error.message()),
        "ProvisionedThroughputExceededException" => PushError::passing("THROTTLING", error.message()),
        _ => PushError::passing("INTERNAL_ERROR", error.message()),
    }
}
