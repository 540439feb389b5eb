//! The listening socket: how many at once, with TLS, and how it stops.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use support::{BOUND, Fakes, scope};
use tindra_core::clock::SystemClock;
use tindra_server::auth::Authenticator;
use tindra_server::config::{Domain, DomainTarget, Mode, TlsFiles};
use tindra_server::edge::{Edge, EdgeOptions, Patience};
use tindra_server::listener;
use tindra_server::tls::{self, Certificates};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const INVOKE: &str = "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: localhost\r\n";

struct Listening {
    address: std::net::SocketAddr,
    fakes: Arc<Fakes>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

async fn listen(connections_max: usize, tls: Option<tokio_rustls::TlsAcceptor>) -> Listening {
    let listener = listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let fakes = Arc::new(Fakes::default());
    fakes.open_urls(Arc::new(SystemClock::new())).await;
    let options = EdgeOptions {
        authenticator: Authenticator::off(scope()),
        mode: Mode::Dev,
        is_tls: tls.is_some(),
        address: address.to_string(),
        patience: Patience::default(),
        clock: Arc::new(SystemClock::new()),
        disabled_services: std::collections::BTreeSet::new(),
    };
    let edge = Arc::new(Edge::new(Arc::clone(&fakes), options));
    let (stop, stopping) = watch::channel(false);
    let accepting = tokio::spawn(listener::accept_all(listener, tls, edge, connections_max, stopping));
    Listening { address, fakes, stop, accepting }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), body: &str) -> String {
    let request = format!("{INVOKE}Content-Length: {}\r\n\r\n{body}", body.len());
    // A connection too many is answered before it asks.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut received = Vec::new();
    let reading = async {
        while !received.ends_with(format!("\r\n\r\n{body}").as_bytes()) {
            let Ok(byte) = stream.read_u8().await else { break };
            received.push(byte);
        }
    };
    tokio::time::timeout(BOUND, reading).await.expect("an answer in time");
    String::from_utf8(received).unwrap()
}

