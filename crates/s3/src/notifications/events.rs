//! What is told of a change: AWS's records, and EventBridge's events.
//!
//! "Event message structure" and "EventBridge event message structure" of the S3 user guide.

use bytes::Bytes;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::push::{Content, Push, PushPolicy, QueueMessage, Source, TopicMessage};
use tindra_model::signing::percent_encode;
use tindra_services::outbox::push_message;
use tindra_store::Message;
use uuid::Uuid;

use super::TargetKind;
use crate::buckets::canonical_id;
use crate::record::{Bucket, Version, Versioning};
use crate::visitor::Visitor;

/// Who pushes.
const PRINCIPAL: &str = "s3.amazonaws.com";

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub(crate) struct Happening<'a> {
    /// For example `ObjectCreated:Put`.
    pub(crate) event: &'static str,
    pub(crate) version: &'a Version,
    /// Grows with the changes of a key.
    pub(crate) sequence: u64,
}

impl<'a> Happening<'a> {
    pub(crate) fn of(event: &'static str, version: &'a Version) -> Self {
        Self { event, version, sequence: version.sequence }
    }

    /// What has to be pushed to those whom the bucket tells.
    pub(crate) fn messages(&self, bucket: &Bucket, visitor: &Visitor, now_ms: UnixMs) -> Vec<Message> {
        let told = &bucket.notifications;
        let rules = told.rules.iter().filter(|rule| rule.matches(self.event, &self.version.key));
        let mut messages: Vec<Message> = rules
            .map(|rule| {
                let record = self.record(bucket, visitor, &rule.id, now_ms);
                let body = json!({ "Records": [record] }).to_string();
                message(bucket, visitor, content(rule.kind), &rule.arn, body, now_ms)
            })
            .collect();
        if told.event_bridge
            && let Some(event) = self.event_of_bus(bucket, visitor, now_ms)
        {
            let bus = format!("arn:aws:events:{}:{}:event-bus/default", bucket.scope.region, bucket.scope.account);
            messages.push(message(bucket, visitor, Content::Bus, &bus, event.to_string(), now_ms));
        }
        messages
    }

    fn sequencer(&self) -> String {
        format!("{:018X}", self.sequence)
    }

    fn is_removal(&self) -> bool {
        self.event.starts_with("ObjectRemoved:")
    }

    fn version_id(&self, bucket: &Bucket) -> Option<&str> {
        (bucket.versioning != Versioning::Off).then(|| self.version.id_text())
    }

    fn record(&self, bucket: &Bucket, visitor: &Visitor, configuration: &str, now_ms: UnixMs) -> Value {
        let Version { key, size, etag, .. } = self.version;
        let mut object = json!({ "key": in_query(key) });
        if !self.is_removal() {
            object["size"] = json!(size);
            object["eTag"] = json!(etag);
        } else if self.version.is_marker {
            // A marker has the ETag of nothing.
            object["eTag"] = json!("d41d8cd98f00b204e9800998ecf8427e");
        }
        if let Some(id) = self.version_id(bucket) {
            object["versionId"] = json!(id);
        }
        object["sequencer"] = json!(self.sequencer());
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": bucket.scope.region,
            "eventTime": time(now_ms),
            "eventName": self.event,
            "userIdentity": { "principalId": visitor.principal_id },
            "requestParameters": { "sourceIPAddress": visitor.address.to_string() },
            "responseElements": {
                "x-amz-request-id": visitor.request_id,
                "x-amz-id-2": crate::serve::host_id(&visitor.request_id),
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": configuration,
                "bucket": {
                    "name": bucket.name,
                    "ownerIdentity": { "principalId": canonical_id(&bucket.scope.account) },
                    "arn": bucket.arn(),
                },
                "object": object,
            },
        })
    }

    fn event_of_bus(&self, bucket: &Bucket, visitor: &Visitor, now_ms: UnixMs) -> Option<Value> {
        let (detail_type, reason, deletion) = match self.event {
            "ObjectCreated:Put" => ("Object Created", Some("PutObject"), None),
            "ObjectCreated:Post" => ("Object Created", Some("POST Object"), None),
            "ObjectCreated:Copy" => ("Object Created", Some("CopyObject"), None),
            "ObjectCreated:CompleteMultipartUpload" => ("Object Created", Some("CompleteMultipartUpload"), None),
            "ObjectRemoved:Delete" => ("Object Deleted", Some("DeleteObject"), Some("Permanently Deleted")),
            "ObjectRemoved:DeleteMarkerCreated" => {
                ("Object Deleted", Some("DeleteObject"), Some("Delete Marker Created"))
            }
            "ObjectTagging:Put" => ("Object Tags Added", None, None),
            "ObjectTagging:Delete" => ("Object Tags Deleted", None, None),
            _ => return None,
        };
        let Version { key, size, etag, .. } = self.version;
        let mut object = json!({ "key": key });
        if detail_type == "Object Created" {
            object["size"] = json!(size);
        }
        if deletion.is_none() {
            object["etag"] = json!(etag);
        }
        if let Some(id) = self.version_id(bucket) {
            object["version-id"] = json!(id);
        }
        if reason.is_some() {
            object["sequencer"] = json!(self.sequencer());
        }
        let mut detail = json!({
            "version": "0",
            "bucket": { "name": bucket.name },
            "object": object,
            "request-id": visitor.request_id,
            "requester": visitor.scope.account,
            "source-ip-address": visitor.address.to_string(),
        });
        if let Some(reason) = reason {
            detail["reason"] = json!(reason);
        }
        if let Some(deletion) = deletion {
            detail["deletion-type"] = json!(deletion);
        }
        Some(json!({
            "version": "0",
            "id": Uuid::new_v4(),
            "detail-type": detail_type,
            "source": "aws.s3",
            "account": bucket.scope.account,
            "time": time(now_ms / 1_000 * 1_000).replace(".000Z", "Z"),
            "region": bucket.scope.region,
            "resources": [bucket.arn()],
            "detail": detail,
        }))
    }
}

