//! Queues: what is accepted stays until it is completed, and nobody completes what somebody else has.

use bytes::Bytes;
use tindra_store::{
    Batch, Lapse, Lease, LeaseRequest, LeasedMessages, Message, MessageChange, Precondition, Store, StoreError,
};
use uuid::Uuid;

use super::{Open, Place};

/// Leases of these tests hold for as long.
const HOLD_MS: u64 = 1_000;

pub(super) fn message(queue: &str, number: u128, due_ms: u64, body: impl Into<Bytes>) -> Message {
    let head = Bytes::from(format!("head {number}"));
    Message { id: Uuid::from_u128(number), queue: queue.to_owned(), enqueued_ms: 5, due_ms, head, body: body.into() }
}

pub(super) fn enqueue(message: Message) -> Batch {
    Batch::default().message(MessageChange::Enqueue { message, held_until_ms: None })
}

/// Leases at the real time `at_ms` what is due then.
async fn lease(store: &Store, queue: &str, at_ms: u64, messages_max: usize) -> LeasedMessages {
    let lapse = Lapse { now_ms: at_ms, held_until_ms: at_ms + HOLD_MS };
    let request = LeaseRequest { queue: queue.to_owned(), due_ms: at_ms, lapse, messages_max, bytes_max: 1 << 30 };
    store.queues.lease(request).await.unwrap()
}

fn numbers(leased: &LeasedMessages) -> Vec<u128> {
    leased.leased.iter().map(|leased| leased.message.id.as_u128()).collect()
}

async fn is_lost(store: &Store, change: MessageChange) -> bool {
    match store.metadata.commit(Batch::default().message(change)).await {
        Ok(_) => false,
        Err(StoreError::Conflict { .. }) => true,
        Err(error) => panic!("{error:?}"),
    }
}

async fn put_all(store: &Store, messages: impl IntoIterator<Item = Message>) {
    for message in messages {
        store.metadata.commit(enqueue(message)).await.unwrap();
    }
}

pub(crate) async fn messages_come_as_they_are_due(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    let (large, empty) = (Bytes::from(vec![7; 1 << 20]), Bytes::new());
    put_all(
        store,
        [
            message("a", 1, 30, "later"),
            message("a", 2, 10, large.clone()),
            message("a", 3, 10, empty.clone()),
            message("b", 4, 0, "another queue"),
        ],
    )
    .await;
    let leased = lease(store, "a", 20, 10).await;
    assert_eq!((numbers(&leased), leased.next_due_ms), (vec![2, 3], Some(30)));
    let bodies: Vec<&Bytes> = leased.leased.iter().map(|leased| &leased.message.body).collect();
    assert_eq!(bodies, [&large, &empty]);
    let first = &leased.leased[0].message;
    assert_eq!((first.queue.as_str(), first.enqueued_ms, first.due_ms, &first.head[..]), ("a", 5, 10, &b"head 2"[..]));
    let nothing = lease(store, "a", 20, 10).await;
    assert_eq!((numbers(&nothing), nothing.next_due_ms), (vec![], Some(30)));
    assert_eq!(numbers(&lease(store, "a", 30, 10).await), [1]);
    assert_eq!(lease(store, "a", 31, 10).await, LeasedMessages::default());
    assert_eq!(lease(store, "nobody's", 31, 10).await, LeasedMessages::default());
}

pub(crate) async fn no_more_than_wanted_are_leased(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    put_all(store, (1..=5).map(|number| message("a", number, 7, vec![0; 600]))).await;
    let two = lease(store, "a", 10, 2).await;
    assert_eq!((numbers(&two), two.next_due_ms), (vec![1, 2], Some(7)));
    let lapse = Lapse { now_ms: 10, held_until_ms: 20 };
    let request = LeaseRequest { queue: "a".to_owned(), due_ms: 10, lapse, messages_max: 9, bytes_max: 1_000 };
    let filled = store.queues.lease(request).await.unwrap();
    assert_eq!((numbers(&filled), filled.next_due_ms), (vec![3, 4], Some(7)), "the second one is over the bytes");
}

