//! A keep-alive HTTP/1.1 client that does as little as possible, so that what is measured is the server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    headers: String,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    /// Status code.
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    /// Body.
    pub(crate) body: Vec<u8>,
}

/// The header lines of requests for which nothing else is named.
pub(crate) const HEADERS: &str = "host: bench\r\n";

impl Connection {
    /// Connects, without Nagle's delay.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        Self::open_with(address, HEADERS)
    }

    /// The same with these header lines, the host's among them, in each request.
    pub(crate) fn open_with(address: SocketAddr, headers: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("failed to connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream, headers: headers.to_owned(), buffer: vec![0; 65_536] })
    }

    /// Sends a POST and reads the answer.
    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> Result<Response> {
        self.send("POST", path, body)
    }

    /// Sends a request in one write and reads the answer.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        self.write(method, path, body)?;
        let mut filled = 0;
        let head_end = loop {
            if let Some(end) = find(&self.buffer[..filled], b"\r\n\r\n") {
                break end + 4;
            }
            filled += self.read_some(filled)?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("the answer has no status")?;
        let length = match head.split("content-length:").nth(1) {
            Some(rest) => rest.lines().next().unwrap_or_default().trim().parse()?,
            None if status == 204 => 0,
            None if head.contains("transfer-encoding: chunked") => {
                let body = self.chunks(head_end, filled)?;
                return Ok(Response { status, head, body });
            }
            None => bail!("the answer has no length: {head}"),
        };
        while filled < head_end + length {
            filled += self.read_some(filled)?;
        }
        Ok(Response { status, head, body: self.buffer[head_end..head_end + length].to_vec() })
    }

    /// Sends a POST and reads an answer in chunks: how long it took until `mark` had come in its body, and until all of it had.
    pub(crate) fn post_until(&mut self, path: &str, body: &[u8], mark: &[u8]) -> Result<(Duration, Duration)> {
        let started = Instant::now();
        self.write("POST", path, body)?;
        let (mut filled, mut marked) = (0, None);
        loop {
            filled += self.read_some(filled)?;
            let so_far = &self.buffer[..filled];
            if marked.is_none() && find(so_far, mark).is_some() {
                marked = Some(started.elapsed());
            }
            if so_far.ends_with(b"\r\n0\r\n\r\n") {
                break;
            }
        }
        let text = String::from_utf8_lossy(&self.buffer[..filled]);
        let marked = marked.with_context(|| format!("{path} answered without the mark: {text}"))?;
        Ok((marked, started.elapsed()))
    }

    /// In one write.
    fn write(&mut self, method: &str, path: &str, body: &[u8]) -> Result<()> {
        let (headers, length) = (&self.headers, body.len());
        let mut request = format!("{method} {path} HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n").into_bytes();
        request.extend_from_slice(body);
        Ok(self.stream.write_all(&request)?)
    }

    /// Reads a body in chunks that begins at `start`; there are no trailers.
    fn chunks(&mut self, start: usize, mut filled: usize) -> Result<Vec<u8>> {
        let (mut body, mut at) = (Vec::new(), start);
        loop {
            let line_end = loop {
                if let Some(end) = find(&self.buffer[at..filled], b"\r\n") {
                    break at + end;
                }
                filled += self.read_some(filled)?;
            };
            let size = String::from_utf8_lossy(&self.buffer[at..line_end]).into_owned();
            let size = usize::from_str_radix(size.trim(), 16).context("a chunk without a size")?;
            let data = line_end + 2;
            while filled < data + size + 2 {
                filled += self.read_some(filled)?;
            }
            body.extend_from_slice(&self.buffer[data..data + size]);
            at = data + size + 2;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn read_some(&mut self, filled: usize) -> Result<usize> {
        if filled == self.buffer.len() {
            self.buffer.resize(filled * 2, 0);
        }
        match self.stream.read(&mut self.buffer[filled..])? {
            0 => bail!("the server closed the connection"),
            count => Ok(count),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