#[tokio::test]
async fn one_connection_too_many_gets_a_clean_503() {
    let listening = listen(1, None).await;
    let mut first = TcpStream::connect(listening.address).await.unwrap();
    assert!(ask(&mut first, "{}").await.starts_with("HTTP/1.1 200"));
    let mut second = TcpStream::connect(listening.address).await.unwrap();
    let mut refused = String::new();
    let reading = second.read_to_string(&mut refused);
    tokio::time::timeout(BOUND, reading).await.expect("a refusal in time").unwrap();
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("Too many connections"), "{refused}");
    drop(first);
    let again = async {
        loop {
            let mut third = TcpStream::connect(listening.address).await.unwrap();
            if ask(&mut third, "{}").await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(BOUND, again).await.expect("the place becomes free");
}

#[tokio::test]
async fn stopping_lets_a_running_invoke_end() {
    let listening = listen(10, None).await;
    let mut idle = TcpStream::connect(listening.address).await.unwrap();
    assert!(ask(&mut idle, "{}").await.starts_with("HTTP/1.1 200"));
    let mut busy = TcpStream::connect(listening.address).await.unwrap();
    let answer = tokio::spawn(async move { ask(&mut busy, "\"wait\"").await });
    tokio::time::timeout(BOUND, listening.fakes.begun.notified()).await.expect("the invoke begins");
    listening.stop.send(true).unwrap();
    assert_eq!(idle.read_to_end(&mut Vec::new()).await.unwrap(), 0, "an idle connection is closed");
    assert!(!answer.is_finished() && !listening.accepting.is_finished());
    listening.fakes.proceed.notify_one();
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"));
    tokio::time::timeout(BOUND, listening.accepting).await.expect("the listener ends").unwrap();
    assert!(TcpStream::connect(listening.address).await.is_err());
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn files(certificate: &str, key: &str) -> TlsFiles {
    TlsFiles { certificate: file(certificate), key: file(key) }
}

/// The protocol that a client that offers `protocols` and trusts `authority` gets with the name `name`.
async fn handshake(
    address: std::net::SocketAddr,
    name: &str,
    authority: &PathBuf,
    protocols: &[&[u8]],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

async fn serve_tls(certificates: Certificates) -> (Listening, watch::Sender<Arc<Certificates>>) {
    let (renewed, current) = watch::channel(Arc::new(certificates));
    (listen(10, Some(tls::acceptor(current).unwrap())).await, renewed)
}

#[tokio::test]
async fn https_with_either_protocol() {
    let (listening, _renewed) = serve_tls(Certificates::load(&files("cert.pem", "key.pem"), &[]).unwrap()).await;
    for protocols in [&[][..], &[&b"http/1.1"[..]]] {
        let mut stream = handshake(listening.address, "localhost", &file("cert.pem"), protocols).await.unwrap();
        for _ in 0..2 {
            assert!(ask(&mut stream, "{\"over\": \"tls\"}").await.starts_with("HTTP/1.1 200"));
        }
    }
    let both = [&b"http/1.1"[..], b"h2"];
    let stream = handshake(listening.address, "localhost", &file("cert.pem"), &both).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the better one");
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post("https://localhost/2015-03-31/functions/hello/invocations").body(()).unwrap();
    let (answer, mut body) = client.ready().await.unwrap().send_request(request, false).unwrap();
    body.send_data("{}".into(), true).unwrap();
    assert_eq!(tokio::time::timeout(BOUND, answer).await.expect("an answer in time").unwrap().status(), 200);
}

/// A self-signed certificate for a name, in a directory.
fn own_certificate(directory: &std::path::Path, name: &str) -> TlsFiles {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let files = TlsFiles { certificate: directory.join("cert.pem"), key: directory.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    files
}

fn domain(name: &str, tls: Option<TlsFiles>) -> Domain {
    let target = DomainTarget::Function { name: "hello".into(), alias: None };
    Domain { name: name.into(), target, tls }
}

#[tokio::test]
async fn the_name_chooses_the_certificate_and_new_ones_hold_for_new_connections() {
    let directory = tempfile::tempdir().unwrap();
    let own = own_certificate(directory.path(), "api.example.com");
    let domains = [domain("api.example.com", Some(own.clone())), domain("b.example.com", None)];
    let standard = files("cert.pem", "key.pem");
    let (listening, renewed) = serve_tls(Certificates::load(&standard, &domains).unwrap()).await;
    let first = std::fs::read(&own.certificate).unwrap();
    let kept = directory.path().join("first.pem");
    std::fs::write(&kept, first).unwrap();
    let mut open = handshake(listening.address, "API.example.com", &kept, &[]).await.unwrap();
    assert!(handshake(listening.address, "localhost", &file("cert.pem"), &[]).await.is_ok());
    assert!(handshake(listening.address, "b.example.com", &kept, &[]).await.is_err());
    own_certificate(directory.path(), "api.example.com");
    renewed.send_replace(Arc::new(Certificates::load(&standard, &domains).unwrap()));
    assert!(handshake(listening.address, "api.example.com", &kept, &[]).await.is_err());
    assert!(handshake(listening.address, "api.example.com", &own.certificate, &[]).await.is_ok());
    assert!(ask(&mut open, "{}").await.starts_with("HTTP/1.1 200"), "an open connection goes on");
}

#[test]
fn certificates_of_other_keys_and_other_domains_are_refused() {
    let error = Certificates::load(&files("cert.pem", "other-key.pem"), &[]).err().unwrap();
    assert!(error.to_string().contains("other-key.pem"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let own = own_certificate(directory.path(), "api.example.com");
    let other = domain("b.example.com", Some(own));
    let error = Certificates::load(&files("cert.pem", "key.pem"), &[other]).err().unwrap();
    assert!(error.to_string().contains("for the domain b.example.com"), "{error}");
}
