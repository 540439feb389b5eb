//! Which new messages stay in memory: few of each queue and not many bytes in all, and none of a queue that has others in
//! the store, which would be overtaken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lanes::{QueueName, WINDOW_MAX};

/// Bytes of all messages that went from their sender straight to memory.
const BYTES_MAX: usize = 64 << 20;

/// Shared by those who put messages in and the one who hands them out.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    queues: HashMap<QueueName, Queue>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    messages: usize,
    has_backlog: bool,
}

/// The room of one message in memory.
#[derive(Debug)]
pub(crate) struct Place {
    arrivals: Arc<Arrivals>,
    queue: QueueName,
    bytes: usize,
}

impl Arrivals {
    /// Room for a message that comes in; none when it has to wait in the store.
    pub(crate) fn enter(self: &Arc<Self>, queue: &QueueName, bytes: usize) -> Option<Place> {
        let mut counted = self.lock();
        if counted.bytes + bytes > BYTES_MAX {
            counted.queues.entry(Arc::clone(queue)).or_default().has_backlog = true;
            return None;
        }
        let known = counted.queues.entry(Arc::clone(queue)).or_default();
        if known.has_backlog || known.messages >= WINDOW_MAX {
            known.has_backlog = true;
            return None;
        }
        known.messages += 1;
        counted.bytes += bytes;
        Some(Place { arrivals: Arc::clone(self), queue: Arc::clone(queue), bytes })
    }

    /// Says whether a queue has messages in the store that are due.
    pub(crate) fn set_backlog(&self, queue: &QueueName, has_backlog: bool) {
        let mut counted = self.lock();
        if has_backlog {
            counted.queues.entry(Arc::clone(queue)).or_default().has_backlog = true;
        } else if let Some(known) = counted.queues.get_mut(queue) {
            known.has_backlog = false;
            if known.messages == 0 {
                counted.queues.remove(queue);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counted = self.arrivals.lock();
        counted.bytes -= self.bytes;
        if let Some(known) = counted.queues.get_mut(&self.queue) {
            known.messages -= 1;
            if known.messages == 0 && !known.has_backlog {
                counted.queues.remove(&self.queue);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_of_a_queue_and_few_bytes_stay() {
        let (arrivals, queue) = (Arc::new(Arrivals::default()), QueueName::from("a"));
        let mut places: Vec<_> = (0..WINDOW_MAX).map(|_| arrivals.enter(&queue, 1).unwrap()).collect();
        assert!(arrivals.enter(&queue, 1).is_none());
        places.pop();
        assert!(arrivals.enter(&queue, 1).is_none(), "others wait in the store");
        arrivals.set_backlog(&queue, false);
        places.push(arrivals.enter(&queue, 1).unwrap());
        assert!(arrivals.enter(&QueueName::from("b"), BYTES_MAX).is_none());
        arrivals.set_backlog(&QueueName::from("b"), false);
        arrivals.set_backlog(&queue, false);
        drop(places);
        {
            let counted = arrivals.lock();
            assert_eq!((counted.queues.len(), counted.bytes), (0, 0));
        }
        drop(arrivals.enter(&QueueName::from("b"), BYTES_MAX).unwrap());
    }
}
