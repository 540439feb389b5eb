//! Asking the resolvers of the host.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use uuid::Uuid;

use super::message::{self, Query};

/// How long one resolver may take. Clients wait five seconds by default and then ask again.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Times that the list of resolvers is gone through: datagrams get lost.
const ROUNDS: usize = 2;
/// Longer than any UDP answer that is asked for.
const DATAGRAM_BYTES_MAX: usize = 4_096;

/// "Server failure", "not implemented" and "refused": another resolver may know better.
const CODES_TO_ASK_ELSEWHERE: [u8; 3] = [2, 4, 5];

/// The first useful answer, else the last useless one, else nothing.
pub(super) async fn ask(upstreams: &[SocketAddr], query: &Query<'_>, patience: Duration) -> Option<Vec<u8>> {
    let mut useless = None;
    for upstream in std::iter::repeat_n(upstreams, ROUNDS).flatten() {
        let answer = match tokio::time::timeout(patience, ask_one(*upstream, query)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(%upstream, %error, "a resolver could not be asked");
                continue;
            }
            Err(_) => {
                tracing::debug!(%upstream, "a resolver did not answer in time");
                continue;
            }
        };
        if !CODES_TO_ASK_ELSEWHERE.contains(&message::response_code(&answer)) {
            return Some(answer);
        }
        useless = Some(answer);
    }
    useless
}

/// Over UDP; over TCP when the answer does not fit.
async fn ask_one(upstream: SocketAddr, query: &Query<'_>) -> io::Result<Vec<u8>> {
    let answer = ask_udp(upstream, query).await?;
    if !message::is_truncated(&answer) {
        return Ok(answer);
    }
    // What there is of the answer is better than none when the resolver does not speak TCP.
    Ok(ask_tcp(upstream, query).await.unwrap_or(answer))
}

/// A fresh socket (and so a fresh random port) and a random id for each question, so that an answer cannot be
/// guessed from outside; what does not match is as if it had not come.
async fn ask_udp(upstream: SocketAddr, query: &Query<'_>) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((unspecified(upstream), 0)).await?;
    socket.connect(upstream).await?;
    let id = random_id();
    socket.send(&query.forwarded(id)).await?;
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if query.is_answered_by(&buffer[..length], id) {
            buffer.truncate(length);
            return Ok(query.returned(buffer));
        }
    }
}

async fn ask_tcp(upstream: SocketAddr, query: &Query<'_>) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).await?;
    let id = random_id();
    super::write_framed(&mut stream, &query.forwarded(id)).await?;
    stream.flush().await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    if query.is_answered_by(&answer, id) { Ok(query.returned(answer)) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn unspecified(upstream: SocketAddr) -> std::net::IpAddr {
    if upstream.is_ipv4() { [0; 4].into() } else { [0; 16].into() }
}

/// Two bytes of the system's generator.
fn random_id() -> [u8; 2] {
    let random = Uuid::new_v4();
    [random.as_bytes()[0], random.as_bytes()[1]]
}
