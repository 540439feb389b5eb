//! The HTTP edge over real sockets: what goes where, what is refused, and how slow a client may be.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::{Duration, Instant};

use support::{BOUND, exchange, one, operator, scope, start, start_off};
use tindra_server::auth::Authenticator;
use tindra_server::config::Mode;
use tindra_server::edge::Patience;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const INVOKE: &str = "POST /2015-03-31/functions/hello/invocations HTTP/1.1";

fn signed(service: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential=123456789012/20261123/eu-north-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

#[tokio::test]
async fn an_invoke_passes_bytes_through() {
    let fixture = start_off().await;
    let event = br#"{"b": 1,  "a":1e400, "a":2}"#;
    let answer = one(fixture.address, &format!("{INVOKE}\r\nX-Amz-Log-Type: Tail"), event).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, event.as_slice()));
    assert_eq!(answer.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(answer.header("x-amz-log-result"), Some("RU5ECg=="));
    assert_eq!(answer.header("x-amz-function-error"), None);
    assert_eq!(answer.header("x-amzn-requestid").map(str::len), Some(36));
}

#[tokio::test]
async fn a_streamed_invoke_is_a_stream_of_events() {
    let fixture = start_off().await;
    let path = "POST /2021-11-15/functions/hello/response-streaming-invocations HTTP/1.1";
    let answer = one(fixture.address, &format!("{path}\r\nX-Amz-Log-Type: Tail"), b"{\"a\": 1}").await;
    assert_eq!((answer.status, answer.header("x-amz-executed-version")), (200, Some("$LATEST")));
    assert_eq!(answer.header("content-type"), Some("application/vnd.amazon.eventstream"));
    let text = answer.text();
    let places = ["PayloadChunk", "{\"a\": 1}", "InvokeComplete", "{\"LogResult\":\"RU5ECg==\"}"];
    let places = places.map(|part| text.find(part).unwrap_or_else(|| panic!("no {part} in {text}")));
    assert!(places.is_sorted(), "{text}");
    let too_large = one(fixture.address, path, &vec![b' '; 6_291_457]).await;
    assert_eq!((too_large.status, too_large.header("x-amzn-errortype")), (413, Some("RequestTooLargeException")));
}

#[tokio::test]
async fn a_request_to_a_function_url_is_no_call() {
    const UNKNOWN: &str = r#"{"Message":null}"#;
    let fixture = start_off().await;
    for path in ["/2016-08-19/account-settings", "/_tindra/health", "/"] {
        let host = format!("{}.lambda-url.us-east-1.localhost:4566", "a".repeat(32));
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = exchange(fixture.address, request.as_bytes()).await.remove(0);
        assert_eq!((answer.status, answer.text().as_str()), (403, UNKNOWN), "{path}");
        assert_eq!(answer.header("x-amzn-errortype"), Some("AccessDeniedException"));
    }
}

