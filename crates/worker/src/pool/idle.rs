//! What waits for an invoke, and how long it may.

use std::time::Duration;

use tindra_core::keep_warm::Decision;

/// One environment that waits, or in tests something else.
#[derive(Debug)]
pub(super) struct Idle<E> {
    pub(super) environment: E,
    /// When its last invoke ended, on the machine's clock.
    pub(super) since: Duration,
    /// From then on it is too old to be used again.
    pub(super) old_at: Duration,
    pub(super) is_frozen: bool,
    /// What it does not need while it is frozen has been put away.
    pub(super) is_parked: bool,
    /// Of greedy-dual, worked out when it is frozen; what is not frozen yet is as good as used now.
    pub(super) priority: Option<f64>,
}

/// How long the idle environments of a version are kept, as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    /// Since when nothing of the version has run, and what was decided then.
    pub(super) idle: Option<(Duration, Decision)>,
    /// How long an environment is kept beside the one that was used last, or while another one is busy.
    pub(super) beside: Duration,
    /// A start ahead of need has been tried in this idle time.
    pub(super) is_prewarmed: bool,
}

impl Keeping {
    /// When an idle environment goes; now or earlier: at once. `is_last`: no other one was used later.
    fn end<E>(&self, idle: &Idle<E>, is_last: bool, now: Duration) -> Duration {
        let end = match self.idle.filter(|_| is_last) {
            Some((since, decision)) => {
                let elapsed = now.saturating_sub(since);
                let change = decision.next_change(elapsed).filter(|_| decision.holds(elapsed));
                change.map_or(now, |change| since.saturating_add(change))
            }
            None => idle.since.saturating_add(self.beside),
        };
        end.min(idle.old_at)
    }

    /// Takes out of `idle`, in which the last one was used last, what has been there for long enough. Also says
    /// when that will be so for the next one.
    pub(super) fn take_ended<E>(&self, idle: &mut Vec<Idle<E>>, now: Duration) -> (Vec<Idle<E>>, Option<Duration>) {
        let count = idle.len();
        let (mut at, mut next) = (0, None::<Duration>);
        let is_over = |idle: &mut Idle<E>| {
            at += 1;
            let end = self.end(idle, at == count, now);
            if end > now {
                next = Some(next.map_or(end, |next| next.min(end)));
            }
            end <= now
        };
        let ended = idle.extract_if(.., is_over).collect();
        (ended, next)
    }

    /// When one is to be started ahead of need, if nothing of the version is there; now or earlier: at once.
    pub(super) fn prewarm_at(&self, now: Duration) -> Option<Duration> {
        let (since, decision) = self.idle.filter(|_| !self.is_prewarmed)?;
        let prewarm = decision.prewarm?;
        (now < since.saturating_add(prewarm.until)).then(|| since.saturating_add(prewarm.at))
    }
}

#[cfg(test)]
mod tests;
