//! What rules and schedules push to streams.

use bytes::Bytes;
use tindra_core::function::Scope;
use tindra_core::push::{Content, Push, PushError};
use tindra_model::ApiError;
use tindra_store::BoxFuture;
use uuid::Uuid;

use super::error::no_stream;
use super::{KinesisService, stream_of_arn};
use crate::receive::{Receive, Received};

impl Receive for KinesisService {
    /// The record is durable when this returns, before the push has ended: one that is cut off in between comes twice, as it
    /// may on AWS.
    fn receive<'a>(&'a self, push: &'a Push, _id: Uuid, body: &'a Bytes) -> BoxFuture<'a, Result<Received, PushError>> {
        Box::pin(async move {
            let (owner, name) = admitting(push)?;
            let Content::Stream(record) = &push.content else { return Err(no_stream_for(push)) };
            let put = self.put_for(&owner, name, &record.partition_key, body.clone()).await;
            put.map(|()| Received::default()).map_err(|error| refused(&error))
        })
    }

    fn admit<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<(), PushError>> {
        Box::pin(async move {
            let (owner, name) = admitting(push)?;
            let found = self.find(&owner, name).await;
            found.map(drop).ok_or_else(|| refused(&no_stream(name, &owner.account)))
        })
    }
}

/// The stream that a push is for. Streams of other accounts open themselves to nobody here.
fn admitting(push: &Push) -> Result<(Scope, &str), PushError> {
    let (owner, name) = stream_of_arn(&push.target_arn).ok_or_else(|| no_stream_for(push))?;
    match owner.account == push.source.scope.account {
        true => Ok((owner, name)),
        false => {
            let message = format!("{} does not let {} put records", push.target_arn, push.source.arn);
            Err(PushError::lasting("NO_PERMISSIONS", message))
        }
    }
}

fn no_stream_for(push: &Push) -> PushError {
    PushError::lasting("INVALID_PARAMETER", format!("{} is no stream", push.target_arn))
}

fn refused(error: &ApiError) -> PushError {
    match error.code() {
        "ResourceNotFoundException" => PushError::lasting("NO_RESOURCE", error.message()),
        "ValidationException" | "InvalidArgumentException" => PushError::lasting("INVALID_PARAMETER", error.message()),
        "ProvisionedThroughputExceededException" => PushError::passing("THROTTLING", error.message()),
        _ => PushError::passing("INTERNAL_ERROR", error.message()),
    }
}
