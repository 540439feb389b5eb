//! Questions to streams of Kinesis and of tables, in their JSON protocols.

use http::HeaderValue;
use serde_json::{Value, json};

use super::call::{Call, post_json};
use super::target::Target;
use super::{Outside, OutsideError, OutsideService};

/// Ten megabytes of records (AWS) with what JSON adds to them.
const READ_BYTES_MAX: usize = 24 << 20;

impl Outside {
    /// Asks the service of a stream something about it, by an operation of its JSON protocol. `stream_arn` is of Kinesis or of
    /// DynamoDB; the input names the stream as the operation wants it.
    ///
    /// # Errors
    /// See [`OutsideError`].
    pub async fn ask_stream(
        &self,
        stream_arn: &str,
        region: &str,
        operation: &'static str,
        input: Value,
    ) -> Result<Value, OutsideError> {
        let (service, api, content_type) = match stream_arn.split(':').nth(2) {
            Some("dynamodb") => {
                (OutsideService::DynamoDbStreams, "DynamoDBStreams_20120810", "application/x-amz-json-1.0")
            }
            _ => (OutsideService::Kinesis, "Kinesis_20131202", "application/x-amz-json-1.1"),
        };
        let target = Target::read(stream_arn, service)?;
        self.attempt(service, async {
            let mut request = post_json(content_type, "", input.to_string());
            if let Ok(header) = HeaderValue::from_str(&format!("{api}.{operation}")) {
                request.headers_mut().insert("x-amz-target", header);
            }
            let target = target.arn;
            let answer_bytes_max = READ_BYTES_MAX;
            let call = Call { service, operation, target, region, request, answer_bytes_max };
            let (answer, asked) = self.call(call).await?;
            match answer.is_empty() {
                true => Ok(json!({})),
                false => serde_json::from_slice(&answer).map_err(|_| asked.misunderstood()),
            }
        })
        .await
    }
}