#[tokio::test]
async fn requests_are_told_apart() {
    let fixture = start_off().await;
    let settings = "GET /2016-08-19/account-settings HTTP/1.1";
    let logs =
        "POST / HTTP/1.1\r\nX-Amz-Target: Logs_20140328.DescribeLogGroups\r\nContent-Type: application/x-amz-json-1.1";
    let events = "POST / HTTP/1.1\r\nX-Amz-Target: AWSEvents.ListRules";
    let scaling = "POST / HTTP/1.1\r\nX-Amz-Target: AnyScaleFrontendService.DeregisterScalableTarget".to_owned();
    const SCALED: &str = r#"{"ServiceNamespace":"lambda","ResourceId":"function:f:live","ScalableDimension":"lambda:function:ProvisionedConcurrency"}"#;
    for (head, body, status, part) in [
        (settings.to_owned(), "", 500, "000000000000/us-east-1"),
        (format!("{settings}\r\n{}", signed("lambda")), "", 500, "123456789012/eu-north-1"),
        (logs.to_owned(), "{}", 400, "DescribeLogGroups"),
        (format!("{logs}\r\n{}", signed("logs")), "{}", 400, "DescribeLogGroups"),
        ("POST / HTTP/1.1\r\nX-Amz-Target: Logs_20140328.Nonsense".to_owned(), "{}", 400, "UnknownOperationException"),
        (scaling.clone(), SCALED, 400, "DeregisterScalableTarget"),
        (format!("{scaling}\r\n{}", signed("application-autoscaling")), SCALED, 400, "DeregisterScalableTarget"),
        (format!("POST / HTTP/1.1\r\n{}", signed("application-autoscaling")), "{}", 400, "UnknownOperationException"),
        (format!("GET /v2/apis HTTP/1.1\r\n{}", signed("apigateway")), "", 200, "{\"items\":[]}"),
        ("DELETE /v2/apis/a1 HTTP/1.1".to_owned(), "", 404, "Invalid API identifier specified 000000000000:a1"),
        ("GET /v2/nothing HTTP/1.1".to_owned(), "", 404, "not known"),
        (format!("POST / HTTP/1.1\r\n{}", signed("cloudformation")), "", 400, "<Code>ServiceNotServed</Code>"),
        (format!("POST / HTTP/1.1\r\n{}", signed("sns")), "Action=ListTopics", 404, "<Message>ListTopics</Message>"),
        (format!("{events}\r\n{}", signed("events")), "{}", 400, "among disabled_services"),
        (
            format!("POST / HTTP/1.1\r\n{}", signed("sts")),
            "Action=GetCallerIdentity&Version=2011-06-15",
            403,
            "<Message>GetCallerIdentity arn:aws:iam::123456789012:root</Message>",
        ),
        (
            format!("POST / HTTP/1.1\r\n{}", signed("iam")),
            "Action=GetCallerIdentity&Version=2011-06-15",
            400,
            "<Code>InvalidAction</Code>",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded".to_owned(),
            "Action=GetUser&Version=2010-05-08",
            404,
            "<Code>NoSuchEntity</Code>",
        ),
        (
            "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded"
                .to_owned(),
            "[7]",
            200,
            "[7]",
        ),
        ("POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.ListTables".to_owned(), "{}", 400, "DynamoDB"),
        ("GET /2015-03-31/nonsense HTTP/1.1".to_owned(), "", 404, "not known"),
        ("GET /_tindra/health HTTP/1.1".to_owned(), "", 200, "\"status\":\"ok\""),
        ("GET /metrics HTTP/1.1".to_owned(), "", 200, "tindra_up 1"),
        ("GET /_tindra/environments HTTP/1.1".to_owned(), "", 200, "\"state\":\"idle\""),
        ("POST /_tindra/reset HTTP/1.1".to_owned(), "", 200, "{}"),
        ("GET /_tindra/reset HTTP/1.1".to_owned(), "", 405, "use POST"),
        ("GET /_tindra/code/good HTTP/1.1".to_owned(), "", 200, "PK"),
        ("GET /_tindra/code/../../etc HTTP/1.1".to_owned(), "", 403, "expired"),
        ("GET /_tindra/other HTTP/1.1".to_owned(), "", 404, "no such page"),
    ] {
        let answer = one(fixture.address, &head, body.as_bytes()).await;
        let text = format!("{}\n{}", answer.head, answer.text());
        assert!(answer.status == status && text.contains(part), "{head}: {text}");
        assert!(answer.header("x-amzn-requestid").is_some(), "{head}");
    }
}

#[tokio::test]
async fn reset_is_for_dev_only() {
    let fixture = start(Authenticator::off(scope()), Mode::Serve, Patience::default(), operator()).await;
    assert_eq!(one(fixture.address, "POST /_tindra/reset HTTP/1.1", b"").await.status, 403);
}

