//! What is made of answers that are no success, and of targets that nothing can be sent to.

use super::server::{Server, answer};
use super::*;

const MISSING: &str = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"It is gone."}"#;

/// Code, status and whether it may pass.
fn refusal(result: Result<(), OutsideError>, endpoint: &Endpoint) -> (String, u16, bool) {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(endpoint.url()), "{error}");
    let is_passing = error.is_passing();
    let OutsideError::Refused { code, status, .. } = error else { panic!("{error}") };
    (code, status, is_passing)
}

#[tokio::test]
async fn a_queue_that_is_gone_is_looked_up_again() {
    let plays =
        [(200, QUEUE_URL), (400, MISSING), (200, QUEUE_URL), (503, ""), (200, SENT), (400, MISSING), (400, MISSING)];
    let mut server = Server::play(plays.map(|(status, body)| answer(status, body))).await;
    let outside = outside(&server.endpoint, None);
    assert_eq!(refusal(send(&outside).await, &server.endpoint), ("QueueDoesNotExist".to_owned(), 400, false));
    assert_eq!(refusal(send(&outside).await, &server.endpoint), ("503".to_owned(), 503, true));
    send(&outside).await.unwrap();
    for _ in 0..2 {
        let error = send(&outside).await.unwrap_err();
        assert!(error.to_string().contains("It is gone."), "{error}");
    }
    for operation in
        ["GetQueueUrl", "SendMessage", "GetQueueUrl", "SendMessage", "SendMessage", "SendMessage", "GetQueueUrl"]
    {
        assert_eq!(server.seen().await.headers["x-amz-target"], format!("AmazonSQS.{operation}"));
    }
    assert!(server.is_quiet());
}

#[tokio::test]
async fn refusals_are_told_with_code_and_status() {
    let denied = "<ErrorResponse><Error><Code>AuthorizationError</Code><Message>No.</Message></Error></ErrorResponse>";
    let throttled = "<ErrorResponse><Error><Code>Throttling</Code><Message>Slow.</Message></Error></ErrorResponse>";
    let server = Server::play([answer(403, denied), answer(400, throttled), answer(500, "<html>")]).await;
    let topics = outside(&server.endpoint, None);
    assert_eq!(refusal(publish(&topics).await, &server.endpoint), ("AuthorizationError".to_owned(), 403, false));
    assert_eq!(refusal(publish(&topics).await, &server.endpoint), ("Throttling".to_owned(), 400, true));
    assert_eq!(refusal(publish(&topics).await, &server.endpoint), ("500".to_owned(), 500, true));

    let entry = |code: &str| {
        let body = format!(r#"{{"FailedEntryCount":1,"Entries":[{{"ErrorCode":"{code}","ErrorMessage":"No."}}]}}"#);
        answer(200, &body)
    };
    let server = Server::play([entry("InternalFailure"), entry("NotAuthorizedForSourceException")]).await;
    let buses = outside(&server.endpoint, None);
    assert_eq!(refusal(put_event(&buses).await, &server.endpoint), ("InternalFailure".to_owned(), 200, true));
    let code = "NotAuthorizedForSourceException".to_owned();
    assert_eq!(refusal(put_event(&buses).await, &server.endpoint), (code, 200, false));

    let missing = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>No.</Message></Error>";
    let long = "x".repeat(100_000);
    let server = Server::play([answer(404, missing), answer(301, ""), answer(429, &long)]).await;
    let buckets = outside(&server.endpoint, None);
    assert_eq!(refusal(put_object(&buckets).await, &server.endpoint), ("NoSuchBucket".to_owned(), 404, false));
    assert_eq!(refusal(put_object(&buckets).await, &server.endpoint), ("301".to_owned(), 301, false));
    assert_eq!(refusal(put_object(&buckets).await, &server.endpoint), ("429".to_owned(), 429, true));
}

#[tokio::test]
async fn a_success_in_other_words_is_none() {
    let page = || answer(200, "<html>Welcome</html>");
    let server =
        Server::play([page(), page(), page(), answer(200, QUEUE_URL), page(), answer(200, &"x".repeat(100_000))]).await;
    let outside = outside(&server.endpoint, None);
    for (result, part) in [
        (publish(&outside).await, "its answer to Publish is not one of SNS; it may tell services apart by signatures"),
        (put_event(&outside).await, "its answer to PutEvents is not one of EventBridge"),
        (send(&outside).await, "its answer to GetQueueUrl is not one of SQS"),
        (send(&outside).await, "its answer to SendMessage is not one of SQS"),
        (publish(&outside).await, "its answer has more than 65536 bytes"),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, OutsideError::Unreachable { .. }) && error.is_passing(), "{error}");
        assert!(error.to_string().contains(part) && error.to_string().contains(server.endpoint.url()), "{error}");
    }
}

#[tokio::test]
async fn without_an_endpoint_the_way_out_is_told() {
    let clock = Arc::new(FakeClock::at(NOW_MS));
    let options = OutsideOptions {
        sqs: None,
        sns: None,
        eventbridge: None,
        s3: None,
        kinesis: None,
        dynamodb_streams: None,
        keys: None,
        clock,
    };
    let outside = Outside::new(options);
    for (result, text) in [
        (send(&outside).await, "SQS is configured; set sqs_endpoint or AWS_ENDPOINT_URL_SQS"),
        (publish(&outside).await, "SNS is configured; set sns_endpoint or AWS_ENDPOINT_URL_SNS"),
        (
            put_event(&outside).await,
            "EventBridge is configured; set eventbridge_endpoint or AWS_ENDPOINT_URL_EVENTBRIDGE",
        ),
        (put_object(&outside).await, "S3 is configured; set s3_endpoint or AWS_ENDPOINT_URL_S3"),
    ] {
        let error = result.unwrap_err();
        assert_eq!((error.to_string(), error.is_passing()), (format!("no endpoint for {text}"), true));
    }
}

#[tokio::test]
async fn targets_of_other_kinds_are_not_sent_to() {
    let mut server = Server::play([]).await;
    let outside = outside(&server.endpoint, None);
    for result in [
        outside.send_message("arn:aws:sqs:eu-west-1:123456789012:jobs.fifo", "", &[], None).await,
        outside.send_message(TOPIC, "", &[], None).await,
        outside.publish("arn:aws:sns:eu-west-1:123456789012:news.fifo", "", &[], None).await,
        outside.put_event("main", event()).await,
        outside.put_object("", "k", "text/plain", Bytes::new(), "eu-west-1").await,
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, OutsideError::Unsupported { .. }) && !error.is_passing(), "{error}");
    }
    assert!(server.is_quiet());
}
