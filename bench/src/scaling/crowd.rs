//! Many callers in one thread: a keep-alive connection each, opened before anything is measured.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One connection.
#[derive(Debug)]
pub(super) struct Caller {
    sender: SendRequest<Full<Bytes>>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) is_function_error: bool,
    pub(super) body: Bytes,
}

impl Answer {
    /// Whether the function answered.
    pub(super) fn is_good(&self) -> bool {
        self.status == 200 && !self.is_function_error
    }
}

impl Caller {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("failed to connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends when the sender is dropped; its errors are those of the requests.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    pub(super) async fn post(&mut self, path: &str, body: Bytes) -> Result<Answer> {
        let request = Request::post(path).header("host", "bench").body(Full::new(body))?;
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status().as_u16();
            let is_function_error = response.headers().contains_key("x-amz-function-error");
            anyhow::Ok(Answer { status, is_function_error, body: response.into_body().collect().await?.to_bytes() })
        };
        tokio::time::timeout(PATIENCE, exchange).await.with_context(|| format!("no answer within {PATIENCE:?}"))?
    }
}

/// Opens so many connections.
pub(super) async fn gather(address: SocketAddr, count: usize) -> Result<Vec<Caller>> {
    let mut callers = Vec::with_capacity(count);
    for _ in 0..count {
        callers.push(Caller::open(address).await?);
    }
    Ok(callers)
}

/// Each caller sends the same request at once; waits for all answers.
pub(super) async fn all_at_once(callers: Vec<Caller>, path: &str, body: &Bytes) -> Result<(Vec<Caller>, Vec<Answer>)> {
    let mut requests = JoinSet::new();
    for mut caller in callers {
        let (path, body) = (path.to_owned(), body.clone());
        requests.spawn(async move {
            let answer = caller.post(&path, body).await?;
            anyhow::Ok((caller, answer))
        });
    }
    let (mut callers, mut answers) = (Vec::new(), Vec::new());
    while let Some(done) = requests.join_next().await {
        let (caller, answer) = done??;
        callers.push(caller);
        answers.push(answer);
    }
    Ok((callers, answers))
}

/// How many answers are not good, by status, and what the first one says.
pub(super) fn complaints(answers: &[Answer]) -> String {
    let mut statuses = BTreeMap::<u16, usize>::new();
    answers.iter().filter(|answer| !answer.is_good()).for_each(|bad| *statuses.entry(bad.status).or_default() += 1);
    let first = answers.iter().find(|answer| !answer.is_good());
    let first = first.map(|answer| String::from_utf8_lossy(&answer.body)).unwrap_or_default();
    format!("{statuses:?} were not good; the first: {first}")
}