pub(crate) async fn completed_ones_are_gone_and_delayed_ones_come_again(open: Open) {
    let mut place = Place::new(open);
    let large = Bytes::from(vec![9; 100_000]);
    put_all(place.store(), (1..=3).map(|number| message("a", number, 0, large.clone()))).await;
    let leased = lease(place.store(), "a", 10, 3).await.leased;
    let store = place.store();
    assert!(!is_lost(store, MessageChange::Complete(leased[0].lease)).await);
    let head = Bytes::from_static(b"second attempt");
    assert!(!is_lost(store, MessageChange::Delay { lease: leased[1].lease, due_ms: 70, head: head.clone() }).await);
    for lease in [leased[0].lease, leased[1].lease] {
        assert!(is_lost(store, MessageChange::Complete(lease)).await, "nobody has it any more");
        assert!(is_lost(store, MessageChange::Delay { lease, due_ms: 0, head: head.clone() }).await);
    }
    assert_eq!(numbers(&lease(store, "a", 69, 9).await), Vec::<u128>::new());
    place.reopen();
    let later = HOLD_MS + 100;
    let again = lease(place.store(), "a", later, 9).await.leased;
    assert_eq!(again.iter().map(|leased| leased.message.id.as_u128()).collect::<Vec<_>>(), [3, 2]);
    assert_eq!((&again[1].message.head, &again[1].message.body), (&head, &large));
    assert_eq!(again[1].message.due_ms, 70);
}

pub(crate) async fn a_lease_that_has_lapsed_is_somebody_elses(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    put_all(store, [message("a", 1, 0, "x"), message("a", 2, 0, "x")]).await;
    let old = lease(store, "a", 0, 2).await.leased;
    let lapse = |now_ms| Lapse { now_ms, held_until_ms: now_ms + HOLD_MS };
    assert_eq!(store.queues.renew(vec![old[1].lease], lapse(500)).await.unwrap(), []);
    let new = lease(store, "a", HOLD_MS, 2).await.leased;
    assert_eq!(new.len(), 1, "the other one was renewed");
    assert!(is_lost(store, MessageChange::Complete(old[0].lease)).await);
    assert_eq!(store.queues.renew(vec![old[0].lease, new[0].lease], lapse(HOLD_MS)).await.unwrap(), [old[0].lease]);
    assert!(!is_lost(store, MessageChange::Complete(new[0].lease)).await);
    assert!(!is_lost(store, MessageChange::Complete(old[1].lease)).await);
}

pub(crate) async fn one_can_be_held_from_the_beginning(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    let held = MessageChange::Enqueue { message: message("a", 1, 0, "x"), held_until_ms: Some(100) };
    store.metadata.commit(Batch::default().message(held.clone())).await.unwrap();
    assert_eq!(numbers(&lease(store, "a", 50, 9).await), Vec::<u128>::new());
    let first = Lease::first(Uuid::from_u128(1));
    assert!(!is_lost(store, MessageChange::Delay { lease: first, due_ms: 60, head: Bytes::new() }).await);
    assert!(is_lost(store, MessageChange::Complete(first)).await);
    assert_eq!(numbers(&lease(store, "a", 60, 9).await), [1]);
}

pub(crate) async fn a_message_is_put_in_once(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    put_all(store, [message("a", 1, 0, "first"), message("a", 1, 9, vec![0; 50_000])]).await;
    let leased = lease(store, "a", 10, 9).await;
    assert_eq!(leased.leased.len(), 1);
    assert_eq!(&leased.leased[0].message.body[..], b"first");
}

pub(crate) async fn batches_reach_across_records_messages_and_journals(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    store.metadata.commit(Batch::default().put("k", Precondition::Absent, "old")).await.unwrap();
    put_all(store, [message("a", 1, 0, "x")]).await;
    let leased = lease(store, "a", 0, 1).await.leased;
    let append = |at| tindra_store::JournalChange::Append {
        journal: "j".to_owned(),
        at,
        records: vec![Bytes::from_static(b"r")],
    };
    let moved = |lease, precondition, at| {
        enqueue(message("dead", 2, 0, "y"))
            .message(MessageChange::Complete(lease))
            .put("k", precondition, "new")
            .journal(append(at))
    };
    let stale = Lease { epoch: leased[0].lease.epoch + 1, ..leased[0].lease };
    for refused in [
        moved(stale, Precondition::None, 0),
        moved(leased[0].lease, Precondition::Absent, 0),
        moved(leased[0].lease, Precondition::None, 1),
    ] {
        assert!(matches!(store.metadata.commit(refused).await, Err(StoreError::Conflict { .. })));
        assert_eq!(&store.metadata.get("k").await.unwrap().unwrap().value[..], b"old");
        assert_eq!(store.queues.queues("", None, 9).await.unwrap().len(), 1);
        assert_eq!(store.journals.bounds("j").await.unwrap().end, 0);
    }
    store.metadata.commit(moved(leased[0].lease, Precondition::None, 0)).await.unwrap();
    assert_eq!(&store.metadata.get("k").await.unwrap().unwrap().value[..], b"new");
    assert_eq!(numbers(&lease(store, "dead", 0, 9).await), [2]);
    assert_eq!(numbers(&lease(store, "a", 9_999, 9).await), Vec::<u128>::new());
    assert_eq!(store.journals.bounds("j").await.unwrap().end, 1);
}

