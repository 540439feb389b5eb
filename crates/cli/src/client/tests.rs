//! The client against a server that says what it is told to say.

use super::*;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn keys() -> Keys {
    Keys { access_key_id: "AKIDEXAMPLE".into(), secret_access_key: "secret".into(), session_token: None }
}

/// Answers one request with `answer` and returns what was asked.
async fn exchange(answer: &str, body: &'static str) -> (String, Result<Answer, ClientError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(
        &format!("http://{}/", listener.local_addr().unwrap()),
        "eu-west-1".into(),
        keys(),
        &Trust::default(),
    )
    .unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(body.as_bytes()) || !asked.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut buffer = [0; 4_096];
            let length = stream.read(&mut buffer).await.unwrap();
            asked.extend_from_slice(&buffer[..length]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8(asked).unwrap()
    };
    let header = ("x-amz-log-type", "Tail".to_owned());
    let send = client.send(
        Service::Lambda,
        Method::POST,
        "/2015-03-31/functions?Marker=a%2Fb",
        std::slice::from_ref(&header),
        body.into(),
    );
    tokio::join!(serve, send)
}

#[tokio::test]
async fn a_request_is_signed_and_the_answer_whole() {
    let (asked, answer) = exchange("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\n{}", "{\"a\":1}").await;
    let answer = answer.unwrap();
    assert_eq!((answer.json().unwrap(), answer.header("x-a")), (serde_json::json!({}), Some("b")));
    let asked = asked.to_lowercase();
    assert!(asked.starts_with("post /2015-03-31/functions?marker=a%2fb http/1.1\r\n"), "{asked}");
    for part in [
        "host: 127.0.0.1:",
        "x-amz-log-type: tail",
        "content-length: 7",
        "/eu-west-1/lambda/aws4_request",
        "x-amz-date: ",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
}

#[tokio::test]
async fn refusals_of_both_services_are_understood() {
    for (headers, body) in [
        (
            "X-Amzn-ErrorType: ResourceNotFoundException:http://internal/x\r\n",
            "{\"Message\":\"no such\",\"Type\":\"User\"}",
        ),
        ("", "{\"__type\":\"com.amazonaws.logs#ResourceNotFoundException\",\"message\":\"no such\"}"),
    ] {
        let answer = format!("HTTP/1.1 404 Not Found\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        let error = exchange(&answer, "{}").await.1.unwrap_err();
        assert!(error.is_not_found() && error.hint().is_some());
        assert_eq!(error.to_string(), "ResourceNotFoundException: no such");
    }
}

#[tokio::test]
async fn other_answers_are_errors_too() {
    let error = exchange("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "{}").await.1.unwrap_err();
    assert_eq!(error.to_string(), "the server answered 503 Service Unavailable");
    let error = exchange("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", "{}").await.1.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    let (_, answer) = exchange("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", "{}").await;
    assert!(matches!(answer.unwrap().json(), Err(ClientError::Unintelligible { .. })));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_apart() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::new(&format!("http://{gone}"), "us-east-1".into(), keys(), &Trust::default()).unwrap();
    let error = client.send(Service::Lambda, Method::GET, "/", &[], Bytes::new()).await.unwrap_err();
    assert_eq!(error.exit_code(), crate::exit_code::ExitCode::Unreachable);
    assert!(error.hint().unwrap().contains("tindra serve"));
}

#[tokio::test]
async fn a_server_without_tls_and_a_bundle_without_certificates_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    let client = Client::new(&base, "us-east-1".into(), keys(), &Trust::default()).unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    };
    let (error, ()) = tokio::join!(client.send(Service::Lambda, Method::GET, "/", &[], Bytes::new()), serve);
    let error = error.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("AWS_CA_BUNDLE"));
    let bundle = Trust { bundle: Some("/dev/null".into()) };
    let error = Client::new(&base, "us-east-1".into(), keys(), &bundle).unwrap_err();
    assert!(format!("{error:#}").contains("from /dev/null: it holds none"), "{error:#}");
}

#[test]
fn endpoints_that_cannot_be_used_are_refused() {
    for base in ["127.0.0.1:4566", "ftp://x", "http:// x", ""] {
        assert!(Client::new(base, "us-east-1".into(), keys(), &Trust::default()).is_err(), "{base}");
    }
}
