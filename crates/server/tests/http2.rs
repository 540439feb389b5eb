//! HTTP/2 with prior knowledge: what a client may take its time for, and what it may not.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, Reason};
use http::{Request, Response};
use support::{BOUND, Fixture, scope, start};
use tindra_server::auth::Authenticator;
use tindra_server::config::Mode;
use tindra_server::edge::Patience;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const INVOKE: &str = "http://localhost/2015-03-31/functions/hello/invocations";

/// A server that gives up soon.
async fn hasty() -> Fixture {
    let short = Duration::from_millis(300);
    let patience = Patience { head: short, idle: 2 * short, write: short };
    start(Authenticator::off(scope()), Mode::Dev, patience, support::operator()).await
}

type Driver = JoinHandle<Result<(), h2::Error>>;

/// A client, which answers pings while its driver runs; `window` is how much of an answer it has room for.
async fn connect(fixture: &Fixture, window: u32) -> (SendRequest<Bytes>, Driver) {
    let stream = TcpStream::connect(fixture.address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let (client, mut connection) = builder.initial_window_size(window).handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let driver = tokio::spawn(async move {
        let pinging = async { while pings.ping(Ping::opaque()).await.is_ok() {} };
        tokio::select! {
            ended = connection => ended,
            () = pinging => std::future::pending().await,
        }
    });
    (client, driver)
}

async fn ask(client: &SendRequest<Bytes>, body: impl Into<Bytes>) -> Result<Response<h2::RecvStream>, h2::Error> {
    let request = Request::post(INVOKE).body(()).unwrap();
    let (answer, mut stream) = client.clone().ready().await?.send_request(request, false)?;
    stream.send_data(body.into(), true)?;
    tokio::time::timeout(BOUND, answer).await.expect("an answer in time")
}

async fn whole(answer: Response<h2::RecvStream>) -> Result<Vec<u8>, h2::Error> {
    let (mut body, mut whole) = (answer.into_body(), Vec::new());
    while let Some(piece) = tokio::time::timeout(BOUND, body.data()).await.expect("a piece in time") {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

#[tokio::test]
async fn answers_larger_than_the_window_come_whole() {
    let fixture = support::start_off().await;
    let (client, _driver) = connect(&fixture, 1_000).await;
    let event = format!("\"{}\"", "a".repeat(1_000_000));
    let answer = ask(&client, event.clone()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("date")), (200, true));
    assert_eq!(whole(answer).await.unwrap(), event.as_bytes());
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_loses_it_and_keeps_the_connection() {
    let fixture = hasty().await;
    let (client, _driver) = connect(&fixture, 10).await;
    let stalled = ask(&client, format!("\"{}\"", "a".repeat(1_000))).await.unwrap();
    let mut body = stalled.into_body();
    assert_eq!(body.data().await.unwrap().unwrap().len(), 10, "the window");
    let error = tokio::time::timeout(BOUND, body.data()).await.expect("an end in time").unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    assert_eq!(whole(ask(&client, "{}").await.unwrap()).await.unwrap(), b"{}");
}

#[tokio::test]
async fn pings_do_not_keep_an_idle_connection() {
    let fixture = hasty().await;
    let (client, driver) = connect(&fixture, 1_000).await;
    assert_eq!(ask(&client, "{}").await.unwrap().status(), 200);
    let since = Instant::now();
    let _ = tokio::time::timeout(BOUND, driver).await.expect("the connection is closed");
    assert!(since.elapsed() >= Duration::from_millis(500), "not before its time");
}

#[tokio::test]
async fn a_long_invoke_is_no_idleness() {
    let fixture = hasty().await;
    let (client, driver) = connect(&fixture, 1_000).await;
    let waiting = tokio::spawn(async move { ask(&client, "\"wait\"").await.map(|answer| answer.status()) });
    tokio::time::timeout(BOUND, fixture.fakes.begun.notified()).await.expect("the invoke begins");
    // Twice the patience with idle connections; time is what this is about.
    assert!(tokio::time::timeout(Duration::from_millis(1_200), driver).await.is_err(), "it is still there");
    fixture.fakes.proceed.notify_one();
    assert_eq!(waiting.await.unwrap().unwrap(), 200);
}

#[tokio::test]
async fn stopping_lets_what_runs_end() {
    let fixture = support::start_off().await;
    let (client, driver) = connect(&fixture, 1_000).await;
    let running = client.clone();
    let waiting = tokio::spawn(async move { ask(&running, "\"wait\"").await.map(|answer| answer.status()) });
    tokio::time::timeout(BOUND, fixture.fakes.begun.notified()).await.expect("the invoke begins");
    fixture.stop.send(true).unwrap();
    let refused = async { while ask(&client, "{}").await.is_ok() {} };
    tokio::time::timeout(BOUND, refused).await.expect("no new requests are taken");
    fixture.fakes.proceed.notify_one();
    assert_eq!(waiting.await.unwrap().unwrap(), 200);
    let _ = tokio::time::timeout(BOUND, driver).await.expect("the connection ends");
}
