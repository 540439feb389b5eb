//! Futures that wake themselves while they are polled, polled again at once.
//!
//! A task that is woken while it runs goes to the back of its worker's queue, and the scheduler calls another worker to help,
//! which costs two switches of threads for nothing. HTTP connections do that for each body that they read: the handler
//! that waits for it and the reader that is to fetch it are the same task.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Polls in a row; then others have their turn.
const POLLS_MAX: usize = 8;

const WAITING: u8 = 0;
const POLLING: u8 = 1;
const WOKEN: u8 = 2;

/// Stands between a future and its task.
struct Doorbell {
    state: AtomicU8,
    task: Mutex<Waker>,
}

impl Doorbell {
    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a poll on behalf of `task`.
    fn begin(&self, task: &Waker) {
        self.task().clone_from(task);
        self.state.store(POLLING, Ordering::Release);
    }

    /// After a poll that has to wait; `false` when it was woken meanwhile.
    fn waits(&self) -> bool {
        self.state.compare_exchange(POLLING, WAITING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == WAITING {
            self.task().wake_by_ref();
        }
    }
}

/// Runs a future; when it wakes itself in a poll, it is polled again right away.
pub async fn promptly<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let doorbell = Arc::new(Doorbell { state: AtomicU8::new(WAITING), task: Mutex::new(Waker::noop().clone()) });
    let waker = Waker::from(Arc::clone(&doorbell));
    poll_fn(move |context| {
        for _ in 0..POLLS_MAX {
            doorbell.begin(context.waker());
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(output);
            }
            if doorbell.waits() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls `future` once; how often it was polled is its own affair, how often its task was woken is returned.
    fn poll_once<F: Future>(future: F) -> (Poll<F::Output>, usize) {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let polled = pin!(promptly(future)).poll(&mut Context::from_waker(&waker));
        (polled, count.0.load(Ordering::Relaxed))
    }

    #[test]
    fn what_wakes_itself_is_polled_again_without_its_task() {
        let mut polls = 0;
        let (polled, woken) = poll_once(poll_fn(|context| {
            polls += 1;
            context.waker().wake_by_ref();
            if polls == 3 { Poll::Ready(polls) } else { Poll::Pending }
        }));
        assert_eq!((polled, woken), (Poll::Ready(3), 0));
    }

    #[test]
    fn what_never_stops_waking_itself_gives_others_a_turn() {
        let mut polls = 0;
        let (polled, woken) = poll_once(poll_fn(|context| {
            polls += 1;
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        assert_eq!((polled, woken, polls), (Poll::Pending, 1, POLLS_MAX));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_gets_lost() {
        for _ in 0..20_000 {
            let (there, mut here) = tokio::sync::mpsc::channel(1);
            let sender = tokio::spawn(async move {
                for number in 0..3 {
                    there.send(number).await.unwrap();
                }
            });
            let sum = promptly(async {
                let mut sum = 0;
                while let Some(number) = here.recv().await {
                    sum += number;
                }
                sum
            });
            assert_eq!(sum.await, 3);
            sender.await.unwrap();
        }
    }
}
