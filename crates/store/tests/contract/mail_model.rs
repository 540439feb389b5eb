//! Random operations on mailboxes against a list of letters that says what must come of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use tindra_store::{
    Batch, Letter, LetterCounts, MailChange, MailWork, Once, Overflow, Receipt, Standing, Store, TakeRequest, Taken,
};
use uuid::Uuid;

use super::{Open, Place};

/// The second one has lines. Behind each is the one for letters that were taken too often.
const MAILBOXES: [&str; 4] = ["a", "b", "a-dead", "b-dead"];
const GROUPS: [&str; 3] = ["g", "h", "i"];
const ALL: usize = 1_000;

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    Take { mailbox: usize, letters_max: usize, hidden_ms: u64, kept_ms: u64, takes_max: Option<u32> },
    Redirect { mailbox: usize, letters_max: usize },
    Expire { mailbox: usize, ago_ms: u64 },
    Advance(u64),
    Reopen,
}

#[derive(Clone, Debug)]
enum Change {
    Post { id: u128, mailbox: usize, group: usize, delay_ms: u64, key: Option<u8> },
    Remove(usize),
    Hide { receipt: usize, hidden_ms: u64 },
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (1..60_u128, 0..4_usize, 0..3_usize, 0..60_u64, proptest::option::weighted(0.3, 0..4_u8)).prop_map(
            |(id, mailbox, group, delay_ms, key)| {
                Change::Post { id, mailbox, group, delay_ms: delay_ms.saturating_sub(30), key }
            }
        ),
        2 => any::<usize>().prop_map(Change::Remove),
        1 => (any::<usize>(), 0..80_u64).prop_map(|(receipt, hidden_ms)| Change::Hide { receipt, hidden_ms }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => proptest::collection::vec(change(), 1..5).prop_map(Step::Commit),
        10 => (0..4_usize, 1..5_usize, 0..80_u64, 100..400_u64, proptest::option::of(1..3_u32)).prop_map(
            |(mailbox, letters_max, hidden_ms, kept_ms, takes_max)| {
                Step::Take { mailbox, letters_max, hidden_ms, kept_ms, takes_max }
            }
        ),
        1 => (0..4_usize, 1..4_usize).prop_map(|(mailbox, letters_max)| Step::Redirect { mailbox, letters_max }),
        1 => (0..4_usize, 0..200_u64).prop_map(|(mailbox, ago_ms)| Step::Expire { mailbox, ago_ms }),
        6 => (0..60_u64).prop_map(Step::Advance),
        1 => proptest::strategy::Just(Step::Reopen),
    ]
}

#[derive(Clone, Debug)]
struct Kept {
    letter: Letter,
    takes: u32,
    taken_ms: u64,
    origin: Option<String>,
}

#[derive(Default)]
struct Model {
    now_ms: u64,
    /// In the order of their numbers.
    letters: Vec<Kept>,
    keys: BTreeMap<(String, String), u64>,
    receipts: Vec<(usize, Receipt)>,
    ever: BTreeSet<Uuid>,
}

pub(crate) async fn random_operations_on_letters_agree_with_a_list(open: Open) {
    let runtime = tokio::runtime::Handle::current();
    let test = move || {
        let mut runner = TestRunner::new(Config { cases: 64, ..Config::default() });
        runner.run(&proptest::collection::vec(step(), 1..60), |steps| {
            runtime.block_on(run(open, steps));
            Ok(())
        })
    };
    tokio::task::spawn_blocking(test).await.unwrap().unwrap();
}

async fn run(open: Open, steps: Vec<Step>) {
    let mut place = Place::new(open);
    let mut model = Model { now_ms: 1_000, ..Model::default() };
    for step in steps {
        match step {
            Step::Reopen => place.reopen(),
            step => model.take_step(place.store(), step).await,
        }
        model.compare(place.store()).await;
    }
}

fn is_ordered(mailbox: usize) -> bool {
    mailbox % 2 == 1
}

