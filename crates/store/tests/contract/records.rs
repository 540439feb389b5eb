//! Records: compare-and-set, batches, lists.

use serde::{Deserialize, Serialize};
use tindra_store::{Batch, JsonBatch, JsonRecords, Metadata, Precondition, StoreError};

use super::{Open, Place};

fn put(key: &str, precondition: Precondition, value: &str) -> Batch {
    Batch::default().put(key, precondition, value.to_owned())
}

async fn value(store: &dyn Metadata, key: &str) -> Option<String> {
    let record = store.get(key).await.unwrap()?;
    Some(String::from_utf8(record.value.to_vec()).unwrap())
}

async fn keys(store: &dyn Metadata, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    store.list(prefix, after, limit).await.unwrap().into_iter().map(|record| record.key).collect()
}

pub(crate) async fn writes_are_read_back(open: Open) {
    let place = Place::new(open);
    let records = &*place.store().metadata;
    assert_eq!(records.get("a").await.unwrap(), None);
    let revision = records.commit(put("a", Precondition::None, "one")).await.unwrap();
    let record = records.get("a").await.unwrap().unwrap();
    assert_eq!((record.key.as_str(), &record.value[..], record.revision), ("a", &b"one"[..], revision));
    records.commit(put("a", Precondition::None, "")).await.unwrap();
    assert_eq!(value(records, "a").await.as_deref(), Some(""));
    records.commit(Batch::default().delete("a", Precondition::None)).await.unwrap();
    assert_eq!(records.get("a").await.unwrap(), None);
    records.commit(Batch::default().delete("a", Precondition::None)).await.unwrap();
    let binary: Vec<u8> = (0..=255).collect();
    records.commit(Batch::default().put("b", Precondition::None, binary.clone())).await.unwrap();
    assert_eq!(&records.get("b").await.unwrap().unwrap().value[..], &binary[..]);
}

pub(crate) async fn a_batch_is_whole_or_nothing(open: Open) {
    let place = Place::new(open);
    let records = &*place.store().metadata;
    records.commit(put("kept", Precondition::None, "old")).await.unwrap();
    let batch = Batch::default().put("fresh", Precondition::Absent, "x").delete("kept", Precondition::None).put(
        "kept",
        Precondition::Absent,
        "new",
    );
    match records.commit(batch).await {
        Err(StoreError::Conflict { key }) => assert_eq!(key, "kept"),
        other => panic!("{other:?}"),
    }
    assert_eq!(value(records, "fresh").await, None);
    assert_eq!(value(records, "kept").await.as_deref(), Some("old"));
}

pub(crate) async fn preconditions_see_the_state_before_the_batch(open: Open) {
    let place = Place::new(open);
    let records = &*place.store().metadata;
    let first = records.commit(put("a", Precondition::Absent, "1")).await.unwrap();
    let batch = Batch::default().put("a", Precondition::Revision(first), "2").put("a", Precondition::None, "3");
    let second = records.commit(batch).await.unwrap();
    assert_eq!(value(records, "a").await.as_deref(), Some("3"));
    for stale in [Precondition::Revision(first), Precondition::Revision(second + 1), Precondition::Absent] {
        assert!(matches!(records.commit(put("a", stale, "4")).await, Err(StoreError::Conflict { .. })), "{stale:?}");
    }
    let gone = Precondition::Revision(second);
    assert!(matches!(records.commit(put("b", gone, "4")).await, Err(StoreError::Conflict { .. })));
    records.commit(Batch::default().delete("a", Precondition::Revision(second))).await.unwrap();
}

pub(crate) async fn revisions_only_grow(open: Open) {
    let mut place = Place::new(open);
    let first = place.store().metadata.commit(put("a", Precondition::None, "1")).await.unwrap();
    let deleted = Batch::default().delete("a", Precondition::None);
    let second = place.store().metadata.commit(deleted).await.unwrap();
    place.reopen();
    let third = place.store().metadata.commit(put("a", Precondition::None, "1")).await.unwrap();
    assert!(first < second && second < third, "a revision must never come twice, also for a key made anew");
}

pub(crate) async fn one_of_many_racers_wins(open: Open) {
    let place = Place::new(open);
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..64 {
        let records = place.store().metadata.clone();
        racers.spawn(async move { records.commit(put("prize", Precondition::Absent, &racer.to_string())).await });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().flat_map(Result::as_ref).count() == 1);
    assert!(
        outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|e| matches!(e, StoreError::Conflict { .. }))
    );
}

