//! The floor of a warm invoke: `POST /invoke` → queue → `GET …/next` → `POST …/response`, on the same library as the server,
//! without authentication, logs, limits or isolation. With it the same runtime client, as bare processes.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

type Answer = oneshot::Sender<Bytes>;
type Event = (u64, Bytes);

#[derive(Default)]
struct State {
    next_id: u64,
    events: VecDeque<Event>,
    idle: VecDeque<oneshot::Sender<Event>>,
    answers: HashMap<u64, Answer>,
}

/// A running relay.
#[derive(Clone)]
pub(crate) struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Relay {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until so many clients wait for an event.
    pub(crate) fn wait_for_clients(&self, count: usize) -> Result<()> {
        let end = std::time::Instant::now() + CLIENTS_PATIENCE;
        while lock(&self.state).idle.len() < count {
            anyhow::ensure!(
                std::time::Instant::now() < end,
                "only {} of {count} clients came",
                lock(&self.state).idle.len()
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Ok(())
    }
}

/// How long a crowd of runtimes may take to start.
const CLIENTS_PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// Starts the relay in this process.
pub(crate) fn start() -> Result<Relay> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let state = Arc::<Mutex<State>>::default();
    let shared = Arc::clone(&state);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let state = shared;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            sender.send(listener.local_addr()?).context("nobody waits for the address")?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let state = Arc::clone(&state);
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(serve(request, &state).await) }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
            #[expect(unreachable_code, reason = "gives the block its error type")]
            anyhow::Ok(())
        })
    });
    Ok(Relay { address: receiver.recv().context("the relay did not start")?, state })
}

async fn serve(request: Request<Incoming>, state: &Mutex<State>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    if path.ends_with("/next") {
        return next(state).await;
    }
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    match path.strip_suffix("/response").and_then(|path| path.rsplit('/').next()?.parse::<u64>().ok()) {
        Some(id) => {
            if let Some(answer) = lock(state).answers.remove(&id) {
                let _ = answer.send(body);
            }
            Response::builder().status(202).body(Full::default()).expect("a valid response")
        }
        None => invoke(body, state).await,
    }
}

async fn next(state: &Mutex<State>) -> Response<Full<Bytes>> {
    let (sender, receiver) = oneshot::channel();
    {
        let mut state = lock(state);
        match state.events.pop_front() {
            Some(event) => drop(sender.send(event)),
            None => state.idle.push_back(sender),
        }
    }
    let (id, body) = receiver.await.unwrap_or_default();
    Response::builder()
        .header("lambda-runtime-aws-request-id", id.to_string())
        .header("lambda-runtime-deadline-ms", "9999999999999")
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:bench")
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .expect("a valid response")
}

async fn invoke(body: Bytes, state: &Mutex<State>) -> Response<Full<Bytes>> {
    let (sender, receiver) = oneshot::channel();
    {
        let mut state = lock(state);
        state.next_id += 1;
        let id = state.next_id;
        state.answers.insert(id, sender);
        let mut event = (id, body);
        loop {
            match state.idle.pop_front() {
                Some(client) => match client.send(event) {
                    Ok(()) => break,
                    Err(unsent) => event = unsent,
                },
                None => {
                    state.events.push_back(event);
                    break;
                }
            }
        }
    }
    Response::new(Full::new(receiver.await.unwrap_or_default()))
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Bare processes of a runtime; ended when dropped.
#[derive(Debug)]
pub(crate) struct Clients(Vec<Child>);

impl Clients {
    /// Starts processes of a runtime pack, as a plain start would but without a sandbox: in the pack as root directory, which
    /// is the only way to run its own interpreter and client.
    pub(crate) fn start(
        pack: &Path,
        command: &[&str],
        handler: &str,
        code: &Path,
        relay: &Relay,
        count: usize,
    ) -> Result<Self> {
        let variables = [
            "NODE_PATH=/var/runtime/node_modules".to_owned(),
            format!("_HANDLER={handler}"),
            "LAMBDA_TASK_ROOT=/var/task".to_owned(),
            format!("AWS_LAMBDA_RUNTIME_API={}", relay.address()),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769".to_owned(),
        ];
        let mut clients = Self(Vec::new());
        for _ in 0..count {
            let mut process = in_pack(pack, code, &variables, command);
            process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            clients.0.push(process.spawn().context("failed to run unshare (util-linux), which the floor needs")?);
        }
        relay.wait_for_clients(count)?;
        Ok(clients)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for process in &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A command in a runtime pack as its root directory, with `code` as `/var/task`: in a mount namespace of its own and otherwise
/// without a sandbox. It needs root.
pub(crate) fn in_pack(pack: &Path, code: &Path, variables: &[String], command: &[&str]) -> Command {
    let root = pack.display();
    let script = format!(
        "mount --bind /dev {root}/dev && mount -t proc proc {root}/proc && mount --bind {} {root}/var/task && exec chroot {root} \"$@\"",
        code.display()
    );
    let mut process = Command::new("unshare");
    process.args(["-m", "sh", "-c", &script, "sh", "/usr/bin/env", "-i", "-C", "/var/task"]);
    process.args(["LANG=en_US.UTF-8", "LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64"]).args(variables).args(command);
    process
}

/// The tree of a runtime pack below a directory of packs.
pub(crate) fn pack(runtimes: &Path, runtime: &str) -> Result<PathBuf> {
    let manifest = std::fs::read(runtimes.join(format!("{runtime}.json")))?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest)?;
    Ok(runtimes.join(manifest["directory"].as_str().context("the manifest names no directory")?))
}
