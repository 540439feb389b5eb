//! A body that does not wait for ever for its client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use s3s::StdError;
use tokio::time::{Instant, Sleep};

/// For the next piece to arrive.
const STALL: Duration = Duration::from_secs(30);
/// What the error of a body that does not come says.
pub(crate) const STALLED: &str = "nothing of the body has come for a while";

/// A body whose pieces come in time, or not at all.
pub(crate) struct Patient<B> {
    body: B,
    until: Pin<Box<Sleep>>,
}

impl<B> Patient<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, until: Box::pin(tokio::time::sleep(STALL)) }
    }
}

impl<B> Body for Patient<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.until.as_mut().reset(Instant::now() + STALL);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        // The time between two looks is ours and not the client's, which has been given the whole of its time when we last took something.
        match self.until.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(STALLED.into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
