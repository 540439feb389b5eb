//! How often something may happen: a number at once, and so many more each second.

use tokio::time::Instant;

/// What is left of an allowance.
#[derive(Debug)]
pub(super) struct Allowance {
    left: f64,
    max: f64,
    per_s: f64,
    counted_at: Instant,
}

impl Allowance {
    /// A full one.
    pub(super) fn new(max: u32, per_s: u32) -> Self {
        Self { left: max.into(), max: max.into(), per_s: per_s.into(), counted_at: Instant::now() }
    }

    /// Takes one; false when none is left.
    pub(super) fn take(&mut self) -> bool {
        if self.left < 1.0 {
            let now = Instant::now();
            self.left = (self.left + self.per_s * (now - self.counted_at).as_secs_f64()).min(self.max);
            self.counted_at = now;
        }
        let is_left = self.left >= 1.0;
        if is_left {
            self.left -= 1.0;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_number_at_once_and_some_each_second() {
        let mut allowance = Allowance::new(3, 2);
        assert_eq!([(); 4].map(|()| allowance.take()), [true, true, true, false]);
        tokio::time::advance(Duration::from_millis(600)).await;
        assert_eq!([(); 2].map(|()| allowance.take()), [true, false]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!([(); 4].map(|()| allowance.take()), [true, true, true, false]);
    }
}
