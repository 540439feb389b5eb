//! Steps that no caller can cut short, without the price of a task of their own.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

type Steps<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs in its caller's task. When the caller gives up, what is left goes on in a task of its own. A panic is the output's
/// error and nobody else's.
pub(crate) struct Finishing<T: Send + 'static> {
    steps: Option<Steps<T>>,
}

/// The message of what was thrown.
#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
pub(crate) struct Panicked(String);

impl Panicked {
    fn of(thrown: &(dyn Any + Send)) -> Self {
        let text = thrown.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| thrown.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "no message".to_owned()))
    }
}

impl<T: Send + 'static> Finishing<T> {
    pub(crate) fn new(steps: impl Future<Output = T> + Send + 'static) -> Self {
        Self { steps: Some(Box::pin(steps)) }
    }
}

impl<T: Send + 'static> Future for Finishing<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let steps = self.steps.as_mut().expect("not polled after its end");
        let polled = match catch_unwind(AssertUnwindSafe(|| steps.as_mut().poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(thrown) => Err(Panicked::of(&*thrown)),
        };
        self.steps = None;
        Poll::Ready(polled)
    }
}

impl<T: Send + 'static> Drop for Finishing<T> {
    fn drop(&mut self) {
        if let (Some(steps), Ok(runtime)) = (self.steps.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(steps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn goes_on_when_its_caller_gives_up() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let mut finishing = Finishing::new(async move {
            let _ = gone.await;
            let _ = sender.send(7);
        });
        let polled = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut finishing).poll(context).is_pending()));
        assert!(polled.await);
        drop(finishing);
        go.send(()).unwrap();
        assert_eq!(receiver.await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_is_its_own() {
        let finishing = Finishing::new(async { panic!("no luck") });
        let error: Result<(), _> = finishing.await;
        assert_eq!(error.unwrap_err().to_string(), "panicked: no luck");
        assert_eq!(Finishing::new(async { 1 }).await.unwrap(), 1);
    }
}
