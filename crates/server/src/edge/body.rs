//! Reading request bodies: each with its limit, all together with a budget of memory, none for ever.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bodies up to this size are not counted: the limit on connections bounds them.
const UNCOUNTED_BYTES: usize = 1 << 20;
/// The unit in which memory is handed out.
const UNIT_BYTES: usize = 1 << 16;
/// What is read of a body that is refused anyway.
const DISCARDED_BYTES_MAX: usize = 256 << 20;
/// For the next piece of a body to arrive.
const STALL: Duration = Duration::from_secs(30);

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is larger than its limit.
    TooLarge,
    /// Nothing came for a while.
    Stalled,
    /// The client went away or broke the framing.
    Broken,
    /// Too many large bodies are being read.
    Busy,
}

/// The memory that large bodies may use together.
#[derive(Debug)]
pub(super) struct BodyBudget {
    units: Semaphore,
}

impl BodyBudget {
    pub(super) fn new(bytes: usize) -> Self {
        Self { units: Semaphore::new(bytes / UNIT_BYTES) }
    }

    /// Room for a body of up to `bytes`; waits for others to end, but not longer than a stall.
    async fn take(&self, bytes: usize) -> Result<Option<SemaphorePermit<'_>>, BodyError> {
        if bytes <= UNCOUNTED_BYTES {
            return Ok(None);
        }
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).map_err(|_| BodyError::TooLarge)?;
        match tokio::time::timeout(STALL, self.units.acquire_many(units)).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            Ok(Err(_)) | Err(_) => Err(BodyError::Busy),
        }
    }
}

/// A body in memory with its share of the budget.
#[derive(Debug)]
pub(super) struct Received<'a> {
    pub(super) bytes: Bytes,
    _share: Option<SemaphorePermit<'a>>,
}

/// Reads a whole body of at most `limit` bytes.
pub(super) async fn read<B>(mut body: B, limit: usize, budget: &BodyBudget) -> Result<Received<'_>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let hint = body.size_hint();
    if hint.lower() > limit as u64 {
        discard(body).await;
        return Err(BodyError::TooLarge);
    }
    let largest = hint.upper().and_then(|upper| usize::try_from(upper).ok()).map_or(limit, |upper| upper.min(limit));
    let share = budget.take(largest).await?;
    match collect(&mut body, limit).await {
        Ok(bytes) => Ok(Received { bytes, _share: share }),
        Err(BodyError::TooLarge) => {
            discard(body).await;
            Err(BodyError::TooLarge)
        }
        Err(error) => Err(error),
    }
}

/// Takes the rest of a body that is too large and forgets it, because many clients look for the answer only
/// after they have sent everything. A client that sends without end, or slowly, is cut off.
async fn discard<B>(mut body: B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = DISCARDED_BYTES_MAX;
    let everything = async {
        while let Ok(Some(piece)) = next_piece(&mut body).await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
    };
    // Out of time is as good as done: the answer is the same.
    let _ = tokio::time::timeout(STALL, everything).await;
}

async fn collect<B>(body: &mut B, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Some(first) = next_piece(body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(BodyError::TooLarge);
    }
    // The usual small body is one piece, which needs no copy.
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(piece) = next_piece(body).await? {
        if whole.len() + piece.len() > limit {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

async fn next_piece<B>(body: &mut B) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    loop {
        match tokio::time::timeout(STALL, body.frame()).await {
            Err(_) => return Err(BodyError::Stalled),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(BodyError::Broken),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn limits_hold_for_known_and_unknown_lengths() {
        let budget = BodyBudget::new(1 << 24);
        let exact = read(Full::new(Bytes::from(vec![1; 10])), 10, &budget).await.unwrap();
        assert_eq!(exact.bytes.len(), 10);
        assert!(matches!(read(Full::new(Bytes::from(vec![1; 11])), 10, &budget).await, Err(BodyError::TooLarge)));
        let pieces = || {
            let pieces = (0..3).map(|_| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"abcd"))));
            StreamBody::new(futures_util::stream::iter(pieces))
        };
        assert_eq!(read(pieces(), 12, &budget).await.unwrap().bytes.as_ref(), b"abcdabcdabcd");
        assert!(matches!(read(pieces(), 11, &budget).await, Err(BodyError::TooLarge)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let never = StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<Bytes>, std::io::Error>>());
        assert!(matches!(read(never, 10, &BodyBudget::new(1 << 20)).await, Err(BodyError::Stalled)));
    }
}
