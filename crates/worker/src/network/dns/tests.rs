//! The name server on loopback, with resolvers of our own making behind it.

use super::*;

use message::{TYPE_A, TYPE_AAAA};
use proptest::prelude::*;
use tokio::net::{TcpListener, UdpSocket};

/// Waiting for one resolver in these tests.
const PATIENCE: Duration = Duration::from_millis(100);

fn question(id: u16, name: &str, kind: u16, edns_bytes: Option<u16>) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns_bytes.is_some())]);
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    if let Some(size) = edns_bytes {
        bytes.extend_from_slice(&[0, 0, 41]);
        bytes.extend_from_slice(&size.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
    }
    bytes
}

/// A whole answer with one address and as much padding.
fn answer(question: &[u8], address: [u8; 4], padding: usize) -> Vec<u8> {
    let query = Query::parse(question).unwrap();
    let mut answer = query.respond_with(IpAddr::from(address));
    answer.resize(answer.len() + padding, 0);
    answer
}

fn code(message: &[u8]) -> u8 {
    message::response_code(message)
}

/// How a fake resolver behaves over UDP: what it sends back, in order.
type Behaviour = fn(&[u8]) -> Vec<Vec<u8>>;

/// A resolver; over TCP it always gives a whole answer of 2,000 bytes.
struct FakeResolver {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl FakeResolver {
    async fn start(behaviour: Behaviour) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, client) = udp.recv_from(&mut buffer).await.unwrap();
                for reply in behaviour(&buffer[..length]) {
                    udp.send_to(&reply, client).await.unwrap();
                }
            }
        });
        tasks.spawn(async move {
            loop {
                let (mut client, _) = tcp.accept().await.unwrap();
                let question = read_framed(&mut client).await.unwrap();
                write_framed(&mut client, &answer(&question, [198, 51, 100, 7], 2_000)).await.unwrap();
            }
        });
        Self { address, _tasks: tasks }
    }
}

fn good(question: &[u8]) -> Vec<Vec<u8>> {
    vec![answer(question, [198, 51, 100, 1], 0)]
}

fn silent(_question: &[u8]) -> Vec<Vec<u8>> {
    Vec::new()
}

fn truncated(question: &[u8]) -> Vec<Vec<u8>> {
    vec![message::truncate(&answer(question, [0; 4], 0))]
}

fn refusing(question: &[u8]) -> Vec<Vec<u8>> {
    let mut refused = Query::parse(question).unwrap().respond(ResponseCode::ServerFailure);
    refused[3] = 0x80 | 5;
    vec![refused]
}

/// Forged answers first: another id, another question, a question instead of an answer, no message at all.
fn forged_then_good(question: &[u8]) -> Vec<Vec<u8>> {
    let mut other_id = answer(question, [6, 6, 6, 6], 0);
    other_id[0] ^= 0xff;
    let mut other_name = answer(question, [6, 6, 6, 6], 0);
    other_name[13] = b'z';
    let echo = question.to_vec();
    vec![other_id, other_name, echo, vec![0; 3], answer(question, [198, 51, 100, 1], 0)]
}

fn resolver(upstreams: &[SocketAddr]) -> Resolver {
    let hosts = BTreeMap::from([
        ("Fixed.Test.".to_owned(), "192.0.2.5".parse().unwrap()),
        ("six.test".to_owned(), "2001:db8::5".parse().unwrap()),
    ]);
    Resolver::new(ResolverOptions { upstreams: upstreams.to_vec(), hosts, attempt_timeout: Some(PATIENCE) })
}

async fn resolve(upstreams: &[SocketAddr], question: &[u8]) -> Vec<u8> {
    resolver(upstreams).answer(&Query::parse(question).unwrap()).await
}

/// An address where nobody answers and the kernel says so.
async fn dead() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn an_answer_keeps_the_clients_id_and_spelling() {
    let upstream = FakeResolver::start(good).await;
    let asked = question(0x1234, "ExAmple.test", TYPE_A, Some(4_096));
    let answer = resolve(&[upstream.address], &asked).await;
    assert_eq!(answer[..2], [0x12, 0x34]);
    assert!(answer.windows(7).any(|window| window == b"ExAmple"));
    assert_eq!(answer[answer.len() - 4..], [198, 51, 100, 1]);
}

#[tokio::test]
async fn forged_answers_are_not_believed() {
    let upstream = FakeResolver::start(forged_then_good).await;
    let answer = resolve(&[upstream.address], &question(7, "example.test", TYPE_A, None)).await;
    assert_eq!(answer[answer.len() - 4..], [198, 51, 100, 1]);
}

#[tokio::test]
async fn the_next_resolver_is_asked_when_one_is_dead_silent_or_unwilling() {
    let (slow, unwilling) = (FakeResolver::start(silent).await, FakeResolver::start(refusing).await);
    let willing = FakeResolver::start(good).await;
    let upstreams = [dead().await, slow.address, unwilling.address, willing.address];
    let answer = resolve(&upstreams, &question(7, "example.test", TYPE_A, None)).await;
    assert_eq!(answer[answer.len() - 4..], [198, 51, 100, 1]);
}

#[tokio::test]
async fn without_any_answer_the_client_is_told_so() {
    let slow = FakeResolver::start(silent).await;
    let answer = resolve(&[slow.address, dead().await], &question(9, "example.test", TYPE_A, None)).await;
    assert_eq!((&answer[..2], code(&answer)), (&[0, 9][..], 2));
}

