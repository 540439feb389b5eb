//! Bytes that come in: into a file as they come, with their checksums, so that no more than a few pieces are in memory.

use std::fs::File;
use std::io::{self, Write as _};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt as _;
use s3s::{S3Error, S3ErrorCode, S3Result, StdError, s3_error};

use crate::checksums::{Algorithm, Digest, Digested};
use crate::failure::storage;
use crate::files::{Draft, Files, sync_parent};

/// What is collected before it is written: pieces of the network are small, and each write is a change of threads.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes that are on the disk for good, under a name that no record has yet.
#[derive(Debug)]
pub(crate) struct Taken {
    /// None when there were no bytes.
    pub(crate) draft: Option<Draft>,
    pub(crate) size: u64,
    pub(crate) digested: Digested,
}

/// Where bytes go, on a thread that may block.
struct Sink {
    draft: Draft,
    file: Option<File>,
    digest: Digest,
    size: u64,
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => {
                let mut file = File::create_new(self.draft.path())?;
                file.write_all(bytes)?;
                self.file = Some(file);
                Ok(())
            }
        }
    }

    fn finish(self) -> io::Result<Taken> {
        let Self { draft, file, digest, size } = self;
        let draft = match file {
            Some(file) => {
                file.sync_all()?;
                sync_parent(&draft.path())?;
                Some(draft)
            }
            None => None,
        };
        Ok(Taken { draft, size, digested: digest.finish() })
    }
}

/// Takes all bytes of a stream, at most so many.
pub(crate) async fn take<S>(files: &Files, stream: S, algorithm: Algorithm, bytes_max: u64) -> S3Result<Taken>
where
    S: Stream<Item = Result<Bytes, StdError>>,
{
    let mut stream = std::pin::pin!(stream);
    let mut sink = Sink { draft: Draft::new(files.clone()), file: None, digest: Digest::new(algorithm), size: 0 };
    let mut left = bytes_max;
    let mut piece = collect(stream.as_mut()).await?;
    while !piece.is_empty() {
        left = left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"))?;
        // The next piece comes in while this one is written.
        let writing = tokio::task::spawn_blocking(move || sink.write(&piece).map(|()| sink));
        let (written, next) = tokio::join!(writing, collect(stream.as_mut()));
        sink = joined(written)?;
        piece = next?;
    }
    joined(tokio::task::spawn_blocking(move || sink.finish()).await)
}

/// What came, at most about a piece; nothing at the end.
async fn collect<S>(mut stream: std::pin::Pin<&mut S>) -> S3Result<Bytes>
where
    S: Stream<Item = Result<Bytes, StdError>>,
{
    let mut collected = BytesMut::new();
    while let Some(some) = stream.next().await {
        let some = some.map_err(|error| refusal(error.as_ref()))?;
        if collected.is_empty() && some.len() >= PIECE_BYTES {
            return Ok(some);
        }
        collected.extend_from_slice(&some);
        if collected.len() >= PIECE_BYTES {
            break;
        }
    }
    Ok(collected.freeze())
}

/// Why bytes did not come, in S3's words. The wire layer tells its errors apart by their text only.
fn refusal(error: &(dyn std::error::Error + Send + Sync + 'static)) -> S3Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    tracing::debug!(error = text, "a body of S3 did not come");
    let (code, message) = if text.contains("SignatureMismatch") {
        let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
        (S3ErrorCode::SignatureDoesNotMatch, message)
    } else if text.contains("Sha256Mismatch") {
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        (S3ErrorCode::from_bytes(b"XAmzContentSHA256Mismatch").unwrap_or(S3ErrorCode::InvalidRequest), message)
    } else if text.contains(crate::patience::STALLED) {
        let message = "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.";
        (S3ErrorCode::RequestTimeout, message)
    } else {
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        (S3ErrorCode::IncompleteBody, message)
    };
    S3Error::with_message(code, message)
}

fn joined<T>(result: Result<io::Result<T>, tokio::task::JoinError>) -> S3Result<T> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(storage("write a file", &error)),
        Err(error) => Err(storage("write a file", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(pieces: usize, bytes: usize) -> impl Stream<Item = Result<Bytes, StdError>> {
        futures_util::stream::iter((0..pieces).map(move |piece| Ok(Bytes::from(vec![piece as u8; bytes]))))
    }

    #[tokio::test]
    async fn what_comes_in_pieces_is_written_whole() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path().join("s3")).unwrap();
        let taken = take(&files, stream(50, 100_000), Algorithm::Crc32, 1 << 30).await.unwrap();
        let written = std::fs::read(taken.draft.as_ref().unwrap().path()).unwrap();
        let expected: Vec<u8> = (0..50_u8).flat_map(|piece| vec![piece; 100_000]).collect();
        assert!(written == expected && taken.size == 5_000_000);
        assert!(take(&files, stream(0, 0), Algorithm::Crc32, 9).await.unwrap().draft.is_none());
    }

    #[tokio::test]
    async fn what_breaks_off_or_is_too_large_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path().join("s3")).unwrap();
        let error = take(&files, stream(3, 10), Algorithm::Crc32, 29).await.unwrap_err();
        assert_eq!(*error.code(), S3ErrorCode::EntityTooLarge);
        let broken = stream(30, 1 << 20).chain(futures_util::stream::once(async { Err("gone".into()) }));
        let error = take(&files, broken, Algorithm::Crc32, 1 << 30).await.unwrap_err();
        assert_eq!(*error.code(), S3ErrorCode::IncompleteBody);
        assert!(files.all().unwrap().is_empty());
    }
}
