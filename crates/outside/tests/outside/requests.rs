//! What is sent, to the letter, without keys and with them.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use tindra_model::signing::{Credentials, Presented, Signed};

use super::server::{Seen, Server, answer};
use super::*;

/// The headers of a request to a server, apart from the length of the body.
fn headers(server: &Server, of_kind: &[(&str, &str)]) -> BTreeMap<String, String> {
    let host = [("host", server.authority.as_str())];
    host.iter().chain(of_kind).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn told(mut seen: Seen) -> (String, BTreeMap<String, String>, String) {
    let length = seen.headers.remove("content-length");
    assert_eq!(length, Some(seen.body.len().to_string()));
    (seen.line, seen.headers, seen.body)
}

fn told_json(seen: Seen) -> (String, BTreeMap<String, String>, Value) {
    let (line, headers, body) = told(seen);
    (line, headers, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn a_queue_is_looked_up_once_and_sent_to() {
    let mut server = Server::play([answer(200, QUEUE_URL), answer(200, SENT), answer(200, SENT)]).await;
    let outside = outside(&server.endpoint, None);
    send(&outside).await.unwrap();
    outside.clone().send_message(QUEUE, "plain", &[], None).await.unwrap();
    let line = "POST / HTTP/1.1".to_owned();
    let of_kind = |target| [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
    let question = headers(&server, &of_kind("AmazonSQS.GetQueueUrl"));
    let question = (line.clone(), question, json!({ "QueueName": "jobs", "QueueOwnerAWSAccountId": "123456789012" }));
    assert_eq!(told_json(server.seen().await), question);
    let of_sending = headers(&server, &of_kind("AmazonSQS.SendMessage"));
    let message = json!({
        "QueueUrl": "http://queues.elsewhere/123456789012/jobs",
        "MessageBody": "{\"a\":\"é\"}",
        "MessageAttributes": {
            "RequestID": { "DataType": "String", "StringValue": "r" },
            "ErrorCode": { "DataType": "Number", "StringValue": "200" },
        },
        "MessageSystemAttributes": { "AWSTraceHeader": { "DataType": "String", "StringValue": TRACE } },
    });
    assert_eq!(told_json(server.seen().await), (line.clone(), of_sending.clone(), message));
    let plain = json!({ "QueueUrl": "http://queues.elsewhere/123456789012/jobs", "MessageBody": "plain" });
    assert_eq!(told_json(server.seen().await), (line, of_sending, plain));
    assert!(server.is_quiet());
}

#[tokio::test]
async fn topics_are_published_to() {
    let mut server = Server::play([answer(200, PUBLISHED)]).await;
    publish(&outside(&server.endpoint, None)).await.unwrap();
    let form = "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-2%3A123456789012%3Anews\
                &Message=%7B%22a%22%3A%22%C3%A9%22%7D\
                &MessageAttributes.entry.1.Name=RequestID&MessageAttributes.entry.1.Value.DataType=String\
                &MessageAttributes.entry.1.Value.StringValue=r\
                &MessageAttributes.entry.2.Name=ErrorCode&MessageAttributes.entry.2.Value.DataType=Number\
                &MessageAttributes.entry.2.Value.StringValue=200";
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    let headers = headers(&server, &[("content-type", kind), ("x-amzn-trace-id", TRACE)]);
    assert_eq!(told(server.seen().await), ("POST / HTTP/1.1".to_owned(), headers, form.to_owned()));
}

#[tokio::test]
async fn events_are_put_on_buses() {
    let mut server = Server::play([answer(200, PUT)]).await;
    put_event(&outside(&server.endpoint, None)).await.unwrap();
    let of_kind = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AWSEvents.PutEvents")];
    let body = json!({ "Entries": [{
        "Time": NOW_MS / 1000,
        "Source": "lambda",
        "Resources": [BUS, "arn:aws:lambda:eu-west-3:123456789012:function:f:$LATEST"],
        "DetailType": "Lambda Function Invocation Result - Success",
        "Detail": "{\"version\":\"1.0\"}",
        "EventBusName": BUS,
        "TraceHeader": TRACE,
    }] });
    let headers = headers(&server, &of_kind);
    assert_eq!(told_json(server.seen().await), ("POST / HTTP/1.1".to_owned(), headers, body));
}

#[tokio::test]
async fn objects_are_put_into_buckets() {
    let mut server = Server::play([answer(200, "")]).await;
    put_object(&outside(&server.endpoint, None)).await.unwrap();
    let headers = headers(&server, &[("content-type", "application/json")]);
    let line = "PUT /records/aws/lambda/f%3A1/x%20y.json HTTP/1.1".to_owned();
    assert_eq!(told(server.seen().await), (line, headers, "{}".to_owned()));
}

#[tokio::test]
async fn everything_is_signed_when_there_are_keys() {
    let plays = [QUEUE_URL, SENT, PUBLISHED, PUT, ""].map(|body| answer(200, body));
    let mut server = Server::play(plays).await;
    let keys = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: Some("token".to_owned()),
    };
    let outside = outside(&server.endpoint, Some(keys));
    send(&outside).await.unwrap();
    publish(&outside).await.unwrap();
    put_event(&outside).await.unwrap();
    put_object(&outside).await.unwrap();
    let common = "content-type;host;x-amz-date;x-amz-security-token";
    let json = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
    let object = "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
    for (service, region, names) in [
        ("sqs", "eu-west-1", json),
        ("sqs", "eu-west-1", json),
        ("sns", "eu-west-2", common),
        ("events", "eu-west-3", json),
        ("s3", "eu-north-1", object),
    ] {
        let seen = server.seen().await;
        let authorization = &seen.headers["authorization"];
        let start = format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/{region}/{service}/aws4_request, ");
        assert!(authorization.starts_with(&format!("{start}SignedHeaders={names}, Signature=")), "{authorization}");
        assert_eq!(seen.headers["x-amz-security-token"], "token");
        let pairs =
            seen.headers.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
        let headers = HeaderMap::from_iter(pairs);
        let (method, rest) = seen.line.split_once(' ').unwrap();
        let path = rest.trim_end_matches(" HTTP/1.1");
        let request = Signed { method, path, query: "", headers: &headers, body: seen.body.as_bytes() };
        let presented = Presented::read(&request).unwrap().unwrap();
        presented.verify(&request, "secret", NOW_MS).unwrap();
        assert!(presented.covers_body(&request), "{service}");
    }
}
