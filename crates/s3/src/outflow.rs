//! Bytes that go out: read from files as the reader takes them.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::files::{Files, Lease};

/// What is read at once.
const PIECE_BYTES: usize = 512 << 10;

/// Some bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) file: Uuid,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The bytes of segments, one after the other.
#[derive(Debug)]
pub(crate) struct Outflow {
    files: Files,
    segments: VecDeque<Segment>,
    /// Of the segment that is read.
    open: Option<File>,
    reading: Option<JoinHandle<io::Result<(File, Bytes)>>>,
    left: u64,
    _lease: Option<Lease>,
}

impl Outflow {
    /// Opens the first file, so that one that is gone is noticed while there is still something to be done about it.
    pub(crate) fn open(files: &Files, segments: Vec<Segment>, lease: Option<Lease>) -> io::Result<Self> {
        let open = segments.first().map(|segment| files.read(segment.file)).transpose()?;
        let left = segments.iter().map(|segment| segment.length).sum();
        Ok(Self { files: files.clone(), segments: segments.into(), open, reading: None, left, _lease: lease })
    }

    /// Begins to read the next piece; none at the end.
    fn read_on(&mut self) -> Option<JoinHandle<io::Result<(File, Bytes)>>> {
        while self.segments.front().is_some_and(|segment| segment.length == 0) {
            self.segments.pop_front();
            self.open = None;
        }
        let segment = self.segments.front_mut()?;
        let length = usize::try_from(segment.length).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let (files, open) = (self.files.clone(), self.open.take());
        let Segment { file, offset, .. } = *segment;
        segment.offset += length as u64;
        segment.length -= length as u64;
        Some(tokio::task::spawn_blocking(move || {
            let open = open.map_or_else(|| files.read(file), Ok)?;
            let mut piece = vec![0; length];
            open.read_exact_at(&mut piece, offset)?;
            Ok((open, Bytes::from(piece)))
        }))
    }
}

impl Stream for Outflow {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.reading.is_none() {
            self.reading = self.read_on();
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        match read {
            Ok(Ok((file, piece))) => {
                self.open = Some(file);
                self.left -= piece.len() as u64;
                Poll::Ready(Some(Ok(piece)))
            }
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "failed to read a file of S3");
                Poll::Ready(Some(Err(error.into())))
            }
            Err(error) => Poll::Ready(Some(Err(error.into()))),
        }
    }
}

impl ByteStream for Outflow {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.left).unwrap_or(usize::MAX))
    }
}

/// What of all segments lies in a range of their bytes.
pub(crate) fn cut(segments: impl IntoIterator<Item = Segment>, range: std::ops::Range<u64>) -> Vec<Segment> {
    let mut start = 0;
    let mut inside = Vec::new();
    for segment in segments {
        let end = start + segment.length;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            inside.push(Segment { offset: segment.offset + from - start, length: to - from, ..segment });
        }
        start = end;
    }
    inside
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;
    use crate::files::Draft;

    #[tokio::test]
    async fn ranges_go_over_files() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path().join("s3")).unwrap();
        let segments: Vec<Segment> = [b"abc".as_slice(), b"defg", b"h"]
            .into_iter()
            .map(|bytes| {
                let draft = Draft::new(files.clone());
                std::fs::write(draft.path(), bytes).unwrap();
                let segment = Segment { file: draft.id, offset: 0, length: bytes.len() as u64 };
                draft.keep();
                segment
            })
            .collect();
        for (range, expected) in [(0..8, "abcdefgh"), (2..4, "cd"), (3..7, "defg"), (7..8, "h"), (1..1, "")] {
            let outflow = Outflow::open(&files, cut(segments.clone(), range), None).unwrap();
            assert_eq!(outflow.remaining_length().exact(), Some(expected.len()));
            let pieces: Vec<_> = outflow.map(Result::unwrap).collect().await;
            assert_eq!(pieces.concat(), expected.as_bytes());
        }
    }
}
