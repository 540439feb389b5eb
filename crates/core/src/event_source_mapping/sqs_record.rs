//! A message of a queue as its function gets it (AWS, "Using Lambda with Amazon SQS").

use serde_json::{Map, Value, json};

/// The record of a message as `ReceiveMessage` gives it, in the queue of an ARN.
#[must_use]
pub fn sqs_record(message: &Value, queue_arn: &str) -> Map<String, Value> {
    let region = queue_arn.split(':').nth(3).unwrap_or_default();
    let attributes = message["MessageAttributes"].as_object().into_iter().flatten();
    let attributes: Map<String, Value> = attributes.map(|(name, value)| (name.clone(), attribute(value))).collect();
    let mut record = Map::new();
    let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
    put("messageId", message["MessageId"].clone());
    put("receiptHandle", message["ReceiptHandle"].clone());
    put("body", message["Body"].clone());
    put("attributes", message["Attributes"].clone());
    put("messageAttributes", Value::from(attributes));
    if let Some(digest) = message.get("MD5OfMessageAttributes") {
        put("md5OfMessageAttributes", digest.clone());
    }
    put("md5OfBody", message["MD5OfBody"].clone());
    put("eventSource", "aws:sqs".into());
    put("eventSourceARN", queue_arn.into());
    put("awsRegion", region.into());
    record
}

fn attribute(value: &Value) -> Value {
    let mut shown = Map::new();
    for (name, member) in [("stringValue", "StringValue"), ("binaryValue", "BinaryValue")] {
        if let Some(text) = value.get(member).filter(|text| !text.is_null()) {
            shown.insert(name.to_owned(), text.clone());
        }
    }
    shown.insert("stringListValues".to_owned(), json!([]));
    shown.insert("binaryListValues".to_owned(), json!([]));
    shown.insert("dataType".to_owned(), value["DataType"].clone());
    Value::from(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_record() {
        let message = json!({
            "MessageId": "m", "ReceiptHandle": "r", "Body": "b", "MD5OfBody": "5", "MD5OfMessageAttributes": "6",
            "Attributes": { "SentTimestamp": "1", "ApproximateReceiveCount": "1" },
            "MessageAttributes": {
                "text": { "DataType": "String", "StringValue": "x" },
                "bytes": { "DataType": "Binary.png", "BinaryValue": "eA==" },
            },
        });
        let expected = json!({
            "messageId": "m", "receiptHandle": "r", "body": "b",
            "attributes": { "SentTimestamp": "1", "ApproximateReceiveCount": "1" },
            "messageAttributes": {
                "text": { "stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String" },
                "bytes": { "binaryValue": "eA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary.png" },
            },
            "md5OfMessageAttributes": "6", "md5OfBody": "5", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:q", "awsRegion": "eu-west-1",
        });
        assert_eq!(Value::from(sqs_record(&message, "arn:aws:sqs:eu-west-1:123456789012:q")), expected);
    }
}
