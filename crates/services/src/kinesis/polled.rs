//! A stream as whoever polls it for a function sees it.

use serde_json::Value;
use tindra_core::function::Scope;
use tindra_model::ApiError;

use super::error::missing;
use super::error::stored;
use super::names;
use super::{KinesisService, stream_of_arn};

impl KinesisService {
    /// Does an operation about a stream, told by its name in the service model, on the account's own behalf. The ARN is the
    /// stream's or that of a consumer of it; the input names the stream by `StreamName`, if at all.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn ask_stream(&self, arn: &str, operation: &str, input: Value) -> Result<Value, ApiError> {
        let (scope, _) = read(arn)?;
        Box::pin(self.answer(&scope, operation, input)).await
    }

    /// Returns once it is worth while to ask for records with an iterator: there are some, or the shard has ended, or the
    /// iterator does not lead anywhere (any more). Records that are put through another server of the same store are not
    /// heard of, so whoever waits puts a bound to it.
    pub async fn wait_for_records(&self, arn: &str, iterator: &str) {
        let Ok((scope, _)) = read(arn) else { return };
        let Ok(place) = self.inner.seals.read(iterator, self.now_ms()) else { return };
        loop {
            let Ok(stream) = self.stream_at(&scope, &place).await else { return };
            let Some(shard) = stream.shard(place.shard).filter(|shard| shard.closed.is_none()) else { return };
            // Watched before looking: what comes in between is seen twice rather than never.
            let mut grown = self.inner.appenders.of(&stream, shard.number).watch();
            let journal = names::journal(stream.id, shard.number);
            match self.inner.around.store.journals.bounds(&journal).await.map_err(stored) {
                Ok(bounds) if bounds.end > place.offset => return,
                Ok(_) if grown.changed().await.is_ok() => {}
                _ => return,
            }
        }
    }
}

fn read(arn: &str) -> Result<(Scope, &str), ApiError> {
    stream_of_arn(arn).ok_or_else(|| missing(format!("{arn} is not the ARN of a stream.")))
}
