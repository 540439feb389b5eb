//! A server that plays what it is told, one request after the other, and tells what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tindra_outside::Endpoint;
use tindra_testkit::BOUND;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    /// An answer, on a connection that stays.
    Answer(u16, String),
    /// An answer, and the connection is closed without a word.
    Last(u16, String),
    /// An answer that ends in its midst, with the connection.
    Cut,
    /// An answer that stops in its midst.
    Stall,
    /// No answer.
    Silence,
    /// The connection is reset before anything is read.
    Reset,
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Method, target and version.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
}

pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    pub(crate) authority: String,
    seen: mpsc::UnboundedReceiver<Seen>,
}

pub(crate) fn answer(status: u16, body: &str) -> Play {
    Play::Answer(status, body.to_owned())
}

impl Server {
    pub(crate) async fn play(plays: impl IntoIterator<Item = Play>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let (sender, seen) = mpsc::unbounded_channel();
        let plays = Arc::new(Mutex::new(plays.into_iter().collect()));
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, connection, Arc::clone(&plays), sender.clone()));
            }
        });
        Self { endpoint: format!("http://{authority}").parse().unwrap(), authority, seen }
    }

    /// The next request.
    pub(crate) async fn seen(&mut self) -> Seen {
        tokio::time::timeout(BOUND, self.seen.recv()).await.expect("a request came").expect("the server runs")
    }

    /// Whether every request has been looked at.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.seen.try_recv().is_err()
    }
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    plays: Arc<Mutex<VecDeque<Play>>>,
    sender: mpsc::UnboundedSender<Seen>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        stream.get_ref().readable().await.unwrap();
        if stream.get_ref().peek(&mut [0]).await.unwrap_or_default() == 0 {
            return;
        }
        let play = plays.lock().unwrap().pop_front().expect("no more requests than plays");
        if let Play::Reset = play {
            // Closed with something unread in it, a socket resets its connection.
            return;
        }
        let seen = read(&mut stream, connection).await;
        match play {
            Play::Answer(status, body) => {
                write(&mut stream, status, body.len(), &body).await;
                let _ = sender.send(seen);
            }
            Play::Last(status, body) => {
                write(&mut stream, status, body.len(), &body).await;
                drop(stream);
                let _ = sender.send(seen);
                return;
            }
            Play::Cut => {
                write(&mut stream, 200, 100, "half").await;
                let _ = sender.send(seen);
                return;
            }
            Play::Stall => {
                write(&mut stream, 200, 100, "half").await;
                let _ = sender.send(seen);
                return std::future::pending().await;
            }
            Play::Silence => {
                let _ = sender.send(seen);
                return std::future::pending().await;
            }
            Play::Reset => unreachable!("it is handled before reading"),
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>, connection: usize) -> Seen {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let line = lines.remove(0);
    let pairs = lines.iter().map(|line| line.split_once(": ").unwrap());
    let headers: BTreeMap<String, String> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    Seen { line, headers, body: String::from_utf8(body).unwrap(), connection }
}

async fn write(stream: &mut BufReader<TcpStream>, status: u16, length: usize, body: &str) {
    let answer = format!("HTTP/1.1 {status} Any\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
}