impl Model {
    async fn take_step(&mut self, store: &Store, step: Step) {
        match step {
            Step::Commit(changes) => {
                let batch = changes.into_iter().fold(Batch::default(), |batch, change| self.changed(batch, change));
                store.metadata.commit(batch).await.unwrap();
            }
            Step::Take { mailbox, letters_max, hidden_ms, kept_ms, takes_max } => {
                let overflow = takes_max.filter(|_| mailbox < 2).map(|takes_max| Overflow {
                    takes_max,
                    mailbox: MAILBOXES[mailbox + 2].to_owned(),
                    origin: MAILBOXES[mailbox].to_owned(),
                    is_sent_anew: is_ordered(mailbox),
                });
                let request = TakeRequest {
                    mailbox: MAILBOXES[mailbox].to_owned(),
                    is_ordered: is_ordered(mailbox),
                    now_ms: self.now_ms,
                    hidden_until_ms: self.now_ms + hidden_ms,
                    letters_max,
                    sent_after_ms: self.now_ms - kept_ms,
                    overflow,
                };
                let expected = self.taken(mailbox, &request);
                let Taken { letters, next_visible_ms } = store.mailboxes.take(request).await.unwrap();
                let found: Vec<_> = letters.iter().map(|taken| (taken.letter.id, taken.takes)).collect();
                assert_eq!(found, expected);
                let hidden = self.letters.iter().filter(|kept| kept.letter.mailbox == MAILBOXES[mailbox]);
                let is_told = next_visible_ms.is_none_or(|next_ms| next_ms > self.now_ms);
                assert!(is_told && (hidden.count() > 0 || next_visible_ms.is_none()));
                let receipts = letters.iter().map(|taken| (mailbox, taken.receipt()));
                self.receipts.extend(receipts);
            }
            Step::Redirect { mailbox, letters_max } => {
                let to = MAILBOXES[(mailbox + 2) % 4].to_owned();
                let (from, now_ms) = (MAILBOXES[mailbox].to_owned(), self.now_ms);
                let mut free = self.free(mailbox);
                free.truncate(letters_max);
                for place in &free {
                    let kept = &mut self.letters[*place];
                    (kept.letter.mailbox, kept.letter.visible_ms, kept.letter.sent_ms) = (to.clone(), now_ms, now_ms);
                    (kept.takes, kept.taken_ms, kept.origin) = (0, 0, None);
                }
                let work = MailWork::Redirect { from, to, origin: None, now_ms, letters_max };
                assert_eq!(store.mailboxes.work(work).await.unwrap(), free.len() as u64);
            }
            Step::Expire { mailbox, ago_ms } => {
                let (mailbox, visible_ms) = (MAILBOXES[mailbox].to_owned(), self.now_ms - ago_ms);
                let before = self.letters.len();
                self.letters.retain(|kept| kept.letter.mailbox != mailbox || kept.letter.visible_ms > visible_ms);
                let work = MailWork::Expire { mailbox, visible_ms, letters_max: ALL };
                assert_eq!(store.mailboxes.work(work).await.unwrap(), (before - self.letters.len()) as u64);
            }
            Step::Advance(by_ms) => self.now_ms += by_ms,
            Step::Reopen => unreachable!("is done by whoever has the place"),
        }
    }

    fn changed(&mut self, batch: Batch, change: Change) -> Batch {
        let change = match change {
            Change::Post { id, mailbox, group, delay_ms, key } => {
                let letter = Letter {
                    id: Uuid::from_u128(id),
                    mailbox: MAILBOXES[mailbox].to_owned(),
                    group: is_ordered(mailbox).then(|| GROUPS[group].to_owned()),
                    sent_ms: self.now_ms,
                    visible_ms: self.now_ms + delay_ms,
                    head: "head".into(),
                    body: vec![3; group * 800].into(),
                };
                let is_known = self.letters.iter().any(|kept| kept.letter.id == letter.id);
                // Nobody gives the id of a letter that has gone to another one.
                if !self.ever.insert(letter.id) && !is_known {
                    return batch;
                }
                let key = key.filter(|_| !is_known).map(|key| key.to_string());
                let once = key.map(|key| Once { key, now_ms: self.now_ms, until_ms: self.now_ms + 70 });
                let is_free = once.as_ref().is_none_or(|once| {
                    let until = self.keys.entry((letter.mailbox.clone(), once.key.clone())).or_default();
                    let is_free = *until <= self.now_ms;
                    if is_free {
                        *until = once.until_ms;
                    }
                    is_free
                });
                if is_free && !is_known {
                    self.letters.push(Kept { letter: letter.clone(), takes: 0, taken_ms: 0, origin: None });
                }
                MailChange::Post { letter, once }
            }
            Change::Remove(place) => {
                let Some((mailbox, receipt)) = self.receipt(place) else { return batch };
                let found = self.holding(mailbox, receipt);
                found.map(|place| self.letters.remove(place));
                MailChange::Remove { mailbox: MAILBOXES[mailbox].to_owned(), receipt }
            }
            Change::Hide { receipt, hidden_ms } => {
                let Some((mailbox, receipt)) = self.receipt(receipt) else { return batch };
                let visible_ms = self.now_ms + hidden_ms;
                if let Some(place) = self.holding(mailbox, receipt) {
                    self.letters[place].letter.visible_ms = visible_ms;
                }
                MailChange::Hide { mailbox: MAILBOXES[mailbox].to_owned(), receipt, visible_ms }
            }
        };
        batch.mail(change)
    }

