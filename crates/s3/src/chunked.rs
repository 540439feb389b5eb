//! Bodies in AWS's own chunks, where nobody's signature is verified.
//!
//! With signatures the wire layer takes such a body apart, because each chunk may carry one. With auth off the signatures mean
//! nothing, but the chunks are still there: `SIZE[;chunk-signature=…]`, a line end, the bytes, a line end; the last one is
//! empty, and headers may follow it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::StdError;

/// A line in such a body: a size, a signature, or a header with a checksum.
const LINE_BYTES_MAX: usize = 4_096;
const TRAILERS_MAX: usize = 16;

/// The headers after a body, once it has been read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trailers(Arc<Mutex<HeaderMap>>);

impl Trailers {
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let trailers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trailers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    fn add(&self, line: &[u8]) -> Result<(), &'static str> {
        let mut trailers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a trailer without a colon")?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| "a trailer's name")?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| "a trailer's value")?;
        if trailers.len() >= TRAILERS_MAX {
            return Err("too many trailers");
        }
        trailers.insert(name, value);
        Ok(())
    }
}

struct Reader<S> {
    body: S,
    buffer: BytesMut,
    /// Of the chunk under way.
    left: u64,
    /// A line end is due before the next chunk.
    is_inside: bool,
    trailers: Trailers,
    is_over: bool,
}

/// The bytes of a body in chunks, without the chunks.
pub(crate) fn plain<S>(body: S, trailers: Trailers) -> impl Stream<Item = Result<Bytes, StdError>> + Send
where
    S: Stream<Item = Result<Bytes, StdError>> + Unpin + Send,
{
    let reader = Reader { body, buffer: BytesMut::new(), left: 0, is_inside: false, trailers, is_over: false };
    let pieces = futures_util::stream::unfold(reader, |mut reader| async move {
        match reader.next().await {
            Ok(Some(piece)) => Some((Ok(piece), reader)),
            Ok(None) => None,
            Err(error) => {
                reader.is_over = true;
                Some((Err(error), reader))
            }
        }
    });
    // It may be looked at once more after its end.
    pieces.fuse()
}

impl<S> Reader<S>
where
    S: Stream<Item = Result<Bytes, StdError>> + Unpin + Send,
{
    async fn next(&mut self) -> Result<Option<Bytes>, StdError> {
        if self.is_over {
            return Ok(None);
        }
        if self.left == 0 {
            if self.is_inside && !self.line().await?.is_empty() {
                return Err("a chunk is longer than it says".into());
            }
            self.is_inside = true;
            self.left = size(&self.line().await?)?;
            if self.left == 0 {
                self.end().await?;
                return Ok(None);
            }
        }
        if self.buffer.is_empty() && !self.fill().await? {
            return Err("the body ends inside a chunk".into());
        }
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.buffer.len());
        self.left -= length as u64;
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Reads the trailers, and what there may be after them.
    async fn end(&mut self) -> Result<(), StdError> {
        self.is_over = true;
        loop {
            if self.buffer.is_empty() && !self.fill().await? {
                break;
            }
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            self.trailers.add(&line)?;
        }
        while self.fill().await? {
            self.buffer.clear();
        }
        Ok(())
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<Bytes, StdError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(end + 1);
                line.truncate(end);
                if line.last() == Some(&b'\r') {
                    line.truncate(end - 1);
                }
                return Ok(line.freeze());
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err("a chunk's head is too long".into());
            }
            if !self.fill().await? {
                // Some clients leave the last line end out.
                let rest = self.buffer.copy_to_bytes(self.buffer.len());
                return if self.is_over { Ok(rest) } else { Err("the body ends before its last chunk".into()) };
            }
        }
    }

    async fn fill(&mut self) -> Result<bool, StdError> {
        match self.body.next().await.transpose()? {
            Some(piece) => {
                self.buffer.extend_from_slice(&piece);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

fn size(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(|_| "a chunk's size")?;
    u64::from_str_radix(text.trim(), 16).map_err(|_| "a chunk's size")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &'static str, piece: usize) -> (Result<Vec<u8>, String>, Trailers) {
        let pieces: Vec<_> = body.as_bytes().chunks(piece).map(|piece| Ok(Bytes::from_static(piece))).collect();
        let trailers = Trailers::default();
        let mut plain = Box::pin(plain(futures_util::stream::iter(pieces), trailers.clone()));
        let mut bytes = Vec::new();
        while let Some(piece) = plain.next().await {
            match piece {
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(error) => return (Err(error.to_string()), trailers),
            }
        }
        (Ok(bytes), trailers)
    }

    #[tokio::test]
    async fn chunks_are_taken_apart_wherever_they_are_cut() {
        let body = "5;chunk-signature=abc\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        for piece in 1..body.len() {
            let (bytes, trailers) = read(body, piece).await;
            assert_eq!(bytes.unwrap(), b"hello!");
            assert_eq!(trailers.get("x-amz-checksum-crc32").as_deref(), Some("AAAA"));
        }
        assert_eq!(read("0\r\n\r\n", 3).await.0.unwrap(), b"");
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        for body in ["", "5\r\nhel", "5\r\nhello!\r\n0\r\n\r\n", "zz\r\n", "5\r\nhello\r\n", "-1\r\n"] {
            assert!(read(body, 2).await.0.is_err(), "{body:?}");
        }
    }
}