#[tokio::test]
async fn bodies_have_limits_by_operation() {
    let fixture = start_off().await;
    let mut event = vec![b' '; 6_291_456];
    event[0] = b'1';
    assert_eq!(one(fixture.address, INVOKE, &event).await.status, 200);
    event.push(b' ');
    let answer = one(fixture.address, INVOKE, &event).await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (413, Some("RequestTooLargeException")));

    let settings = "PUT /2015-03-31/functions/hello/configuration HTTP/1.1";
    let answer = one(fixture.address, settings, &vec![b' '; (1 << 20) + 1]).await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (413, Some("RequestEntityTooLargeException")));

    let create = "POST /2015-03-31/functions HTTP/1.1";
    let answer = one(fixture.address, create, &vec![b' '; 70_167_212]).await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (413, Some("RequestEntityTooLargeException")));
    assert!(
        answer.text().contains("smaller than 70167211 bytes for the CreateFunction operation"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn framing_tricks_are_refused_and_nothing_follows_them() {
    let fixture = start_off().await;
    let tail = "\r\n\r\n0\r\n\r\nGET /_tindra/health HTTP/1.1\r\nHost: x\r\n\r\n";
    for (head, status) in [
        ("GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
        ("GET / HTTP/1.1\r\nHost: a b", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 404),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", 404),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5", 400),
        ("GET / HTTP/1.1\r\nHost : a", 400),
        ("GARBAGE", 400),
    ] {
        let answers = exchange(fixture.address, format!("{head}{tail}").as_bytes()).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [status], "{head:?}: {answers:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(200));
    for (request, expected) in [(long, [414, 431]), (many, [431, 431])] {
        let answers = exchange(fixture.address, request.as_bytes()).await;
        assert!(expected.contains(&answers[0].status), "{answers:?}");
    }
}

#[tokio::test]
async fn continue_and_keep_alive() {
    let fixture = start_off().await;
    let mut stream = TcpStream::connect(fixture.address).await.unwrap();
    for _ in 0..2 {
        let head = format!("{INVOKE}\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
        stream.write_all(b"{}").await.unwrap();
        read_until(&mut stream, "\r\n\r\n{}").await;
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) {
    let mut received = Vec::new();
    let reading = async {
        while !received.ends_with(end.as_bytes()) {
            received.push(stream.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(BOUND, reading).await.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&received)));
}

#[tokio::test]
async fn slow_heads_and_idle_connections_end_but_not_slow_functions() {
    let patience =
        Patience { head: Duration::from_millis(300), idle: Duration::from_millis(600), write: Duration::from_secs(60) };
    let fixture = start(Authenticator::off(scope()), Mode::Dev, patience, operator()).await;

    let started = Instant::now();
    let mut slow = TcpStream::connect(fixture.address).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    let mut received = Vec::new();
    let _ = tokio::time::timeout(BOUND, slow.read_to_end(&mut received)).await.unwrap();
    assert!(started.elapsed() >= patience.head && received.is_empty(), "{received:?}");

    let started = Instant::now();
    let mut idle = TcpStream::connect(fixture.address).await.unwrap();
    let _ = tokio::time::timeout(BOUND, idle.read_to_end(&mut received)).await.unwrap();
    assert!(started.elapsed() >= patience.idle && received.is_empty(), "{received:?}");

    let mut patient = TcpStream::connect(fixture.address).await.unwrap();
    let request = format!("{INVOKE}\r\nHost: x\r\nContent-Length: 6\r\n\r\n\"wait\"");
    patient.write_all(request.as_bytes()).await.unwrap();
    assert!(tokio::time::timeout(patience.idle * 2, patient.read_u8()).await.is_err(), "no answer, no end");
    fixture.fakes.proceed.notify_one();
    read_until(&mut patient, "\r\n\r\n\"wait\"").await;
    // The wait for the next request starts with the answer, not with the connection.
    patient.write_all(format!("{INVOKE}\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes()).await.unwrap();
    read_until(&mut patient, "\r\n\r\n{}").await;
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_with_auth_off() {
    let fixture = start_off().await;
    assert_eq!(one(fixture.address, &format!("{INVOKE}\r\nOrigin: https://example.com"), b"{}").await.status, 403);
    assert_eq!(one(fixture.address, &format!("{INVOKE}\r\nOrigin: http://localhost:3000"), b"{}").await.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let patience = Patience { write: Duration::from_millis(300), ..Patience::default() };
    let fixture = start(Authenticator::off(scope()), Mode::Dev, patience, operator()).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // The answer must not fit into the buffers between the two.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(fixture.address).await.unwrap();
    let event = vec![b'1'; 6_291_456];
    let head = format!("{INVOKE}\r\nHost: x\r\nContent-Length: {}\r\n\r\n", event.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&event).await.unwrap();
    tokio::time::timeout(BOUND, fixture.let_go.notified()).await.expect("the server gives up");
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    assert!(received.len() < event.len(), "{} bytes came", received.len());
}
