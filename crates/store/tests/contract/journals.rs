//! Journals: order, offsets, trimming.

use bytes::Bytes;
use tindra_store::{Batch, JournalBounds, JournalChange, Store, StoreError};

use super::{Open, Place};

async fn append(store: &Store, at: u64, records: &[&'static str]) -> Result<u64, StoreError> {
    let records = records.iter().map(|record| Bytes::from_static(record.as_bytes())).collect();
    let change = JournalChange::Append { journal: "j".to_owned(), at, records };
    store.metadata.commit(Batch::default().journal(change)).await
}

async fn read(store: &Store, from: u64, limit: usize) -> Vec<(u64, String)> {
    let records = store.journals.read("j", from, limit, usize::MAX).await.unwrap();
    records.into_iter().map(|(offset, record)| (offset, String::from_utf8(record.to_vec()).unwrap())).collect()
}

fn numbered(records: &[(u64, &str)]) -> Vec<(u64, String)> {
    records.iter().map(|(offset, record)| (*offset, (*record).to_owned())).collect()
}

pub(crate) async fn keep_order_and_offsets(open: Open) {
    let mut place = Place::new(open);
    append(place.store(), 0, &["a", "", "c"]).await.unwrap();
    append(place.store(), 3, &["d"]).await.unwrap();
    assert_eq!(read(place.store(), 0, 9).await, numbered(&[(0, "a"), (1, ""), (2, "c"), (3, "d")]));
    assert_eq!(read(place.store(), 1, 2).await, numbered(&[(1, ""), (2, "c")]));
    assert_eq!(read(place.store(), 4, 9).await, []);
    place.reopen();
    assert_eq!(place.store().journals.bounds("j").await.unwrap(), JournalBounds { first: 0, end: 4 });
    assert_eq!(place.store().journals.bounds("k").await.unwrap(), JournalBounds::default());
    assert_eq!(place.store().journals.read("k", 0, 9, usize::MAX).await.unwrap(), []);
}

pub(crate) async fn pages_are_bounded_by_bytes(open: Open) {
    let place = Place::new(open);
    append(place.store(), 0, &["aa", "", "bbb", "c"]).await.unwrap();
    for (from, limit, bytes_max, count) in
        [(0, 9, 2, 1), (0, 9, 3, 3), (0, 9, 5, 3), (0, 9, 6, 4), (2, 9, 1, 1), (0, 2, 9, 2)]
    {
        let read = place.store().journals.read("j", from, limit, bytes_max).await.unwrap();
        assert_eq!((read.len(), read[0].0), (count, from), "{bytes_max} bytes from {from}");
    }
}

pub(crate) async fn one_that_was_overtaken_is_told(open: Open) {
    let place = Place::new(open);
    append(place.store(), 0, &["a"]).await.unwrap();
    for at in [0, 2] {
        assert!(matches!(append(place.store(), at, &["b"]).await, Err(StoreError::Conflict { .. })));
    }
    let both = [("b", 1), ("c", 1)].map(|(record, at)| {
        let store = place.store().clone();
        tokio::spawn(async move { append(&store, at, &[record]).await.is_ok() })
    });
    let mut won = 0;
    for one in both {
        won += usize::from(one.await.unwrap());
    }
    assert_eq!((won, read(place.store(), 0, 9).await.len()), (1, 2));
}

pub(crate) async fn trimmed_ones_keep_their_offsets(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    append(store, 0, &["a", "b", "c"]).await.unwrap();
    let trim = |before| Batch::default().journal(JournalChange::Trim { journal: "j".to_owned(), before });
    store.metadata.commit(trim(2)).await.unwrap();
    store.metadata.commit(trim(1)).await.unwrap();
    assert_eq!(read(store, 0, 9).await, numbered(&[(2, "c")]));
    store.metadata.commit(trim(99)).await.unwrap();
    assert_eq!(store.journals.bounds("j").await.unwrap(), JournalBounds { first: 3, end: 3 });
    append(store, 3, &["d"]).await.unwrap();
    assert_eq!(read(store, 0, 9).await, numbered(&[(3, "d")]));
    assert_eq!(store.journals.names().await.unwrap(), ["j"]);
    store.metadata.commit(Batch::default().journal(JournalChange::Remove { journal: "j".to_owned() })).await.unwrap();
    assert!(store.journals.names().await.unwrap().is_empty());
    append(store, 0, &["anew"]).await.unwrap();
    assert_eq!(read(store, 0, 9).await, numbered(&[(0, "anew")]));
}
