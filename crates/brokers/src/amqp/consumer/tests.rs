//! A consumer in front of brokers that do as they should, and of others.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

fn options() -> RabbitOptions {
    RabbitOptions {
        url: "amqp://localhost".parse().unwrap(),
        authorities: None,
        user: "me".to_owned(),
        password: "secret".to_owned(),
        virtual_host: "/".to_owned(),
        queue: "jobs".to_owned(),
        name: "test".to_owned(),
        messages_max: 2,
    }
}

/// The broker's end of a connection.
struct Broker(DuplexStream);

impl Broker {
    async fn says(&mut self, channel: u16, method: &[u8]) {
        self.0.write_all(&frame::method(channel, method)).await.unwrap();
    }

    /// The class and the number of the method that comes next, and the rest of it.
    async fn hears(&mut self) -> (u8, u8, Vec<u8>) {
        let frame = frame::read(&mut self.0).await.unwrap();
        assert_eq!(frame.kind, Kind::Method);
        (frame.bytes[1], frame.bytes[3], frame.bytes[4..].to_vec())
    }

    async fn greets(&mut self) {
        let mut head = [0; 8];
        self.0.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"AMQP\0\0\x09\x01");
        self.says(0, b"\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x0eAMQPLAIN PLAIN\0\0\0\x05en_US").await;
        let (_, _, login) = self.hears().await;
        assert!(login.windows(10).any(|part| part == b"\0me\0secret"));
    }

    async fn opens(&mut self) {
        self.greets().await;
        self.says(0, b"\0\x0a\0\x1e\x07\xff\0\x02\0\0\0\x3c").await;
        let (_, _, tuned) = self.hears().await;
        assert_eq!(tuned, b"\0\x01\0\x02\0\0\0\x1e");
        for (asked, answer) in [
            ((10, 40), &b"\0\x0a\0\x29\0"[..]),
            ((20, 10), b"\0\x14\0\x0b\0\0\0\0"),
            ((60, 10), b"\0\x3c\0\x0b"),
            ((60, 20), b"\0\x3c\0\x15\x04test"),
        ] {
            let (class, method, _) = self.hears().await;
            assert_eq!((class, method), asked);
            self.says(if asked == (10, 40) { 0 } else { 1 }, answer).await;
        }
    }

    /// A message in parts of so many bytes.
    async fn delivers(&mut self, tag: u8, body: &[u8], part_bytes: usize) {
        self.says(1, &[&b"\0\x3c\0\x3c\x04test\0\0\0\0\0\0\0"[..], &[tag, 0, 0, 4], b"jobs"].concat()).await;
        let mut header = vec![0, 60, 0, 0];
        header.extend((body.len() as u64).to_be_bytes());
        header.extend([0, 0]);
        self.0.write_all(&raw(2, &header)).await.unwrap();
        for part in body.chunks(part_bytes) {
            self.0.write_all(&frame::heartbeat()).await.unwrap();
            self.0.write_all(&raw(3, part)).await.unwrap();
        }
    }
}

fn raw(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame::method(1, bytes);
    frame[0] = kind;
    frame
}

async fn joined() -> (Consumer, Broker) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let mut broker = Broker(theirs);
    let options = options();
    let (consumer, ()) = tokio::join!(Consumer::open(Box::new(ours), &options), broker.opens());
    (consumer.unwrap(), broker)
}

#[tokio::test]
async fn messages_come_and_are_acknowledged() {
    let (mut consumer, mut broker) = joined().await;
    broker.delivers(1, b"first", 2).await;
    broker.delivers(2, b"", 1).await;
    let first = consumer.next().await.unwrap();
    assert_eq!((first.tag, first.bytes, first.body.as_slice()), (1, 5, &b"first"[..]));
    assert_eq!(consumer.next().await.unwrap().tag, 2);
    consumer.ack(2, true).await.unwrap();
    assert_eq!(broker.hears().await, (60, 80, b"\0\0\0\0\0\0\0\x02\x01".to_vec()));
    consumer.reject(3).await.unwrap();
    assert_eq!(broker.hears().await, (60, 90, b"\0\0\0\0\0\0\0\x03\0".to_vec()));
    let closing = async {
        assert_eq!(broker.hears().await.1, 50);
        broker.says(0, b"\0\x0a\0\x33").await;
    };
    tokio::join!(consumer.close(), closing);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_silent_is_left_and_told_before_that_we_are_there() {
    let (mut consumer, mut broker) = joined().await;
    let error = consumer.next().await.unwrap_err();
    assert_eq!(error, BrokerError::TooSlow("hearing of it"));
    for _ in 0..3 {
        assert_eq!(frame::read(&mut broker.0).await.unwrap().kind, Kind::Heartbeat);
    }
}

#[tokio::test]
async fn a_refusal_has_the_words_of_the_broker() {
    let (ours, theirs) = tokio::io::duplex(1024);
    let (mut broker, options) = (Broker(theirs), options());
    let refusing = async {
        broker.greets().await;
        broker.says(0, b"\0\x0a\0\x32\x01\x93\x0eACCESS_REFUSED\0\0\0\0").await;
    };
    let (consumer, ()) = tokio::join!(Consumer::open(Box::new(ours), &options), refusing);
    let expected = BrokerError::Refused { code: 403, text: "ACCESS_REFUSED".to_owned() };
    assert_eq!(consumer.unwrap_err(), expected);
}

#[tokio::test]
async fn a_queue_that_goes_and_a_connection_that_breaks_are_errors() {
    let (mut consumer, mut broker) = joined().await;
    broker.says(1, b"\0\x3c\0\x1e\x04test\x01").await;
    assert_eq!(consumer.next().await, Err(BrokerError::Lost("the queue has gone".to_owned())));
    let (mut consumer, broker) = joined().await;
    drop(broker);
    assert!(matches!(consumer.next().await, Err(BrokerError::Lost(_))));
}

#[tokio::test]
async fn parts_that_do_not_belong_together_are_refused() {
    let (mut consumer, mut broker) = joined().await;
    broker.0.write_all(&raw(3, b"body")).await.unwrap();
    assert!(matches!(consumer.next().await, Err(BrokerError::Malformed(_))));
}

#[tokio::test]
async fn large_messages_are_read_when_there_is_room_for_them() {
    let (mut consumer, mut broker) = joined().await;
    let body = vec![7; limits::SYNC_REQUEST_BYTES_MAX];
    let sending = async move {
        for tag in 1..=10 {
            broker.delivers(tag, &body, 100_000).await;
        }
        broker
    };
    let sending = tokio::spawn(sending);
    for tag in 1..=10 {
        let delivery = consumer.next().await.unwrap();
        assert_eq!((delivery.tag, delivery.body.len()), (tag, limits::SYNC_REQUEST_BYTES_MAX));
    }
    drop(sending.await.unwrap());
}
