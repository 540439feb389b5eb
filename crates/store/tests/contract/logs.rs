//! Logs: order, positions, bounds.

use tindra_store::{LogBounds, LogEvent, Logs};

use super::{Open, Place};

const SCOPE: &str = "000000000000/us-east-1";

fn event(timestamp_ms: u64, message: &str) -> LogEvent {
    LogEvent { timestamp_ms, ingestion_ms: timestamp_ms + 1, message: message.to_owned() }
}

fn numbered(range: std::ops::Range<u64>) -> Vec<LogEvent> {
    range.map(|index| event(index, &format!("line {index}"))).collect()
}

async fn all(logs: &dyn Logs, group: &str, stream: &str) -> Vec<LogEvent> {
    let (mut events, mut from) = (Vec::new(), 0);
    loop {
        let (first, next) = logs.read(SCOPE, group, stream, from, 7).await.unwrap().unwrap();
        if next.is_empty() {
            return events;
        }
        from = first + next.len() as u64;
        events.extend(next);
    }
}

pub(crate) async fn keep_order_and_positions(open: Open) {
    let place = Place::new(open);
    let logs = &*place.store().logs;
    assert_eq!(logs.read(SCOPE, "g", "s", 0, 1).await.unwrap(), None);
    assert_eq!(logs.end(SCOPE, "g", "s").await.unwrap(), None);
    logs.append(SCOPE, "g", "s", numbered(0..10)).await.unwrap();
    logs.append(SCOPE, "g", "s", numbered(10..25)).await.unwrap();
    assert_eq!(all(logs, "g", "s").await, numbered(0..25));
    assert_eq!(logs.end(SCOPE, "g", "s").await.unwrap(), Some(25));
    assert_eq!(logs.read(SCOPE, "g", "s", 9, 2).await.unwrap(), Some((9, numbered(9..11))));
    assert_eq!(logs.read(SCOPE, "g", "s", 25, 2).await.unwrap(), Some((25, vec![])));
    assert_eq!(logs.read(SCOPE, "g", "s", 99, 2).await.unwrap(), Some((25, vec![])));
}

pub(crate) async fn know_their_streams(open: Open) {
    let place = Place::new(open);
    let logs = &*place.store().logs;
    assert_eq!(logs.streams(SCOPE, "g").await.unwrap(), None);
    assert!(logs.create_group(SCOPE, "g").await.unwrap());
    assert!(!logs.create_group(SCOPE, "g").await.unwrap());
    assert_eq!(logs.streams(SCOPE, "g").await.unwrap(), Some(vec![]));
    logs.append(SCOPE, "g", "b", vec![event(5, "five"), event(3, "three")]).await.unwrap();
    logs.append(SCOPE, "g", "a", vec![]).await.unwrap();
    let streams = logs.streams(SCOPE, "g").await.unwrap().unwrap();
    assert_eq!(streams.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((streams[0].first_event_ms, streams[0].stored_bytes), (None, 0));
    let times = (streams[1].first_event_ms, streams[1].last_event_ms, streams[1].last_ingestion_ms);
    assert_eq!(times, (Some(3), Some(5), Some(6)));
    let groups = logs.groups(SCOPE).await.unwrap();
    assert_eq!((groups.len(), groups[0].name.as_str(), groups[0].stored_bytes), (1, "g", 9));
    assert!(groups[0].created_ms > 0);
    assert!(logs.groups("other").await.unwrap().is_empty());
}

pub(crate) async fn tricky_names_stay_apart(open: Open) {
    let mut place = Place::new(open);
    let long = "s/".repeat(256);
    let longer = format!("{}x", &long[..511]);
    let names =
        ["2026/11/23/[$LATEST]0f", "2026/11/23/[1]0f", "..", ".", "a.0000000000000000", "%2E", long.as_str(), &longer];
    for round in 0..2 {
        for name in names {
            let text = format!("{name} {round}");
            place.store().logs.append(SCOPE, "/aws/lambda/a_b-c.d", name, vec![event(round, &text)]).await.unwrap();
            place.store().logs.append(SCOPE, name, "s", vec![event(round, &text)]).await.unwrap();
        }
        place.reopen();
    }
    for name in names {
        let expected: Vec<_> = (0..2).map(|round| event(round, &format!("{name} {round}"))).collect();
        assert_eq!(all(&*place.store().logs, "/aws/lambda/a_b-c.d", name).await, expected);
        assert_eq!(all(&*place.store().logs, name, "s").await, expected);
    }
    assert_eq!(place.store().logs.groups(SCOPE).await.unwrap().len(), names.len() + 1);
}

pub(crate) async fn survive_reopening(open: Open) {
    let bounds = LogBounds { segment_bytes_max: 300, ..LogBounds::default() };
    let mut place = Place::with_bounds(open, bounds);
    for start in (0..100).step_by(10) {
        place.store().logs.append(SCOPE, "g", "s", numbered(start..start + 10)).await.unwrap();
        let before = place.store().logs.streams(SCOPE, "g").await.unwrap();
        place.reopen();
        assert_eq!(place.store().logs.streams(SCOPE, "g").await.unwrap(), before);
    }
    assert_eq!(all(&*place.store().logs, "g", "s").await, numbered(0..100));
    place.reopen();
    assert_eq!(place.store().logs.end(SCOPE, "g", "s").await.unwrap(), Some(100));
}

pub(crate) async fn stay_within_the_stream_bound(open: Open) {
    let bounds = LogBounds { segment_bytes_max: 1_000, stream_bytes_max: 5_000, ..LogBounds::default() };
    let mut place = Place::with_bounds(open, bounds);
    place.store().logs.append(SCOPE, "g", "quiet", numbered(0..3)).await.unwrap();
    for start in (0..1_000).step_by(10) {
        place.store().logs.append(SCOPE, "g", "loud", numbered(start..start + 10)).await.unwrap();
    }
    for _ in 0..2 {
        let logs = &*place.store().logs;
        let (first, events) = logs.read(SCOPE, "g", "loud", 0, 10_000).await.unwrap().unwrap();
        assert!(first > 500, "the oldest are gone");
        assert_eq!(events, numbered(first..1_000), "positions stay what they were");
        assert_eq!(logs.end(SCOPE, "g", "loud").await.unwrap(), Some(1_000));
        let streams = logs.streams(SCOPE, "g").await.unwrap().unwrap();
        assert!(streams[0].stored_bytes < 5_000 && streams[0].first_event_ms == Some(first));
        assert_eq!(all(logs, "g", "quiet").await.len(), 3);
        place.reopen();
    }
}

pub(crate) async fn stay_within_the_group_bound(open: Open) {
    let bounds = LogBounds { segment_bytes_max: 1_000, group_bytes_max: 10_000, ..LogBounds::default() };
    let place = Place::with_bounds(open, bounds);
    let logs = &*place.store().logs;
    for stream in 0..60_u64 {
        logs.append(SCOPE, "g", &format!("s{stream:02}"), numbered(stream * 10..stream * 10 + 10)).await.unwrap();
    }
    let streams = logs.streams(SCOPE, "g").await.unwrap().unwrap();
    assert!((10..60).contains(&streams.len()), "{}", streams.len());
    assert_eq!(streams.last().unwrap().name, "s59", "the oldest go first");
    assert_eq!(streams[0].name, format!("s{:02}", 60 - streams.len()));
}

pub(crate) async fn stay_within_the_number_of_streams(open: Open) {
    let place = Place::with_bounds(open, LogBounds { group_streams_max: 5, ..LogBounds::default() });
    let logs = &*place.store().logs;
    for stream in 0..12_u64 {
        // Stamps from the past would be older than the making of the streams.
        let stamp = u64::MAX / 4 + stream;
        logs.append(SCOPE, "g", &format!("s{stream:02}"), vec![event(stamp, "x")]).await.unwrap();
    }
    let streams = logs.streams(SCOPE, "g").await.unwrap().unwrap();
    let names: Vec<_> = streams.iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, ["s07", "s08", "s09", "s10", "s11"]);
}