    fn receipt(&self, place: usize) -> Option<(usize, Receipt)> {
        let recent = &self.receipts[self.receipts.len().saturating_sub(8)..];
        (!recent.is_empty()).then(|| recent[place % recent.len()])
    }

    fn holding(&self, mailbox: usize, receipt: Receipt) -> Option<usize> {
        self.letters.iter().position(|kept| {
            kept.letter.id == receipt.id && kept.takes == receipt.takes && kept.letter.mailbox == MAILBOXES[mailbox]
        })
    }

    /// The letters that could be taken if there were no lines, the longest visible first.
    fn free(&self, mailbox: usize) -> Vec<usize> {
        let is_free = |kept: &Kept| kept.letter.mailbox == MAILBOXES[mailbox] && kept.letter.visible_ms <= self.now_ms;
        let mut free: Vec<usize> = (0..self.letters.len()).filter(|place| is_free(&self.letters[*place])).collect();
        free.sort_by_key(|place| (self.letters[*place].letter.visible_ms, *place));
        free
    }

    /// The letters that can be taken from lines, the line that has been ready for longest first.
    fn first_in_lines(&self, mailbox: usize) -> Vec<usize> {
        let mut lines: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, kept) in self.letters.iter().enumerate().filter(|(_, k)| k.letter.mailbox == MAILBOXES[mailbox]) {
            lines.entry(kept.letter.group.as_deref().unwrap()).or_default().push(place);
        }
        let mut ready: Vec<(u64, Vec<usize>)> = Vec::new();
        for line in lines.into_values() {
            let taken = line.iter().filter(|place| self.letters[**place].takes > 0);
            let until = taken.map(|place| self.letters[*place].letter.visible_ms).max().unwrap_or(0);
            let ready_ms = until.max(self.letters[line[0]].letter.visible_ms);
            if ready_ms <= self.now_ms {
                ready.push((ready_ms, line));
            }
        }
        ready.sort_by_key(|(ready_ms, line)| (*ready_ms, line[0]));
        let is_there = |place: &usize| self.letters[*place].letter.visible_ms <= self.now_ms;
        ready.into_iter().flat_map(|(_, line)| line.into_iter().take_while(is_there)).collect()
    }

    /// Takes from the model; returns what must be taken from the store.
    fn taken(&mut self, mailbox: usize, request: &TakeRequest) -> Vec<(Uuid, u32)> {
        let candidates = if request.is_ordered { self.first_in_lines(mailbox) } else { self.free(mailbox) };
        let (mut taken, mut expired) = (Vec::new(), Vec::new());
        for place in candidates {
            if taken.len() == request.letters_max {
                break;
            }
            let kept = &mut self.letters[place];
            match &request.overflow {
                _ if kept.letter.sent_ms <= request.sent_after_ms => expired.push(kept.letter.id),
                Some(overflow) if kept.takes >= overflow.takes_max => {
                    kept.letter.mailbox = overflow.mailbox.clone();
                    kept.letter.visible_ms = self.now_ms;
                    kept.origin = Some(overflow.origin.clone());
                    if overflow.is_sent_anew {
                        kept.letter.sent_ms = self.now_ms;
                    }
                }
                _ => {
                    kept.takes += 1;
                    kept.taken_ms = self.now_ms;
                    kept.letter.visible_ms = request.hidden_until_ms;
                    taken.push((kept.letter.id, kept.takes));
                }
            }
        }
        self.letters.retain(|kept| !expired.contains(&kept.letter.id));
        taken
    }

    /// Everything that can be seen without taking it.
    async fn compare(&self, store: &Store) {
        for mailbox in MAILBOXES {
            let inside = || self.letters.iter().filter(|kept| kept.letter.mailbox == mailbox);
            let mut counts = LetterCounts::default();
            for kept in inside() {
                let count = match (kept.letter.visible_ms <= self.now_ms, kept.takes) {
                    (true, _) => &mut counts.visible,
                    (false, 0) => &mut counts.delayed,
                    (false, _) => &mut counts.taken,
                };
                *count += 1;
            }
            assert_eq!(store.mailboxes.counts(mailbox, self.now_ms, 0).await.unwrap(), counts);
            let expected: Vec<Standing> = inside()
                .map(|Kept { letter, takes, taken_ms, .. }| Standing {
                    id: letter.id,
                    takes: *takes,
                    visible_ms: letter.visible_ms,
                    taken_ms: *taken_ms,
                })
                .collect();
            let ids = inside().map(|kept| kept.letter.id).collect();
            assert_eq!(store.mailboxes.standings(mailbox, ids).await.unwrap(), expected);
        }
    }
}
