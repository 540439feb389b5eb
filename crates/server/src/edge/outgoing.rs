//! The body of an answer: whole, as almost all are, or a stream that comes as it is made.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};

use super::timed_stream::Answering;

/// A stream of bytes that may break off, which ends the connection: a client must not take a part for the whole.
pub(super) type Stream = UnsyncBoxBody<Bytes, io::Error>;

/// The body of an answer.
#[derive(Debug)]
pub struct Outgoing {
    content: Content,
    /// The connection waits for its client as long as this is here.
    answering: Option<Answering>,
}

#[derive(Debug)]
enum Content {
    Whole(Full<Bytes>),
    Streamed(Stream),
}

impl Outgoing {
    pub(super) fn streamed(stream: impl Body<Data = Bytes, Error = io::Error> + Send + 'static) -> Self {
        Self { content: Content::Streamed(stream.boxed_unsync()), answering: None }
    }

    /// Whether it comes as it is made.
    pub(super) fn is_streamed(&self) -> bool {
        matches!(self.content, Content::Streamed(_))
    }

    /// Keeps a connection in a request until the last byte is out.
    pub(super) fn keep(&mut self, answering: Answering) {
        self.answering = Some(answering);
    }
}

impl From<Full<Bytes>> for Outgoing {
    fn from(whole: Full<Bytes>) -> Self {
        Self { content: Content::Whole(whole), answering: None }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.content {
            Content::Whole(whole) => Pin::new(whole).poll_frame(context).map_err(|never| match never {}),
            Content::Streamed(stream) => Pin::new(stream).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(whole) => whole.is_end_stream(),
            Content::Streamed(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(whole) => whole.size_hint(),
            Content::Streamed(stream) => stream.size_hint(),
        }
    }
}
