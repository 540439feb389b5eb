//! The name server of a sandbox: questions come in on sockets inside its namespace, answers come from the
//! host's own resolvers or from the operator's fixed list.
//!
//! Questions are forwarded as they are (only the id, and the size of UDP answers that the client accepts, are
//! ours), so every record type works. The host's `/etc/hosts` is not consulted: its names are the host's own.
//! What may be connected to is decided later, by address, in `egress_policy`.

mod local;
pub mod message;
mod pace;
mod resolv_conf;
mod upstream;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::accept;
use message::{Query, ResponseCode};
use pace::Pace;
use resolv_conf::ResolvConf;

use crate::gate::Gate;
use crate::readiness::{Datagrams, Listener};

/// Questions of one environment that wait for an answer at once; more are dropped, and clients ask again.
const IN_FLIGHT_MAX: usize = 128;
/// Questions of one environment per second, and as many at once: the limit of the resolver in a VPC is 1,024
/// packets per second and network interface (AWS).
const QUESTIONS_PER_SECOND_MAX: u32 = 1_024;
/// TCP connections of one environment to the name server at once.
const TCP_CONNECTIONS_MAX: usize = 16;
/// A TCP client that says nothing is closed (RFC 7766 leaves the figure open).
const TCP_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest question that is read: a name has at most 255 bytes, and options are small.
const QUESTION_BYTES_MAX: usize = 4_096;

/// Where answers come from.
#[derive(Clone, Debug, Default)]
pub struct ResolverOptions {
    /// Resolvers in the order in which they are asked; empty for those of the host's `/etc/resolv.conf`.
    pub upstreams: Vec<SocketAddr>,
    /// Fixed answers: name (any case, no final dot) to address.
    pub hosts: BTreeMap<String, IpAddr>,
    /// How long one resolver may take before the next one is asked; `None` for two seconds.
    pub attempt_timeout: Option<Duration>,
}

/// Answers questions for every namespace of a server.
#[derive(Debug)]
pub struct Resolver {
    upstreams: Upstreams,
    hosts: BTreeMap<String, IpAddr>,
    attempt_timeout: Duration,
}

#[derive(Debug)]
enum Upstreams {
    Fixed(Arc<[SocketAddr]>),
    OfHost(ResolvConf),
}

impl Resolver {
    /// A resolver with these options.
    #[must_use]
    pub fn new(options: ResolverOptions) -> Self {
        let upstreams = if options.upstreams.is_empty() {
            Upstreams::OfHost(ResolvConf::new("/etc/resolv.conf".into()))
        } else {
            Upstreams::Fixed(options.upstreams.into())
        };
        let hosts = options.hosts.into_iter().map(|(name, address)| (normal(&name), address)).collect();
        let attempt_timeout = options.attempt_timeout.unwrap_or(upstream::ATTEMPT_TIMEOUT);
        Self { upstreams, hosts, attempt_timeout }
    }

    /// The answer to a question; a failure is an answer, too (SERVFAIL).
    async fn answer(&self, query: &Query<'_>) -> Vec<u8> {
        if let Some(answer) = local::answer(query, &self.hosts) {
            return answer;
        }
        let upstreams = match &self.upstreams {
            Upstreams::Fixed(upstreams) => Arc::clone(upstreams),
            Upstreams::OfHost(resolv_conf) => resolv_conf.nameservers().await,
        };
        match upstream::ask(&upstreams, query, self.attempt_timeout).await {
            Some(answer) => answer,
            None => {
                metrics::counter!("tindra_dns_failures_total").increment(1);
                tracing::debug!(name = query.name(), upstreams = upstreams.len(), "no resolver answered");
                query.respond(ResponseCode::ServerFailure)
            }
        }
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The questions of one namespace, within its limits.
#[derive(Debug)]
pub(super) struct Questioner {
    resolver: Arc<Resolver>,
    in_flight: Semaphore,
    pace: Pace,
}

impl Questioner {
    pub(super) fn new(resolver: Arc<Resolver>) -> Self {
        Self { resolver, in_flight: Semaphore::new(IN_FLIGHT_MAX), pace: Pace::new(QUESTIONS_PER_SECOND_MAX) }
    }

    /// The answer, or nothing for what is no question or is one too many.
    async fn ask(&self, question: &[u8]) -> Option<(Vec<u8>, usize)> {
        let query = Query::parse(question)?;
        let Ok(_permit) = self.in_flight.try_acquire() else { return dropped() };
        if !self.pace.admit() {
            return dropped();
        }
        metrics::counter!("tindra_dns_questions_total").increment(1);
        Some((self.resolver.answer(&query).await, query.udp_bytes_max()))
    }
}

fn dropped<T>() -> Option<T> {
    metrics::counter!("tindra_dns_dropped_total").increment(1);
    None
}

/// Answers datagrams until dropped.
pub(super) async fn serve_udp(gate: Arc<Gate<Datagrams>>, questions: Arc<Questioner>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            (socket, received) = receive(&gate) => {
                let Ok((question, client)) = received else { continue };
                // One more than may be in flight, so that the limit is the questioner's to keep.
                if under_way.len() <= IN_FLIGHT_MAX {
                    under_way.spawn(answer_datagram(socket, Arc::clone(&questions), question, client));
                }
            }
            Some(_) = under_way.join_next() => {}
        }
    }
}

/// The next datagram, and the socket on which it came.
async fn receive(gate: &Gate<Datagrams>) -> (Arc<Datagrams>, io::Result<(Vec<u8>, SocketAddr)>) {
    gate.run(|socket| async move {
        let received = socket.receive(QUESTION_BYTES_MAX).await;
        (socket, received)
    })
    .await
}

async fn answer_datagram(socket: Arc<Datagrams>, questions: Arc<Questioner>, question: Vec<u8>, client: SocketAddr) {
    if let Some((answer, bytes_max)) = questions.ask(&question).await {
        let answer = if answer.len() > bytes_max { message::truncate(&answer) } else { answer };
        // The function that asked may be gone; nobody else is told.
        let _ = socket.send(&answer, client);
    }
}

/// Answers TCP clients until dropped.
pub(super) async fn serve_tcp(listener: Arc<Gate<Listener>>, questions: Arc<Questioner>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            client = accept(&listener), if clients.len() < TCP_CONNECTIONS_MAX => {
                clients.spawn(serve_client(client, Arc::clone(&questions)));
            }
            Some(_) = clients.join_next() => {}
        }
    }
}

/// One question after the other, as they come. A client that breaks the framing or the limits is closed.
async fn serve_client(mut client: TcpStream, questions: Arc<Questioner>) {
    while let Ok(Ok(question)) = tokio::time::timeout(TCP_IDLE_TIMEOUT, read_framed(&mut client)).await {
        let Some((answer, _)) = questions.ask(&question).await else { return };
        let sent = tokio::time::timeout(TCP_IDLE_TIMEOUT, write_framed(&mut client, &answer)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

async fn read_framed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > QUESTION_BYTES_MAX {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut question = vec![0; length];
    stream.read_exact(&mut question).await?;
    Ok(question)
}

/// Length and message in one write, because some clients read both at once.
async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| std::io::ErrorKind::InvalidData)?;
    let mut framed = Vec::with_capacity(message.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    stream.write_all(&framed).await
}

#[cfg(test)]
mod tests;