pub(crate) async fn what_waits_is_listed(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    put_all(
        store,
        [message("q/a", 1, 30, "x"), message("q/a", 2, 20, "x"), message("q/b", 3, 5, "x"), message("r", 4, 0, "x")],
    )
    .await;
    drop(lease(store, "q/b", 10, 1).await);
    let listed = store.queues.queues("q/", None, 9).await.unwrap();
    let figures: Vec<_> =
        listed.iter().map(|one| (one.queue.as_str(), one.messages, one.next_due_ms, one.oldest_ms)).collect();
    assert_eq!(figures, [("q/a", 2, 20, 5), ("q/b", 1, 5, 5)]);
    let names = |listed: Vec<tindra_store::QueueFigures>| listed.into_iter().map(|one| one.queue).collect::<Vec<_>>();
    assert_eq!(names(store.queues.queues("q/", Some("q/a"), 9).await.unwrap()), ["q/b"]);
    assert_eq!(names(store.queues.queues("", None, 2).await.unwrap()), ["q/a", "q/b"]);
    let peeked = store.queues.peek("q/a", None, 9).await.unwrap();
    assert_eq!(peeked.iter().map(|one| (one.id.as_u128(), one.due_ms)).collect::<Vec<_>>(), [(1, 30), (2, 20)]);
    assert!(peeked.iter().all(|one| one.body.is_empty()));
    assert_eq!(store.queues.peek("q/a", Some(peeked[0].id), 9).await.unwrap(), peeked[1..]);
    assert_eq!(store.queues.peek("q/a", None, 1).await.unwrap(), peeked[..1]);
}

pub(crate) async fn waiting_ones_can_be_made_due(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    put_all(
        store,
        [message("a", 1, 900, "x"), message("a", 2, 900, "x"), message("a", 3, 900, "x"), message("b", 4, 900, "x")],
    )
    .await;
    assert_eq!(store.queues.make_due("a", Some(Uuid::from_u128(2)), 10, 0).await.unwrap(), 1);
    assert_eq!(store.queues.make_due("b", Some(Uuid::from_u128(2)), 10, 0).await.unwrap(), 0);
    assert_eq!(numbers(&lease(store, "a", 10, 9).await), [2]);
    assert_eq!(store.queues.make_due("a", None, 20, 100).await.unwrap(), 2, "the leased one is left alone");
    assert_eq!(numbers(&lease(store, "a", 20, 9).await), [1, 3]);
}

pub(crate) async fn all_of_a_prefix_are_removed(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    put_all(store, [message("q/a", 1, 0, vec![0; 50_000]), message("q/b", 2, 0, "x"), message("r", 3, 0, "x")]).await;
    let leased = lease(store, "q/a", 0, 1).await.leased;
    assert_eq!(store.queues.purge("q/").await.unwrap(), 2);
    assert_eq!(store.queues.queues("", None, 9).await.unwrap().len(), 1);
    assert!(is_lost(store, MessageChange::Complete(leased[0].lease)).await);
}

pub(crate) async fn concurrent_leases_share_nothing(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    put_all(store, (1..=60).map(|number| message("a", number, 0, "x"))).await;
    let takers: Vec<_> = (0..6)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let leased = lease(&store, "a", 0, 3).await;
                    if leased.leased.is_empty() {
                        return taken;
                    }
                    for leased in leased.leased {
                        taken.push(leased.message.id.as_u128());
                        store
                            .metadata
                            .commit(Batch::default().message(MessageChange::Complete(leased.lease)))
                            .await
                            .unwrap();
                    }
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for taker in takers {
        all.extend(taker.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (1..=60).collect::<Vec<u128>>());
    assert!(store.queues.queues("", None, 9).await.unwrap().is_empty());
}
