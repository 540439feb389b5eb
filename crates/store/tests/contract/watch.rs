//! Watching: everything is seen, or it is said that something was missed.

use std::time::Duration;

use tindra_store::{Batch, Precondition};

use super::{Open, Place};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn sees_every_change_under_its_prefix(open: Open) {
    let place = Place::new(open);
    let records = &place.store().metadata;
    records.commit(Batch::default().put("f/before", Precondition::None, "")).await.unwrap();
    let mut watch = records.watch("f/");
    for index in 0..20 {
        let batch = Batch::default()
            .put(format!("f/{index}"), Precondition::None, "")
            .put(format!("g/{index}"), Precondition::None, "")
            .delete(format!("f/{}", index - 1), Precondition::None);
        records.commit(batch).await.unwrap();
        let refused = Batch::default().put(format!("f/{index}"), Precondition::Absent, "");
        records.commit(refused).await.unwrap_err();
    }
    for index in 0..20 {
        let keys = tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap().unwrap();
        assert_eq!(keys, [format!("f/{index}"), format!("f/{}", index - 1)]);
    }
}

pub(crate) async fn says_when_it_lagged(open: Open) {
    let place = Place::new(open);
    let records = &place.store().metadata;
    let mut watch = records.watch("");
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..3_000 {
        let records = records.clone();
        tasks.spawn(
            async move { records.commit(Batch::default().put(format!("k{index}"), Precondition::None, "")).await },
        );
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    assert_eq!(tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap(), None);
    assert!(tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap().is_some(), "and goes on after that");
}

pub(crate) async fn ends_with_the_store(open: Open) {
    let mut place = Place::new(open);
    let mut watch = place.store().metadata.watch("");
    place.reopen();
    assert_eq!(tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap(), Some(Vec::new()));
}
