//! Blobs: by the hash of their bytes.

use bytes::Bytes;

use super::{Open, Place};

/// SHA-256 of nothing, from its definition.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) async fn come_back_as_they_were(open: Open) {
    let place = Place::new(open);
    let blobs = &place.store().blobs;
    let bytes = Bytes::from(vec![7; 300_000]);
    assert_eq!(blobs.put(Bytes::new()).await.unwrap(), EMPTY);
    let id = blobs.put(bytes.clone()).await.unwrap();
    assert_eq!(blobs.put(bytes.clone()).await.unwrap(), id, "the same bytes are stored once");
    assert_eq!(blobs.get(&id).await.unwrap(), Some(bytes));
    assert_eq!(blobs.get(EMPTY).await.unwrap(), Some(Bytes::new()));
    let mut both = vec![EMPTY.to_owned(), id.clone()];
    both.sort_unstable();
    assert_eq!(blobs.list().await.unwrap(), both);
    blobs.delete(&id).await.unwrap();
    blobs.delete(&id).await.unwrap();
    assert_eq!(blobs.get(&id).await.unwrap(), None);
    assert_eq!(blobs.list().await.unwrap(), [EMPTY]);
}

pub(crate) async fn strange_names_find_nothing(open: Open) {
    let place = Place::new(open);
    let blobs = &place.store().blobs;
    for name in ["", "..", "../lock", "é", &EMPTY.to_uppercase(), &EMPTY[1..], &format!("{EMPTY}0")] {
        assert_eq!(blobs.get(name).await.unwrap(), None, "{name}");
        blobs.delete(name).await.unwrap();
    }
}

pub(crate) async fn survive_reopening(open: Open) {
    let mut place = Place::new(open);
    let id = place.store().blobs.put(Bytes::from_static(b"code")).await.unwrap();
    place.reopen();
    assert_eq!(place.store().blobs.get(&id).await.unwrap().as_deref(), Some(&b"code"[..]));
}
