//! A bounded supply of things made ahead of need.

use std::collections::VecDeque;

/// Holds up to a fixed number of ready things.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    ready: VecDeque<T>,
    target: usize,
    paused: bool,
}

impl<T> Pool<T> {
    pub(crate) fn new(target: usize) -> Pool<T> {
        Pool { ready: VecDeque::with_capacity(target), target, paused: false }
    }

    /// Whether one more should be made.
    pub(crate) fn wants_more(&self) -> bool {
        !self.paused && self.ready.len() < self.target
    }

    pub(crate) fn put(&mut self, made: T) {
        self.ready.push_back(made);
    }

    /// Takes one, and lets the making go on if a failure had paused it.
    pub(crate) fn take(&mut self) -> Option<T> {
        self.paused = false;
        self.ready.pop_front()
    }

    /// Stops making after a failure, until somebody asks again: trying in a circle would only burn CPU.
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_pauses_after_a_failure() {
        let mut pool = Pool::new(2);
        pool.put(1);
        assert!(pool.wants_more());
        pool.put(2);
        assert!(!pool.wants_more());
        assert_eq!(pool.take(), Some(1));
        pool.pause();
        assert!(!pool.wants_more());
        assert_eq!(pool.take(), Some(2));
        assert!(pool.wants_more());
    }
}