/// What a queue or topic gets once it is to be told something.
pub(super) fn test_message(bucket: &Bucket, visitor: &Visitor, kind: TargetKind, arn: &str, now_ms: UnixMs) -> Message {
    let body = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": time(now_ms),
        "Bucket": bucket.name,
        "RequestId": visitor.request_id,
        "HostId": crate::serve::host_id(&visitor.request_id),
    });
    message(bucket, visitor, content(kind), arn, body.to_string(), now_ms)
}

fn content(kind: TargetKind) -> Content {
    match kind {
        TargetKind::Function => Content::Function,
        TargetKind::Queue => Content::Queue(QueueMessage::default()),
        TargetKind::Topic => Content::Topic(TopicMessage {
            subject: Some("Amazon S3 Notification".to_owned()),
            message: QueueMessage::default(),
        }),
    }
}

fn message(bucket: &Bucket, visitor: &Visitor, content: Content, arn: &str, body: String, now_ms: UnixMs) -> Message {
    push_message(&push(bucket, visitor, content, arn, now_ms), Bytes::from(body), now_ms)
}

/// What a target of a bucket would get.
pub(super) fn push_to(bucket: &Bucket, visitor: &Visitor, kind: TargetKind, arn: &str, now_ms: UnixMs) -> Push {
    push(bucket, visitor, content(kind), arn, now_ms)
}

fn push(bucket: &Bucket, visitor: &Visitor, content: Content, arn: &str, now_ms: UnixMs) -> Push {
    let source = Source { principal: PRINCIPAL.to_owned(), arn: bucket.arn(), scope: bucket.scope.clone() };
    Push {
        source,
        target_arn: arn.to_owned(),
        role_arn: None,
        content,
        policy: PushPolicy::default(),
        dead_letter: None,
        trace_id: visitor.trace_id.clone(),
        at_ms: now_ms,
        attempts: 0,
        last_error: None,
    }
}

/// For example `2026-11-30T12:00:00.000Z`.
fn time(unix_ms: UnixMs) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A key as records have it: as in a query, with `+` for a space; slashes stay.
fn in_query(key: &str) -> String {
    let words = key.split(' ').map(|word| word.split('/').map(percent_encode).collect::<Vec<_>>().join("/"));
    words.collect::<Vec<_>>().join("+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_in_a_query() {
        assert_eq!(in_query("a b/ü+.txt"), "a+b/%C3%BC%2B.txt");
        assert_eq!(time(1_764_504_000_005), "2025-11-30T12:00:00.005Z");
    }
}