#[tokio::test]
async fn the_last_refusal_is_passed_on_when_nobody_knows_better() {
    let unwilling = FakeResolver::start(refusing).await;
    let answer = resolve(&[unwilling.address], &question(9, "example.test", TYPE_A, None)).await;
    assert_eq!(code(&answer), 5);
}

#[tokio::test]
async fn a_truncated_answer_is_fetched_over_tcp() {
    let upstream = FakeResolver::start(truncated).await;
    let answer = resolve(&[upstream.address], &question(9, "example.test", TYPE_A, None)).await;
    assert!(!message::is_truncated(&answer) && answer.len() > 2_000);
}

#[tokio::test]
async fn names_of_our_own_are_answered_here() {
    for (name, kind, expected) in [
        ("localhost", TYPE_A, Some(&[127, 0, 0, 1][..])),
        ("anything.LOCALHOST", TYPE_A, Some(&[127, 0, 0, 1][..])),
        ("localhost", TYPE_AAAA, None),
        ("abc.execute-api.us-east-1.localhost", TYPE_A, Some(&[169, 254, 100, 1][..])),
        ("abc.lambda-url.us-east-1.localhost", TYPE_A, Some(&[169, 254, 100, 1][..])),
        ("execute-api.localhost", TYPE_A, Some(&[127, 0, 0, 1][..])),
        ("sandbox.localdomain", TYPE_A, Some(&[169, 254, 100, 1][..])),
        ("fixed.TEST", TYPE_A, Some(&[192, 0, 2, 5][..])),
        ("fixed.test", TYPE_AAAA, None),
        ("six.test", TYPE_AAAA, Some(&[0, 0, 0, 5][..])),
    ] {
        let answer = resolve(&[dead().await], &question(1, name, kind, None)).await;
        assert_eq!(code(&answer), 0, "{name}");
        match expected {
            Some(end) => assert!(answer.ends_with(end) && answer[7] == 1, "{name}"),
            None => assert_eq!(answer[7], 0, "{name}"),
        }
    }
}

/// A served namespace: the addresses of its name server.
struct Served {
    udp: SocketAddr,
    tcp: SocketAddr,
    _tasks: JoinSet<()>,
}

async fn served(upstreams: &[SocketAddr]) -> Served {
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    let questions = Arc::new(Questioner::new(Arc::new(resolver(upstreams))));
    let mut tasks = JoinSet::new();
    tasks.spawn(serve_udp(Arc::new(Gate::new(Datagrams::new(Arc::new(udp)).unwrap())), Arc::clone(&questions)));
    tasks.spawn(serve_tcp(Arc::new(Gate::new(Listener::new(Arc::new(tcp)).unwrap())), questions));
    Served { udp: addresses.0, tcp: addresses.1, _tasks: tasks }
}

#[tokio::test]
async fn a_long_answer_comes_over_tcp_after_a_truncated_one_over_udp() {
    let upstream = FakeResolver::start(truncated).await;
    let served = served(&[upstream.address]).await;
    let asked = question(3, "long.test", TYPE_A, Some(65_000));
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.send_to(&asked, served.udp).await.unwrap();
    let mut short = [0; 4_096];
    let length = client.recv(&mut short).await.unwrap();
    assert!(message::is_truncated(&short[..length]) && length < 100);

    let mut client = TcpStream::connect(served.tcp).await.unwrap();
    for _ in 0..2 {
        write_framed(&mut client, &asked).await.unwrap();
        let whole = read_framed(&mut client).await.unwrap();
        assert!(!message::is_truncated(&whole) && whole.len() > 2_000);
    }
}

#[tokio::test]
async fn nonsense_is_ignored_and_the_next_question_answered() {
    let upstream = FakeResolver::start(good).await;
    let served = served(&[upstream.address]).await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let a_response = answer(&question(1, "x.test", TYPE_A, None), [1, 1, 1, 1], 0);
    for nonsense in [&b""[..], b"\x00", &[0xff; 600], &a_response] {
        client.send_to(nonsense, served.udp).await.unwrap();
    }
    client.send_to(&question(2, "example.test", TYPE_A, None), served.udp).await.unwrap();
    let mut answer = [0; 512];
    let length = client.recv(&mut answer).await.unwrap();
    assert_eq!((answer[1], &answer[length - 4..length]), (2, &[198, 51, 100, 1][..]));
}

#[test]
fn sizes_of_udp_answers_are_kept_sane() {
    for (edns, expected) in [(None, 512), (Some(0), 512), (Some(1_000), 1_000), (Some(65_535), 1_232)] {
        let asked = question(1, "example.test", TYPE_A, edns);
        let query = Query::parse(&asked).unwrap();
        assert_eq!(query.udp_bytes_max(), expected);
        let forwarded = query.forwarded([9, 9]);
        assert_eq!(Query::parse(&forwarded).unwrap().udp_bytes_max(), expected);
        assert_eq!(forwarded.len(), asked.len());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Some(query) = Query::parse(&bytes) {
            let _ = (query.forwarded([1, 2]), query.respond(ResponseCode::ServerFailure), query.udp_bytes_max());
        }
        if bytes.len() >= 12 {
            prop_assert!(message::truncate(&bytes).len() <= bytes.len());
        }
    }

    #[test]
    fn whatever_is_appended_to_a_question_it_is_read_or_refused(tail in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = question(1, "example.test", TYPE_A, None);
        bytes[11] = 1;
        bytes.extend_from_slice(&tail);
        if let Some(query) = Query::parse(&bytes) {
            prop_assert_eq!(query.forwarded([1, 2]).len(), bytes.len());
        }
    }
}
