//! The relay over loopback: what comes to the listener goes to the listener's own address, so the copying is
//! tested on its own and the policy through the accept loop.

use super::*;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Two connected ends.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// Function and destination with a relay between them.
async fn relayed() -> (TcpStream, TcpStream, JoinSet<()>) {
    let ((function, inner), (outer, destination)) = (pair().await, pair().await);
    let mut relay = JoinSet::new();
    relay.spawn(copy(inner, outer));
    (function, destination, relay)
}

#[tokio::test]
async fn twenty_megabytes_go_both_ways_at_once() {
    let (function, destination, _relay) = relayed().await;
    let sent: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    let exchange = async |stream: TcpStream, sent: &[u8]| {
        let (mut reader, mut writer) = stream.into_split();
        let mut received = Vec::new();
        let write = async {
            writer.write_all(sent).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let (read, ()) = tokio::join!(reader.read_to_end(&mut received), write);
        read.unwrap();
        received
    };
    let (back, there) = tokio::join!(exchange(function, &sent), exchange(destination, &sent));
    assert!(back == sent && there == sent);
}

#[tokio::test]
async fn one_direction_may_end_first() {
    let (mut function, mut destination, _relay) = relayed().await;
    function.write_all(b"question").await.unwrap();
    function.shutdown().await.unwrap();
    let mut question = String::new();
    destination.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    destination.write_all(b"answer").await.unwrap();
    drop(destination);
    let mut answer = String::new();
    function.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
}

#[tokio::test]
async fn a_reset_is_passed_on() {
    let (mut function, destination, _relay) = relayed().await;
    destination.set_zero_linger().unwrap();
    drop(destination);
    let error = function.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_relay_closes_both_ends() {
    let (mut function, mut destination, mut relay) = relayed().await;
    function.write_all(b"x").await.unwrap();
    assert_eq!(destination.read_u8().await.unwrap(), b'x');
    relay.shutdown().await;
    assert!(function.read_u8().await.is_err());
    assert!(destination.read_u8().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_relay() {
    let (mut function, _destination, _relay) = relayed().await;
    let error = function.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_allowed_destination_that_refuses_is_a_reset() {
    // The relay connects to the address that it was reached at; once the listener is gone nobody answers there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    drop(listener);
    let policy = EgressPolicy::new(super::super::EgressMode::Public, vec!["127.0.0.1".parse().unwrap()], Vec::new());
    relay(accepted.unwrap().0, Rules { policy: Arc::new(policy), membership: None }).await;
    assert_eq!(client.unwrap().read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_denied_destination_is_a_reset() {
    let (mut function, inner) = pair().await;
    relay(inner, Rules { policy: Arc::new(EgressPolicy::default()), membership: None }).await;
    assert_eq!(function.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}
