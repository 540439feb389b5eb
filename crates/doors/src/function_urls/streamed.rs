//! The body of an answer that comes as the function makes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use tindra_invoke::environments::Outcome;
use tindra_invoke::{AnswerPart, AnswerStream};

/// See the module's head. A function that fails in the middle breaks the body off.
#[derive(Debug)]
pub(super) struct Streamed {
    first: Bytes,
    answer: AnswerStream,
}

impl Streamed {
    /// `first` is what has been read already.
    pub(super) fn new(first: Bytes, answer: AnswerStream) -> Self {
        Self { first, answer }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        Poll::Ready(match ready!(self.answer.poll_next(context)) {
            Some(AnswerPart::Data(data)) => Some(Ok(Frame::data(data))),
            Some(AnswerPart::End(Ok(finished))) => match finished.outcome {
                Outcome::Success(_) => None,
                Outcome::FunctionError(_) => {
                    Some(Err(io::Error::other("the function failed after it had begun to answer")))
                }
            },
            Some(AnswerPart::End(Err(error))) => Some(Err(io::Error::other(error))),
            None => None,
        })
    }
}
