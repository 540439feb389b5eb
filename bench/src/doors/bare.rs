//! Bare HTTP servers that stream what the function streams: one on hyper in this process, one of the pack's own Node.js.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;

use super::streams::{MARK, SOURCE, STREAM_BYTES};
use crate::relay;

const CHUNK: &[u8] = &[b'x'; 65_536];
/// Between the mark and the end, as in the function.
const PAUSE: Duration = Duration::from_millis(3);
/// Behind the function's source.
const NODE_SERVER: &str = r#"
import http from "node:http";
const server = http.createServer((request, response) => {
  request.resume().once("end", () => write(request.url, response));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"#;

/// A server of a process of its own; ended when dropped.
#[derive(Debug)]
pub(super) struct Node {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Node {
    /// Starts it in the pack as root directory, which only root may do.
    pub(super) fn start(pack: &Path, scratch: &Path) -> Result<Self> {
        let code = scratch.join("bare-node");
        std::fs::create_dir_all(&code)?;
        std::fs::write(code.join("server.mjs"), format!("{SOURCE}{NODE_SERVER}"))?;
        let mut command = relay::in_pack(pack, &code, &[], &["/var/lang/bin/node", "/var/task/server.mjs"]);
        Self::launch(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()))
    }

    fn launch(command: &mut Command) -> Result<Self> {
        let process = command.spawn().context("failed to run unshare (util-linux), which the bare Node.js needs")?;
        // From here on it is ended when anything fails.
        let mut node = Self { process, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut told = String::new();
        BufReader::new(node.process.stdout.take().context("its output")?).read_line(&mut told)?;
        let port =
            told.trim().parse().context("the bare Node.js did not start: it is run in the pack by root alone")?;
        node.address.set_port(port);
        Ok(node)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts the one on hyper in this process, on a thread of its own.
pub(super) fn start_hyper() -> Result<SocketAddr> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            sender.send(listener.local_addr()?).context("nobody waits for the address")?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(serve));
                tokio::spawn(connection);
            }
            #[expect(unreachable_code, reason = "gives the block its error type")]
            anyhow::Ok(())
        })
    });
    receiver.recv().context("the bare server did not start")
}

async fn serve(request: Request<Incoming>) -> Result<Response<Script>, Infallible> {
    let script = if request.uri().path() == "/first" { Script::mark_first() } else { Script::much() };
    // As any server that makes something of a request has to.
    let _ = request.into_body().collect().await;
    Ok(Response::new(script))
}

/// A body that is written in steps.
#[derive(Debug)]
struct Script {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Step {
    Write(&'static [u8]),
    Wait(Duration),
}

impl Script {
    fn mark_first() -> Self {
        Self { steps: [Step::Write(MARK), Step::Wait(PAUSE), Step::Write(b"LAST-BYTES")].into(), pause: None }
    }

    fn much() -> Self {
        let whole = (0..STREAM_BYTES / CHUNK.len()).map(|_| Step::Write(CHUNK));
        let rest = Step::Write(&CHUNK[..STREAM_BYTES % CHUNK.len()]);
        Self { steps: whole.chain([rest, Step::Write(b"LAST-BYTES")]).collect(), pause: None }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.steps.pop_front() {
                Some(Step::Write(data)) => return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(data))))),
                Some(Step::Wait(pause)) => self.pause = Some(Box::pin(tokio::time::sleep(pause))),
                None => return Poll::Ready(None),
            }
        }
    }
}
