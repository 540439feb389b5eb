//! The clients of services outside against a server on loopback: what they send, and what they make of its answers.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod connections;
mod refusals;
mod requests;
mod server;

use std::sync::Arc;

use bytes::Bytes;
use tindra_model::signing::Credentials;
use tindra_outside::{Endpoint, MessageAttribute, Outside, OutsideError, OutsideOptions, PutEvent};
use tindra_testkit::FakeClock;

/// 2026-01-02T03:04:05Z.
const NOW_MS: u64 = 1_767_323_045_000;
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:jobs";
const TOPIC: &str = "arn:aws:sns:eu-west-2:123456789012:news";
const BUS: &str = "arn:aws:events:eu-west-3:123456789012:event-bus/main";
const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";

const QUEUE_URL: &str = r#"{"QueueUrl":"http://queues.elsewhere/123456789012/jobs"}"#;
const SENT: &str = r#"{"MessageId":"m","MD5OfMessageBody":"5"}"#;
const PUBLISHED: &str = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
const PUT: &str = r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}"#;

/// Everything at one server.
fn outside(endpoint: &Endpoint, keys: Option<Credentials>) -> Outside {
    let endpoint = Some(endpoint.clone());
    Outside::new(OutsideOptions {
        sqs: endpoint.clone(),
        sns: endpoint.clone(),
        eventbridge: endpoint.clone(),
        s3: endpoint.clone(),
        kinesis: endpoint.clone(),
        dynamodb_streams: endpoint,
        keys,
        clock: Arc::new(FakeClock::at(NOW_MS)),
    })
}

fn attributes() -> [MessageAttribute; 2] {
    [MessageAttribute::string("RequestID", "r"), MessageAttribute::number("ErrorCode", 200)]
}

fn event() -> PutEvent {
    PutEvent {
        source: "lambda".to_owned(),
        detail_type: "Lambda Function Invocation Result - Success".to_owned(),
        detail: r#"{"version":"1.0"}"#.to_owned(),
        resources: vec![BUS.to_owned(), "arn:aws:lambda:eu-west-3:123456789012:function:f:$LATEST".to_owned()],
        time_ms: NOW_MS,
        trace_header: Some(TRACE.to_owned()),
    }
}

async fn send(outside: &Outside) -> Result<(), OutsideError> {
    outside.send_message(QUEUE, r#"{"a":"é"}"#, &attributes(), Some(TRACE)).await
}

async fn publish(outside: &Outside) -> Result<(), OutsideError> {
    outside.publish(TOPIC, r#"{"a":"é"}"#, &attributes(), Some(TRACE)).await
}

async fn put_event(outside: &Outside) -> Result<(), OutsideError> {
    outside.put_event(BUS, event()).await
}

async fn put_object(outside: &Outside) -> Result<(), OutsideError> {
    let body = Bytes::from_static(b"{}");
    outside.put_object("records", "aws/lambda/f:1/x y.json", "application/json", body, "eu-north-1").await
}