pub(crate) async fn deleting_a_group_removes_it(open: Open) {
    let mut place = Place::new(open);
    assert!(!place.store().logs.delete_group(SCOPE, "g").await.unwrap());
    place.store().logs.append(SCOPE, "g", "s", numbered(0..3)).await.unwrap();
    place.store().logs.append(SCOPE, "g2", "s", numbered(0..3)).await.unwrap();
    place.store().logs.append(SCOPE, "g2", "t", numbered(0..3)).await.unwrap();
    assert!(place.store().logs.delete_stream(SCOPE, "g2", "t").await.unwrap());
    assert!(!place.store().logs.delete_stream(SCOPE, "g2", "t").await.unwrap());
    assert!(!place.store().logs.delete_stream(SCOPE, "none", "t").await.unwrap());
    assert_eq!(place.store().logs.end(SCOPE, "g2", "t").await.unwrap(), None);
    assert!(place.store().logs.delete_group(SCOPE, "g").await.unwrap());
    assert_eq!(place.store().logs.streams(SCOPE, "g").await.unwrap(), None);
    place.store().logs.append(SCOPE, "g", "s", numbered(5..6)).await.unwrap();
    assert_eq!(all(&*place.store().logs, "g", "s").await, numbered(5..6), "a new one starts empty");
    assert!(place.store().logs.delete_group(SCOPE, "g").await.unwrap());
    place.reopen();
    let groups = place.store().logs.groups(SCOPE).await.unwrap();
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["g2"]);
}

pub(crate) async fn many_streams_at_once(open: Open) {
    let mut place = Place::new(open);
    let mut tasks = tokio::task::JoinSet::new();
    for stream in 0..400 {
        let logs = place.store().logs.clone();
        tasks.spawn(async move {
            for start in [0, 5] {
                logs.append(SCOPE, "g", &format!("s/{stream}"), numbered(start..start + 5)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    place.reopen();
    let logs = &*place.store().logs;
    assert_eq!(logs.streams(SCOPE, "g").await.unwrap().unwrap().len(), 400);
    for stream in [0, 199, 399] {
        assert_eq!(all(logs, "g", &format!("s/{stream}")).await, numbered(0..10));
    }
}

pub(crate) async fn large_messages(open: Open) {
    let place = Place::new(open);
    let logs = &*place.store().logs;
    let large = "x".repeat(700_000);
    let too_large = "é".repeat(700_000);
    let events = vec![event(1, &large), event(2, &too_large), event(3, ""), event(4, &large)];
    logs.append(SCOPE, "g", "s", events).await.unwrap();
    let read = all(logs, "g", "s").await;
    assert_eq!(read.iter().map(|event| event.message.len()).collect::<Vec<_>>(), [700_000, 1 << 20, 0, 700_000]);
}
