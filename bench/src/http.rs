//! A keep-alive HTTP/1.1 client that does as little as possible, so that what is measured is the server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
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

impl Connection {
    /// Connects, without Nagle's delay.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("failed to connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream, buffer: vec![0; 65_536] })
    }

    /// Sends a POST and reads the answer.
    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> Result<Response> {
        self.send("POST", path, body)
    }

    /// Sends a request in one write and reads the answer.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request)?;
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

/// What is called again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// Of the server.
    pub(crate) address: SocketAddr,
    /// Path of the POST.
    pub(crate) path: &'a str,
    /// What is sent.
    pub(crate) body: &'a [u8],
    /// What must come back; `None` = anything that is no error.
    pub(crate) expected: Option<&'a [u8]>,
}

/// Answers per second with `callers` connections in a closed loop.
pub(crate) fn rate(call: Call<'_>, callers: usize, window: Duration) -> Result<f64> {
    let counts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(|| count_calls(call, window))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a caller does not panic")).collect::<Result<Vec<_>>>()
    })?;
    Ok(counts.iter().sum::<f64>() / window.as_secs_f64())
}

fn count_calls(call: Call<'_>, window: Duration) -> Result<f64> {
    let Call { address, path, body, expected } = call;
    let mut connection = Connection::open(address)?;
    let warm_up_end = Instant::now() + window / 3;
    while Instant::now() < warm_up_end {
        connection.post(path, body)?;
    }
    let end = Instant::now() + window;
    let mut count = 0.0;
    while Instant::now() < end {
        let response = connection.post(path, body)?;
        let is_right = expected.is_none_or(|expected| response.body == expected);
        if response.status != 200 || response.head.contains("x-amz-function-error") || !is_right {
            bail!("{path} answered {}: {}", response.status, String::from_utf8_lossy(&response.body));
        }
        count += 1.0;
    }
    Ok(count)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