pub(crate) async fn counters_lose_no_increment(open: Open) {
    let place = Place::new(open);
    place.store().metadata.commit(put("n", Precondition::None, "0")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let records = place.store().metadata.clone();
        tasks.spawn(async move {
            let mut done = 0;
            while done < 25 {
                let record = records.get("n").await.unwrap().unwrap();
                let next = std::str::from_utf8(&record.value).unwrap().parse::<u32>().unwrap() + 1;
                match records.commit(put("n", Precondition::Revision(record.revision), &next.to_string())).await {
                    Ok(_) => done += 1,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(value(&*place.store().metadata, "n").await.as_deref(), Some("200"));
}

pub(crate) async fn lists_page_by_prefix_with_tricky_keys(open: Open) {
    let place = Place::new(open);
    let records = &*place.store().metadata;
    let inside = ["f/", "f/%", "f/A", "f/_", "f/a", "f/a\0b", "f/a/b", "f/ab", "f/é", "f/\u{10ffff}", "f/\u{10ffff}x"];
    let outside = ["", "f", "f.", "f0", "F/a", "g", "e\u{10ffff}"];
    let mut batch = Batch::default();
    for key in inside.iter().chain(&outside) {
        batch = batch.put(*key, Precondition::Absent, (*key).to_owned());
    }
    records.commit(batch).await.unwrap();
    let mut sorted = inside.to_vec();
    sorted.sort_unstable();
    assert_eq!(keys(records, "f/", None, 100).await, sorted);
    for page in 1..5 {
        let (mut paged, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let next = keys(records, "f/", after.as_deref(), page).await;
            assert!(next.len() <= page);
            let Some(last) = next.last() else { break };
            after = Some(last.clone());
            paged.extend(next);
        }
        assert_eq!(paged, sorted);
    }
    assert_eq!(keys(records, "f/", Some("a"), 100).await, sorted, "an `after` before the prefix does not matter");
    assert!(keys(records, "f/", Some("g"), 100).await.is_empty());
    assert!(keys(records, "f/", None, 0).await.is_empty());
    assert_eq!(keys(records, "", None, 100).await.len(), inside.len() + outside.len());
}

pub(crate) async fn reopening_keeps_everything(open: Open) {
    let mut place = Place::new(open);
    let mut revisions = Vec::new();
    for index in 0..50 {
        let batch = put(&format!("k/{index:02}"), Precondition::None, &index.to_string());
        revisions.push(place.store().metadata.commit(batch).await.unwrap());
    }
    place.reopen();
    let records = place.store().metadata.list("k/", None, 100).await.unwrap();
    assert_eq!(records.iter().map(|record| record.revision).collect::<Vec<_>>(), revisions);
}

pub(crate) async fn conflicts_do_not_harm_neighbours(open: Open) {
    let place = Place::new(open);
    place.store().metadata.commit(put("taken", Precondition::None, "1")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..200 {
        let records = place.store().metadata.clone();
        tasks.spawn(async move {
            let key = if index % 3 == 0 { "taken".to_owned() } else { format!("free/{index}") };
            (index, records.commit(put(&key, Precondition::Absent, "2")).await.is_ok())
        });
    }
    for (index, written) in tasks.join_all().await {
        assert_eq!(written, index % 3 != 0, "{index}");
    }
    assert_eq!(keys(&*place.store().metadata, "free/", None, 1_000).await.len(), 133);
}

pub(crate) async fn a_thousand_commits_at_once(open: Open) {
    let mut place = Place::new(open);
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..1_000 {
        let records = place.store().metadata.clone();
        tasks
            .spawn(async move { records.commit(put(&format!("k/{index}"), Precondition::Absent, "v")).await.unwrap() });
    }
    let mut revisions = tasks.join_all().await;
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), 1_000);
    place.reopen();
    assert_eq!(keys(&*place.store().metadata, "k/", None, 2_000).await.len(), 1_000);
}

pub(crate) async fn json_is_typed(open: Open) {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Thing {
        name: String,
    }
    let place = Place::new(open);
    let records = &*place.store().metadata;
    let thing = Thing { name: "a".into() };
    let batch = Batch::default().put_json("t/a", Precondition::Absent, &thing).unwrap();
    let revision = records.commit(batch).await.unwrap();
    let read = records.get_json::<Thing>("t/a").await.unwrap().unwrap();
    assert_eq!((&read.value, read.revision), (&thing, revision));
    assert_eq!(records.list_json::<Thing>("t/", None, 10).await.unwrap(), [read]);
    records.commit(put("t/b", Precondition::None, "{")).await.unwrap();
    assert!(records.get_json::<Thing>("t/b").await.unwrap_err().to_string().contains("t/b"));
}
