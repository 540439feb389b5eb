//! Sessions over a pipe, with a clock that is moved: what is said, who ends it, and when.

use std::sync::Mutex;

use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;

use super::*;
use crate::apigateway::websocket::connections::Connections;
use crate::apigateway::websocket::connections::tests::about;

/// A client, the session that it talks to, and what reached the session.
struct Talk {
    client: WebSocketStream<DuplexStream>,
    connection: Arc<Connection>,
    ended: JoinHandle<End>,
    stop: watch::Sender<bool>,
    heard: Arc<Mutex<Vec<String>>>,
}

async fn talk() -> Talk {
    let (ours, theirs) = duplex(64 << 10);
    let (connection, waiting) = Connections::default().open(about("a")).unwrap();
    let (stop, stopping) = watch::channel(false);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (known, note) = (Arc::clone(&connection), Arc::clone(&heard));
    let ended = tokio::spawn(async move {
        let on_message = |body: Bytes, _place| note.lock().unwrap().push(String::from_utf8(body.into()).unwrap());
        run(theirs, &known, waiting, stopping, on_message).await
    });
    let client = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    Talk { client, connection, ended, stop, heard }
}

async fn close_code(client: &mut WebSocketStream<DuplexStream>) -> u16 {
    loop {
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(_)) => {}
            other => panic!("no goodbye but {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_go_both_ways_until_the_client_leaves() {
    let mut talk = talk().await;
    talk.client.send(Message::text("hello")).await.unwrap();
    talk.client.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
    assert_eq!(talk.client.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"there?")));
    talk.connection.post(Bytes::from_static("grüße".as_bytes())).unwrap();
    talk.connection.post(Bytes::from_static(b"\xff")).unwrap();
    assert_eq!(talk.client.next().await.unwrap().unwrap(), Message::text("grüße"));
    assert_eq!(talk.client.next().await.unwrap().unwrap(), Message::Binary(Bytes::from_static(b"\xff")));
    let goodbye = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
    talk.client.close(Some(goodbye)).await.unwrap();
    assert_eq!(close_code(&mut talk.client).await, 1000);
    let end = talk.ended.await.unwrap();
    assert_eq!((end.code, end.reason.as_str()), (1000, "done"));
    assert_eq!(*talk.heard.lock().unwrap(), ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_said_ends_the_connection() {
    let large = |bytes| Message::text("x".repeat(bytes));
    for (message, code) in
        [(Message::Binary(Bytes::from_static(b"x")), 1003), (large(limits::WEBSOCKET_FRAME_BYTES_MAX + 1), 1009)]
    {
        let mut talk = talk().await;
        talk.client.send(message).await.unwrap();
        assert_eq!(close_code(&mut talk.client).await, code);
        drop(talk.client);
        assert_eq!(talk.ended.await.unwrap().code, code);
        assert!(talk.heard.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_age_end_a_connection() {
    let mut silent = talk().await;
    let began_at = tokio::time::Instant::now();
    assert_eq!(close_code(&mut silent.client).await, 1001);
    assert_eq!(began_at.elapsed().as_secs(), limits::WEBSOCKET_IDLE_MAX.as_secs());
    assert_eq!(silent.ended.await.unwrap().code, 1001);

    let mut old = talk().await;
    let began_at = tokio::time::Instant::now();
    let (said, mut hears) = unbounded_channel();
    let connection = Arc::clone(&old.connection);
    let speaker = tokio::spawn(async move {
        let mut minutes = tokio::time::interval(Duration::from_secs(60));
        while connection.post(Bytes::from_static(b"still here")).is_ok() {
            let _ = said.send(());
            minutes.tick().await;
        }
    });
    assert_eq!(close_code(&mut old.client).await, 1001);
    assert_eq!(began_at.elapsed().as_secs(), limits::WEBSOCKET_CONNECTION_MAX.as_secs());
    drop(old.client);
    old.ended.await.unwrap();
    speaker.await.unwrap();
    assert!(hears.recv().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_server_can_end_it_after_what_waits_or_at_once() {
    let mut deleted = talk().await;
    deleted.connection.post(Bytes::from_static(b"last words")).unwrap();
    deleted.connection.close().unwrap();
    assert_eq!(deleted.client.next().await.unwrap().unwrap(), Message::text("last words"));
    assert_eq!(close_code(&mut deleted.client).await, 1000);
    let mut stopped = talk().await;
    stopped.stop.send(true).unwrap();
    assert_eq!(close_code(&mut stopped.client).await, 1001);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_given_up_and_one_that_breaks_off_is_noticed() {
    let talk_with_deaf = talk().await;
    let message = Bytes::from("x".repeat(limits::WEBSOCKET_MESSAGE_BYTES_MAX));
    while talk_with_deaf.connection.post(message.clone()).is_ok() {}
    let began_at = tokio::time::Instant::now();
    assert_eq!(talk_with_deaf.ended.await.unwrap().code, 1006);
    assert!(began_at.elapsed() >= limits::WEBSOCKET_STALL_MAX && began_at.elapsed() < limits::WEBSOCKET_IDLE_MAX);
    let broken = talk().await;
    drop(broken.client);
    assert_eq!(broken.ended.await.unwrap().code, 1006);
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_none_end_the_connection() {
    use tokio::io::AsyncWriteExt as _;
    // Not masked; text that is no UTF-8 (masked with zeros); reserved bits.
    for (bytes, code) in [(&b"\x81\x01x"[..], 1002), (b"\x81\x81\0\0\0\0\xff", 1007), (b"\xf1\x81\0\0\0\0x", 1002)] {
        let mut talk = talk().await;
        talk.client.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(close_code(&mut talk.client).await, code);
    }
}
