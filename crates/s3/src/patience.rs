//! A body that does not wait for ever for its client, and of which it is known afterwards whether it was read to its end.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use s3s::StdError;
use tokio::time::{Instant, Sleep};

/// For the next piece to arrive.
const STALL: Duration = Duration::from_secs(30);
/// What the error of a body that does not come says.
pub(crate) const STALLED: &str = "nothing of the body has come for a while";
/// What is read of a body that is refused anyway.
const DISCARDED_BYTES_MAX: usize = 256 << 20;

/// A body whose pieces come in time, or not at all.
pub(crate) struct Patient<B> {
    body: Shared<B>,
    until: Pin<Box<Sleep>>,
}

/// A body that somebody else reads.
pub(crate) struct Shared<B>(Arc<Mutex<Source<B>>>);

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Source<B> {
    body: B,
    /// Whether its client has been told to send it.
    is_begun: bool,
    is_over: bool,
}

impl<B> Patient<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    pub(crate) fn new(body: B) -> (Self, Shared<B>) {
        let source = Source { is_over: body.is_end_stream(), body, is_begun: false };
        let body = Shared(Arc::new(Mutex::new(source)));
        (Self { body: body.clone(), until: Box::pin(tokio::time::sleep(STALL)) }, body)
    }
}

impl<B> Shared<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    /// Takes what is left of it and forgets it, because many clients look for the answer only after they have sent
    /// everything. False when the connection is of no use any more.
    pub(crate) async fn discard(self, is_held_back: bool) -> bool {
        let (is_begun, is_over) = {
            let source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (source.is_begun, source.is_over)
        };
        if is_over || (is_held_back && !is_begun) {
            return is_over;
        }
        let Some(source) = Arc::into_inner(self.0) else { return false };
        let mut body = source.into_inner().unwrap_or_else(PoisonError::into_inner).body;
        let mut left = DISCARDED_BYTES_MAX;
        let everything = async {
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return false };
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(STALL, everything).await.unwrap_or(false)
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
        let polled = {
            let mut source = self.body.0.lock().unwrap_or_else(PoisonError::into_inner);
            source.is_begun = true;
            let polled = Pin::new(&mut source.body).poll_frame(context);
            source.is_over = matches!(polled, Poll::Ready(None)) || source.body.is_end_stream();
            polled
        };
        if let Poll::Ready(frame) = polled {
            self.until.as_mut().reset(Instant::now() + STALL);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        match self.until.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(STALLED.into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.0.lock().unwrap_or_else(PoisonError::into_inner).body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.0.lock().unwrap_or_else(PoisonError::into_inner).body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, std::io::Error>>());
        let (mut body, shared) = Patient::new(never);
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), STALLED);
        drop(body);
        assert!(!shared.discard(false).await);
    }

    #[tokio::test]
    async fn what_is_left_is_taken_unless_it_was_not_asked_for() {
        let pieces = || {
            let pieces = (0..3).map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"abcd"))));
            Patient::new(StreamBody::new(futures_util::stream::iter(pieces)))
        };
        for (is_held_back, reads, is_of_use) in [(false, 0, true), (true, 0, false), (true, 1, true)] {
            let (mut body, shared) = pieces();
            for _ in 0..reads {
                body.frame().await.unwrap().unwrap();
            }
            drop(body);
            assert_eq!(shared.discard(is_held_back).await, is_of_use, "{is_held_back} {reads}");
        }
    }
}
