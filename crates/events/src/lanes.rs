//! Which message is next: a lane for each queue, turns among the lanes, and as many at once of each as it can stand.
//!
//! Pure: what has happened and the time come in, what is to be done goes out. A queue with a million messages has at most
//! [`WINDOW_MAX`] of them here, and its lane gets a turn like any other.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tindra_core::clock::UnixMs;

/// Messages of one queue in memory that wait for a turn.
pub(crate) const WINDOW_MAX: usize = 64;
/// With as few left, more are fetched.
const WINDOW_LOW: usize = 16;
/// How many a queue of which nothing is known may have running at once; each that ends well adds one.
const RUNNING_AT_FIRST: usize = 16;
/// After a throttle, until one more than run is tried again.
const PROBE_AFTER_MS: u64 = 1_000;

/// The name of a queue.
pub(crate) type QueueName = Arc<str>;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<T> {
    /// Work on a message.
    Start(QueueName, T),
    /// Fetch messages that are due.
    Fetch(QueueName),
}

/// How the work on a message ended, as far as its lane is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// It met a limit: fewer should run at once.
    pub(crate) was_throttled: bool,
    /// It is in the store again and due then.
    pub(crate) due_ms: Option<UnixMs>,
}

#[derive(Debug)]
struct Lane<T> {
    window: VecDeque<T>,
    running: usize,
    running_max: usize,
    /// Before that no more than `running_max` run.
    probe_ms: UnixMs,
    /// Before that nothing is begun.
    pause_ms: UnixMs,
    /// When the next message is due that only the store has.
    stored_due_ms: Option<UnixMs>,
    is_fetching: bool,
    has_turn: bool,
    wake_ms: Option<UnixMs>,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            window: VecDeque::new(),
            running: 0,
            running_max: RUNNING_AT_FIRST,
            probe_ms: 0,
            pause_ms: 0,
            stored_due_ms: None,
            is_fetching: false,
            has_turn: false,
            wake_ms: None,
        }
    }
}

impl<T> Lane<T> {
    fn may_begin(&self, now_ms: UnixMs) -> bool {
        let probe = usize::from(now_ms >= self.probe_ms);
        now_ms >= self.pause_ms && self.running < self.running_max + probe
    }

    fn wants_fetch(&self, now_ms: UnixMs) -> bool {
        let is_due = self.stored_due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        is_due && !self.is_fetching && self.window.len() <= WINDOW_LOW && self.may_begin(now_ms)
    }

    fn has_work(&self, now_ms: UnixMs) -> bool {
        self.wants_fetch(now_ms) || (!self.window.is_empty() && self.may_begin(now_ms))
    }

    /// When time alone gives it something to do.
    fn next_wake_ms(&self, now_ms: UnixMs) -> Option<UnixMs> {
        let work_ms = match (self.window.is_empty(), self.stored_due_ms) {
            (false, _) => now_ms,
            (true, Some(due_ms)) if !self.is_fetching => due_ms,
            (true, _) => return None,
        };
        let limit_ms = if self.running < self.running_max { 0 } else { self.probe_ms };
        let wake_ms = work_ms.max(self.pause_ms).max(limit_ms);
        // Otherwise it waits for one that runs.
        (wake_ms > now_ms).then_some(wake_ms)
    }

    fn is_idle(&self) -> bool {
        self.window.is_empty() && self.running == 0 && !self.is_fetching && self.stored_due_ms.is_none()
    }

    fn stored(&mut self, due_ms: UnixMs) {
        self.stored_due_ms = Some(self.stored_due_ms.map_or(due_ms, |known_ms| known_ms.min(due_ms)));
    }
}

/// All lanes.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    lanes: HashMap<QueueName, Lane<T>>,
    turns: VecDeque<QueueName>,
    wakes: BTreeSet<(UnixMs, QueueName)>,
    running: usize,
    running_max: usize,
    fetching: usize,
}

