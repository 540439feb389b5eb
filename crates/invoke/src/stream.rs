//! An answer that is passed on while the function makes it: [`AnswerSink`] is the function's end, [`AnswerStream`] the
//! caller's.
//!
//! Between the two lie at most [`PIECES`] pieces of [`PIECE_BYTES_MAX`] bytes, so a caller that reads slowly makes the function
//! wait and not the server's memory grow. A caller that goes away makes nothing wait: the function runs on, and what it
//! writes is thrown away (AWS: it is billed in full).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::environments::Finished;
use crate::error::InvokeError;
use crate::finishing::{Finishing, Panicked};
use crate::request::InvokeResponse;

/// The largest piece that is passed on at once.
const PIECE_BYTES_MAX: usize = 65_536;
/// Pieces that may lie between function and caller.
const PIECES: usize = 8;

/// What comes out of a function before its end.
#[derive(Debug)]
enum Piece {
    /// It has begun to answer with this `Content-Type`.
    Begin { content_type: Option<String> },
    /// Some bytes of the answer, never none.
    Data(Bytes),
}

/// Where the function's answer goes as it is made. Cheap to clone; all clones mean the same answer.
#[derive(Clone, Debug)]
pub struct AnswerSink {
    pieces: mpsc::Sender<Piece>,
}

impl AnswerSink {
    /// The answer begins; what it is comes as [`AnswerSink::write`] gives it on.
    pub async fn begin(&self, content_type: Option<String>) {
        // A caller that has gone is no reason to stop.
        let _ = self.pieces.send(Piece::Begin { content_type }).await;
    }

    /// Passes bytes on as soon as there is room for them.
    pub async fn write(&self, mut data: Bytes) {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE_BYTES_MAX));
            if self.pieces.send(Piece::Data(piece)).await.is_err() {
                return;
            }
        }
    }

    /// Whether nobody reads the answer any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.pieces.is_closed()
    }
}

/// A part of an answer that comes as it is made.
#[derive(Debug)]
pub enum AnswerPart {
    /// Some bytes, never none.
    Data(Bytes),
    /// The end, always the last part: what was written is the whole answer when the outcome is a success. Its bytes
    /// are none then; they have been passed on.
    End(Result<Finished, InvokeError>),
}

/// The caller's end of an answer that has begun. Dropped, the function runs on to its own end.
pub struct AnswerStream {
    /// What the function says that it is.
    pub content_type: Option<String>,
    pieces: mpsc::Receiver<Piece>,
    run: Run,
}

/// What becomes of the invoke, as long as it is not known.
enum Run {
    /// A task of its own: a caller that takes nothing may not hold up the end of the invoke.
    Running(JoinHandle<Result<Finished, InvokeError>>),
    Ended(Option<Result<Finished, InvokeError>>),
}

impl AnswerStream {
    /// Waits for the next part; none after the end.
    pub async fn next(&mut self) -> Option<AnswerPart> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The same as a poll.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<AnswerPart>> {
        if let Run::Running(run) = &mut self.run
            && let Poll::Ready(ended) = Pin::new(run).poll(context)
        {
            self.run = Run::Ended(Some(ended.unwrap_or_else(|error| Err(lost(error)))));
        }
        let is_running = matches!(self.run, Run::Running(_));
        if !is_running {
            // What the function wrote is all here; a clone of its end that somebody still holds is no reason to wait.
            self.pieces.close();
        }
        loop {
            return match self.pieces.poll_recv(context) {
                Poll::Ready(Some(Piece::Begin { .. })) => continue,
                Poll::Ready(Some(Piece::Data(data))) => Poll::Ready(Some(AnswerPart::Data(data))),
                Poll::Ready(None) if is_running => Poll::Pending,
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => match &mut self.run {
                    Run::Ended(ended) => Poll::Ready(ended.take().map(AnswerPart::End)),
                    Run::Running(_) => Poll::Pending,
                },
            };
        }
    }
}

impl fmt::Debug for AnswerStream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AnswerStream").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// Both ends of an answer.
pub(crate) fn channel() -> (AnswerSink, Beginning) {
    let (sender, receiver) = mpsc::channel(PIECES);
    (AnswerSink { pieces: sender }, Beginning { pieces: receiver })
}

/// The caller's end of an answer that may never begin.
pub(crate) struct Beginning {
    pieces: mpsc::Receiver<Piece>,
}

/// How an invoke goes on whose answer may come as a stream.
pub(crate) enum Begun {
    /// The function has begun to answer.
    Stream(AnswerStream),
    /// It answered whole, or not at all.
    Whole(Result<InvokeResponse, InvokeError>),
}

impl Beginning {
    /// Runs an invoke until its answer begins, or it has ended without.
    pub(crate) async fn of(mut self, mut run: Finishing<Result<InvokeResponse, InvokeError>>) -> Begun {
        let begun = tokio::select! {
            biased;
            ended = &mut run => Err(ended),
            Some(Piece::Begin { content_type }) = self.pieces.recv() => Ok(content_type),
        };
        let (content_type, run) = match begun {
            Ok(content_type) => (content_type, Run::Running(tokio::spawn(async move { finished(run.await) }))),
            // A short answer may have begun and ended by the time that anybody looked.
            Err(ended) => match self.pieces.try_recv() {
                Ok(Piece::Begin { content_type }) => (content_type, Run::Ended(Some(finished(ended)))),
                Ok(Piece::Data(_)) | Err(_) => return Begun::Whole(whole(ended)),
            },
        };
        Begun::Stream(AnswerStream { content_type, pieces: self.pieces, run })
    }
}

/// How a run ends, or panicked.
type Ended = Result<Result<InvokeResponse, InvokeError>, Panicked>;

fn whole(ended: Ended) -> Result<InvokeResponse, InvokeError> {
    ended.unwrap_or_else(|error| Err(lost(error)))
}

fn finished(ended: Ended) -> Result<Finished, InvokeError> {
    match whole(ended)? {
        InvokeResponse::Completed { finished, .. } => Ok(finished),
        other => Err(lost(std::io::Error::other(format!("{other:?} is no end of a run")))),
    }
}

fn lost(error: impl std::error::Error + Send + Sync + 'static) -> InvokeError {
    InvokeError::internal("finish the invoke", error)
}
