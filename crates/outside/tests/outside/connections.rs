//! Connections that are refused, cut, silent, kept and closed.

use std::time::Duration;

use super::server::{Play, Server, answer};
use super::*;

/// The reason of a service that cannot be reached.
fn reason(result: Result<(), OutsideError>, endpoint: &Endpoint) -> String {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(error.is_passing() && text.contains(endpoint.url()) && text.contains("check that it runs"), "{text}");
    let OutsideError::Unreachable { reason, .. } = error else { panic!("{text}") };
    reason
}

#[tokio::test]
async fn connections_that_fail_are_told() {
    let server = Server::play([Play::Reset, Play::Cut, answer(200, PUBLISHED)]).await;
    let topics = outside(&server.endpoint, None);
    assert_eq!(reason(publish(&topics).await, &server.endpoint), "connection error");
    assert_eq!(reason(publish(&topics).await, &server.endpoint), "error reading a body from connection");
    publish(&topics).await.unwrap();

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint: Endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let refused = reason(publish(&outside(&endpoint, None)).await, &endpoint);
    assert!(refused.contains("refused"), "{refused}");
}

#[tokio::test]
async fn an_attempt_ends_after_ten_seconds() {
    for (before, last) in [
        (vec![], Play::Silence),
        (vec![answer(200, QUEUE_URL)], Play::Silence),
        (vec![answer(200, QUEUE_URL)], Play::Stall),
    ] {
        let requests = before.len() + 1;
        let mut server = Server::play(before.into_iter().chain([last])).await;
        let outside = outside(&server.endpoint, None);
        let sending = tokio::spawn({
            let outside = outside.clone();
            async move { send(&outside).await }
        });
        for _ in 0..requests {
            server.seen().await;
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(9_000)).await;
        assert!(!sending.is_finished());
        tokio::time::advance(Duration::from_millis(1_100)).await;
        let reason = reason(sending.await.unwrap(), &server.endpoint);
        assert!(reason.ends_with(" 10 s"), "{reason}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_connection_is_kept_until_it_is_closed_or_old() {
    let published = |_| answer(200, PUBLISHED);
    let plays = [published(0), Play::Last(200, PUBLISHED.to_owned()), published(2), published(3), published(4)];
    let mut server = Server::play(plays).await;
    let topics = outside(&server.endpoint, None);
    for connection in [0, 0, 1, 1] {
        publish(&topics).await.unwrap();
        assert_eq!(server.seen().await.connection, connection);
        // The runtime is to look at its sockets, so that a connection that was closed is known to be.
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(21)).await;
    tokio::time::resume();
    publish(&topics).await.unwrap();
    assert_eq!(server.seen().await.connection, 2);
}

#[tokio::test]
async fn requests_at_once_do_not_wait_for_each_other() {
    let mut server = Server::play([Play::Silence, answer(200, PUBLISHED)]).await;
    let topics = outside(&server.endpoint, None);
    let waiting = tokio::spawn({
        let topics = topics.clone();
        async move { publish(&topics).await }
    });
    server.seen().await;
    publish(&topics).await.unwrap();
    assert!(!waiting.is_finished());
    waiting.abort();
}