impl<T> Lanes<T> {
    /// At most `running_max` run at once, of all queues together.
    pub(crate) fn new(running_max: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            wakes: BTreeSet::new(),
            running: 0,
            running_max,
            fetching: 0,
        }
    }

    /// A message is here and due.
    pub(crate) fn arrived(&mut self, queue: &QueueName, message: T, now_ms: UnixMs) {
        self.change(queue, now_ms, |lane| lane.window.push_back(message));
    }

    /// The store has a message that is due then.
    pub(crate) fn stored(&mut self, queue: &QueueName, due_ms: UnixMs, now_ms: UnixMs) {
        self.change(queue, now_ms, |lane| lane.stored(due_ms));
    }

    /// Somebody wants what the store has of a queue to be tried now, whatever came of it before.
    pub(crate) fn redriven(&mut self, queue: &QueueName, now_ms: UnixMs) {
        self.change(queue, now_ms, |lane| {
            lane.pause_ms = 0;
            lane.probe_ms = 0;
            lane.stored(now_ms);
        });
    }

    /// What a fetch has brought, and when the next one of the store is due.
    pub(crate) fn fetched(
        &mut self,
        queue: &QueueName,
        messages: impl IntoIterator<Item = T>,
        next_due_ms: Option<UnixMs>,
        now_ms: UnixMs,
    ) {
        self.fetching -= 1;
        self.change(queue, now_ms, |lane| {
            lane.is_fetching = false;
            lane.window.extend(messages);
            if let Some(due_ms) = next_due_ms {
                lane.stored(due_ms);
            }
        });
    }

    /// The work on a message has ended.
    pub(crate) fn settled(&mut self, queue: &QueueName, settled: Settled, now_ms: UnixMs) {
        self.running -= 1;
        self.change(queue, now_ms, |lane| {
            lane.running -= 1;
            if settled.was_throttled {
                lane.running_max = lane.running.max(1);
                lane.probe_ms = now_ms + PROBE_AFTER_MS;
                if lane.running == 0 {
                    // None of its own will make room.
                    lane.pause_ms = now_ms + PROBE_AFTER_MS;
                }
            } else if now_ms >= lane.probe_ms && lane.running + 1 >= lane.running_max {
                lane.running_max += 1;
            }
            if let Some(due_ms) = settled.due_ms {
                lane.stored(due_ms);
            }
        });
        // A place has become free for others, too.
    }

    /// What is to be done now, if anything; to be asked until there is nothing.
    pub(crate) fn next(&mut self, now_ms: UnixMs) -> Option<Next<T>> {
        self.wake(now_ms);
        for _ in 0..self.turns.len() {
            let queue = self.turns.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&queue) else { continue };
            lane.has_turn = false;
            if lane.wants_fetch(now_ms) {
                lane.is_fetching = true;
                // What becomes known while the fetch is under way is not overwritten by its answer.
                lane.stored_due_ms = None;
                self.fetching += 1;
                self.update(&queue, now_ms);
                return Some(Next::Fetch(queue));
            }
            if !lane.window.is_empty() && lane.may_begin(now_ms) {
                if self.running >= self.running_max {
                    lane.has_turn = true;
                    self.turns.push_back(queue);
                    continue;
                }
                let message = lane.window.pop_front()?;
                lane.running += 1;
                self.running += 1;
                self.update(&queue, now_ms);
                return Some(Next::Start(queue, message));
            }
            self.update(&queue, now_ms);
        }
        None
    }

    /// When time alone will bring something to do.
    pub(crate) fn next_wake_ms(&self) -> Option<UnixMs> {
        self.wakes.first().map(|(wake_ms, _)| *wake_ms)
    }

    /// Messages that are worked on.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Nothing is being done, and nothing could be until it is later.
    pub(crate) fn is_quiet(&self) -> bool {
        self.running == 0 && self.fetching == 0 && self.turns.is_empty()
    }

    /// Every message that is here and not worked on.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &T> {
        self.lanes.values().flat_map(|lane| &lane.window)
    }

    /// Takes them all out.
    pub(crate) fn take_waiting(&mut self) -> Vec<T> {
        self.lanes.values_mut().flat_map(|lane| lane.window.drain(..)).collect()
    }

    /// Whether new messages of a queue have to wait behind others that only the store has.
    pub(crate) fn has_backlog(&self, queue: &QueueName, now_ms: UnixMs) -> bool {
        self.lanes
            .get(queue)
            .is_some_and(|lane| lane.is_fetching || lane.stored_due_ms.is_some_and(|due_ms| due_ms <= now_ms))
    }

    fn change(&mut self, queue: &QueueName, now_ms: UnixMs, change: impl FnOnce(&mut Lane<T>)) {
        change(self.lanes.entry(Arc::clone(queue)).or_default());
        self.update(queue, now_ms);
    }

    /// Gives a lane a turn, a time to wake, or lets go of it.
    fn update(&mut self, queue: &QueueName, now_ms: UnixMs) {
        let Some(lane) = self.lanes.get_mut(queue) else { return };
        if lane.has_work(now_ms) && !lane.has_turn {
            lane.has_turn = true;
            self.turns.push_back(Arc::clone(queue));
        }
        let wake_ms = if lane.has_turn { None } else { lane.next_wake_ms(now_ms) };
        if wake_ms != lane.wake_ms {
            if let Some(old_ms) = lane.wake_ms {
                self.wakes.remove(&(old_ms, Arc::clone(queue)));
            }
            if let Some(new_ms) = wake_ms {
                self.wakes.insert((new_ms, Arc::clone(queue)));
            }
            lane.wake_ms = wake_ms;
        }
        if lane.is_idle() && !lane.has_turn {
            self.lanes.remove(queue);
        }
    }

    fn wake(&mut self, now_ms: UnixMs) {
        while let Some((wake_ms, _)) = self.wakes.first()
            && *wake_ms <= now_ms
            && let Some((_, queue)) = self.wakes.pop_first()
        {
            if let Some(lane) = self.lanes.get_mut(&queue) {
                lane.wake_ms = None;
            }
            self.update(&queue, now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> QueueName {
        Arc::from(text)
    }

    /// Everything to be done now, as text.
    fn all(lanes: &mut Lanes<u32>, now_ms: UnixMs) -> Vec<String> {
        let mut done = Vec::new();
        while let Some(next) = lanes.next(now_ms) {
            done.push(match next {
                Next::Start(queue, message) => format!("{queue}{message}"),
                Next::Fetch(queue) => format!("fetch {queue}"),
            });
        }
        done
    }

    const OK: Settled = Settled { was_throttled: false, due_ms: None };
    const THROTTLED: Settled = Settled { was_throttled: true, due_ms: None };

    #[test]
    fn a_long_queue_does_not_delay_a_short_one() {
        let mut lanes = Lanes::new(100);
        for message in 0..10 {
            lanes.arrived(&name("a"), message, 0);
        }
        lanes.arrived(&name("b"), 0, 0);
        assert_eq!(all(&mut lanes, 0)[..3], ["a0", "b0", "a1"]);
        let mut tight = Lanes::new(1);
        for message in 0..10 {
            tight.arrived(&name("a"), message, 0);
        }
        assert_eq!(all(&mut tight, 0), ["a0"]);
        tight.arrived(&name("b"), 0, 0);
        tight.settled(&name("a"), OK, 0);
        let second = all(&mut tight, 0);
        tight.settled(&name(&second[0][..1]), OK, 0);
        let third = all(&mut tight, 0);
        assert!(second == ["b0"] || third == ["b0"], "{second:?} {third:?}");
    }

    #[test]
    fn more_run_at_once_as_they_end_well() {
        let mut lanes = Lanes::new(1_000);
        for message in 0..100 {
            lanes.arrived(&name("a"), message, 0);
        }
        let first = all(&mut lanes, 0).len();
        assert_eq!(first, RUNNING_AT_FIRST + 1);
        for _ in 0..first {
            lanes.settled(&name("a"), OK, 0);
            drop(all(&mut lanes, 0));
        }
        assert!(lanes.running() > first + first / 2, "{}", lanes.running());
    }

    #[test]
    fn after_a_throttle_as_many_as_run_go_on_and_one_more_is_tried_later() {
        let mut lanes = Lanes::new(1_000);
        for message in 0..60 {
            lanes.arrived(&name("a"), message, 0);
        }
        let begun = all(&mut lanes, 0).len();
        for _ in 1..begun {
            lanes.settled(&name("a"), THROTTLED, 0);
        }
        assert_eq!((lanes.running(), all(&mut lanes, 500)), (1, vec![]));
        assert_eq!(lanes.next_wake_ms(), Some(PROBE_AFTER_MS));
        lanes.settled(&name("a"), OK, 600);
        assert_eq!(all(&mut lanes, 600).len(), 1, "its place is taken at once");
        assert_eq!(all(&mut lanes, PROBE_AFTER_MS).len(), 1, "one more");
        lanes.settled(&name("a"), THROTTLED, PROBE_AFTER_MS);
        lanes.settled(&name("a"), THROTTLED, PROBE_AFTER_MS);
        assert_eq!(all(&mut lanes, PROBE_AFTER_MS), Vec::<String>::new(), "nothing of its own will make room");
        assert_eq!(lanes.next_wake_ms(), Some(2 * PROBE_AFTER_MS));
        assert_eq!(all(&mut lanes, 2 * PROBE_AFTER_MS).len(), 2);
    }

    #[test]
    fn whoever_redrives_a_queue_does_not_wait() {
        let mut lanes = Lanes::new(1_000);
        lanes.arrived(&name("a"), 1, 0);
        assert_eq!(all(&mut lanes, 0), ["a1"]);
        lanes.settled(&name("a"), Settled { was_throttled: true, due_ms: Some(4_000) }, 0);
        assert_eq!((all(&mut lanes, 0), lanes.next_wake_ms()), (vec![], Some(4_000)));
        lanes.redriven(&name("a"), 0);
        assert_eq!(all(&mut lanes, 0), ["fetch a"]);
    }

    #[test]
    fn what_only_the_store_has_is_fetched_when_it_is_due() {
        let mut lanes = Lanes::new(1_000);
        lanes.stored(&name("a"), 50, 0);
        assert_eq!((all(&mut lanes, 49), lanes.next_wake_ms(), lanes.is_quiet()), (vec![], Some(50), true));
        assert_eq!(all(&mut lanes, 50), ["fetch a"]);
        assert!(lanes.has_backlog(&name("a"), 50) && !lanes.is_quiet());
        lanes.stored(&name("a"), 70, 51);
        lanes.fetched(&name("a"), [1, 2], Some(90), 52);
        assert_eq!(all(&mut lanes, 52), ["a1", "a2"]);
        lanes.settled(&name("a"), OK, 53);
        lanes.settled(&name("a"), Settled { due_ms: Some(60), ..OK }, 53);
        assert_eq!(lanes.next_wake_ms(), Some(60));
        assert_eq!(all(&mut lanes, 60), ["fetch a"]);
        lanes.fetched(&name("a"), [], None, 61);
        assert!(lanes.lanes.is_empty() && lanes.wakes.is_empty() && lanes.is_quiet());
    }

    #[test]
    fn a_window_is_filled_before_it_is_empty() {
        let mut lanes = Lanes::new(1_000);
        lanes.stored(&name("a"), 0, 0);
        assert_eq!(all(&mut lanes, 0), ["fetch a"]);
        lanes.fetched(&name("a"), 0..u32::try_from(WINDOW_MAX).unwrap(), Some(0), 0);
        assert_eq!(all(&mut lanes, 0).len(), RUNNING_AT_FIRST + 1);
        let mut fetched = false;
        for _ in 0..WINDOW_MAX {
            lanes.settled(&name("a"), OK, 0);
            let next = all(&mut lanes, 0);
            fetched |= next.contains(&"fetch a".to_owned());
            if fetched {
                assert!(lanes.waiting().count() > 0);
                return;
            }
        }
        panic!("never fetched");
    }
}
