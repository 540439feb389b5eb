//! Batches of a shard: how they are filled, what becomes of them, and where the position is meanwhile.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::*;
use crate::clock::UnixMs;
use crate::event_source_mapping::{MappingSettings, SourceKind};

const DONE: BatchEnd = BatchEnd::Done { state: None };
const NOTHING: [u64; 0] = [];

fn settings() -> MappingSettings {
    MappingSettings { batch_size: 4, ..MappingSettings::new(SourceKind::Kinesis, Uuid::nil()) }
}

fn work(settings: MappingSettings) -> ShardWork {
    let record = ShardRecord::new("shard".to_owned(), Vec::new(), ShardPosition::TrimHorizon);
    ShardWork::new(&record, settings, Frame::Stream { source_arn: "arn".to_owned() })
}

fn record(number: u64, key: &str, arrival_ms: UnixMs) -> (StreamRecord, bool) {
    let members = Map::from_iter([("n".to_owned(), Value::from(number))]);
    let record = StreamRecord { sequence: number.to_string(), key: key.to_owned(), arrival_ms, bytes: 10, members };
    (record, true)
}

fn records(numbers: std::ops::RangeInclusive<u64>) -> Vec<(StreamRecord, bool)> {
    numbers.map(|number| record(number, "k", 0)).collect()
}

/// The numbers that the function is given next.
fn next(work: &mut ShardWork, now_ms: UnixMs) -> Vec<u64> {
    match work.step(now_ms) {
        Step::Invoke { lane } => given(work, lane),
        other => panic!("{other:?}"),
    }
}

fn event(work: &ShardWork, lane: usize) -> Value {
    serde_json::from_slice(&work.event(lane)).unwrap()
}

fn given(work: &ShardWork, lane: usize) -> Vec<u64> {
    let event = event(work, lane);
    event["Records"].as_array().unwrap().iter().map(|record| record["n"].as_u64().unwrap()).collect()
}

fn position(work: &ShardWork) -> ShardPosition {
    let mut record = ShardRecord::new(String::new(), Vec::new(), ShardPosition::TrimHorizon);
    work.note_into(&mut record);
    record.position
}

fn after(number: u64) -> ShardPosition {
    ShardPosition::After(number.to_string())
}

fn numbers(discarded: &Discarded) -> Vec<&str> {
    discarded.records.iter().map(|record| record.sequence.as_str()).collect()
}

#[test]
fn batches_are_full_or_have_waited() {
    let mut work = work(MappingSettings { batching_window_s: Some(2), ..settings() });
    assert_eq!(work.step(0), Step::Wait(None));
    work.take(records(1..=6), 1_000);
    assert_eq!(next(&mut work, 1_000), [1, 2, 3, 4]);
    assert_eq!(work.step(1_000), Step::Wait(None), "one batch at a time");
    work.ended(0, DONE, None, 1_000);
    assert_eq!(position(&work), after(4));
    assert_eq!(work.step(1_000), Step::Wait(Some(3_000)));
    assert_eq!(next(&mut work, 3_000), [5, 6]);
    work.ended(0, DONE, None, 3_000);
    work.take(records(7..=7), 3_000);
    work.end();
    assert_eq!(next(&mut work, 3_000), [7], "at its end a shard waits for nothing");
    assert!(!work.is_done());
    work.ended(0, DONE, None, 3_000);
    assert!(work.is_done());
}

#[test]
fn an_event_is_no_larger_than_an_invoke_may_be() {
    let mut work = work(settings());
    let large = |number| {
        let (record, passes) = record(number, "k", 0);
        (StreamRecord { bytes: 4 << 20, ..record }, passes)
    };
    work.take([large(1), large(2)], 0);
    assert_eq!(next(&mut work, 0), [1]);
    work.ended(0, DONE, None, 0);
    assert_eq!(next(&mut work, 0), [2]);
}

#[test]
fn the_position_moves_over_what_is_filtered_out_but_not_over_what_is_not_done() {
    let mut work = work(settings());
    let out = |number| (record(number, "k", 0).0, false);
    work.take([out(1), out(2)], 0);
    assert_eq!((position(&work), work.take_changed()), (after(2), true));
    work.take([record(3, "k", 0), out(4)], 0);
    assert_eq!((position(&work), work.take_changed()), (after(2), false));
    assert_eq!(next(&mut work, 0), [3]);
    work.ended(0, DONE, None, 0);
    assert_eq!(position(&work), after(4));
}

#[test]
fn lanes_keep_the_order_of_a_key_and_the_position_waits_for_the_slowest() {
    let mut work = work(MappingSettings { parallelization_factor: 10, batch_size: 1, ..settings() });
    work.take((1..=40).map(|number| record(number, &format!("k{}", number % 8), 0)), 0);
    let mut running = Vec::new();
    while let Step::Invoke { lane } = work.step(0) {
        running.push((lane, given(&work, lane)[0]));
    }
    assert!(running.len() > 1, "several at once");
    let slow = running.iter().find(|(_, number)| *number == 1).unwrap().0;
    for (lane, _) in running.iter().filter(|(lane, _)| *lane != slow) {
        work.ended(*lane, DONE, None, 0);
    }
    assert_eq!(position(&work), ShardPosition::TrimHorizon);
    work.ended(slow, DONE, None, 0);
    assert!(matches!(position(&work), ShardPosition::After(_)));
}

#[test]
fn a_batch_is_retried_as_often_as_it_may_and_limits_do_not_count() {
    let mut work = work(MappingSettings { maximum_retry_attempts: Some(1), ..settings() });
    work.take(records(1..=2), 0);
    assert_eq!(next(&mut work, 0), [1, 2]);
    assert_eq!(work.ended(0, BatchEnd::Failed, None, 0), Ended { failed: 2, ..Ended::default() });
    assert_eq!(work.step(0), Step::Wait(Some(500)));
    for now_ms in [500, 10_000, 100_000] {
        assert_eq!(next(&mut work, now_ms), [1, 2]);
        let ended = work.ended(0, BatchEnd::Passing { reason: "Rate Exceeded.".to_owned() }, None, now_ms);
        assert_eq!(ended, Ended::default());
    }
    assert_eq!(work.retrying().unwrap().since_ms, 0);
    assert_eq!(work.retrying().unwrap().reason, "Rate Exceeded.");
    assert_eq!(next(&mut work, 1_000_000), [1, 2]);
    let discarded = work.ended(0, BatchEnd::Failed, None, 1_000_000).discarded.unwrap();
    assert_eq!((numbers(&discarded), discarded.invokes), (vec!["1", "2"], 2));
    assert_eq!(discarded.reason, DiscardReason::RetryAttemptsExhausted);
    assert_eq!((position(&work), work.retrying()), (after(2), None));
}

#[test]
fn splits_isolate_a_record_and_are_no_retries() {
    let settings = MappingSettings { maximum_retry_attempts: Some(0), bisect_on_error: true, ..settings() };
    let mut work = work(settings);
    work.take(records(1..=4), 0);
    let (mut seen, mut given_up) = (Vec::new(), Vec::new());
    while let Step::Invoke { lane } = work.step(0) {
        let numbers_given = given(&work, lane);
        let end = if numbers_given.contains(&3) { BatchEnd::Failed } else { DONE };
        let ended = work.ended(lane, end, None, 0);
        given_up.extend(ended.discarded);
        seen.push(numbers_given);
    }
    assert_eq!(seen, [vec![1, 2, 3, 4], vec![1, 2], vec![3, 4], vec![3], vec![4]]);
    assert_eq!((numbers(&given_up[0]), given_up[0].invokes), (vec!["3"], 3));
    assert_eq!(position(&work), after(4));
}

#[test]
fn what_comes_before_a_failed_item_is_done_and_the_rest_is_retried() {
    let mut work = work(MappingSettings { maximum_retry_attempts: Some(1), ..settings() });
    work.take(records(1..=4), 0);
    assert_eq!(next(&mut work, 0), [1, 2, 3, 4]);
    let ended = work.ended(0, BatchEnd::From { index: 2, state: None }, None, 0);
    assert_eq!((ended.done, ended.failed, position(&work)), (2, 2, after(2)));
    assert_eq!(next(&mut work, 500), [3, 4]);
    let ended = work.ended(0, BatchEnd::From { index: 1, state: None }, None, 500);
    assert_eq!((ended.done, numbers(&ended.discarded.unwrap())), (1, vec!["4"]));
    assert_eq!(position(&work), after(4));
}

#[test]
fn old_records_are_given_up_before_and_between_attempts() {
    let mut work = work(MappingSettings { maximum_record_age_s: Some(60), ..settings() });
    work.take([record(1, "k", 0), record(2, "k", 30_000)], 61_000);
    let Step::Discard(first) = work.step(61_000) else { panic!("it is too old") };
    assert_eq!((numbers(&first), first.invokes), (vec!["1"], 0));
    assert_eq!(first.reason, DiscardReason::RecordAgeExceeded);
    assert_eq!(next(&mut work, 61_000), [2]);
    work.ended(0, BatchEnd::Failed, None, 89_999);
    assert_eq!(work.step(89_999), Step::Wait(Some(90_001)), "no later than it becomes too old");
    let Step::Discard(second) = work.step(90_001) else { panic!("it is too old") };
    assert_eq!((numbers(&second), second.invokes, position(&work)), (vec!["2"], 1, after(2)));
}

#[test]
fn windows_go_by_arrival_and_keep_their_state() {
    let mut work = work(MappingSettings { tumbling_window_s: 10, parallelization_factor: 1, ..settings() });
    work.take([record(1, "k", 1_000), record(2, "k", 9_000), record(3, "k", 11_000)], 11_000);
    assert_eq!(next(&mut work, 11_000), [1, 2], "the third is of another window");
    assert_eq!(event(&work, 0)["window"], json!({ "start": "1970-01-01T00:00:00Z", "end": "1970-01-01T00:00:10Z" }));
    work.ended(0, BatchEnd::Done { state: Some(json!({ "n": 2 })) }, None, 11_000);
    assert_eq!(next(&mut work, 11_000), NOTHING, "the window ends");
    let last = event(&work, 0);
    assert_eq!((&last["state"], &last["isFinalInvokeForWindow"]), (&json!({ "n": 2 }), &json!(true)));
    work.ended(0, BatchEnd::Failed, None, 11_000);
    assert_eq!(work.step(11_000), Step::Wait(Some(11_500)), "nothing goes on before it has ended");
    assert_eq!(next(&mut work, 11_500), NOTHING);
    work.ended(0, DONE, None, 11_500);
    assert_eq!(next(&mut work, 11_500), [3]);
    assert_eq!(event(&work, 0)["state"], json!({}));
    let mut durable = ShardRecord::new("shard".to_owned(), Vec::new(), ShardPosition::TrimHorizon);
    work.ended(0, BatchEnd::Done { state: Some(json!({ "n": 1 })) }, None, 11_500);
    work.note_into(&mut durable);
    let mut again = ShardWork::new(
        &durable,
        MappingSettings { tumbling_window_s: 10, ..settings() },
        Frame::Stream { source_arn: "arn".to_owned() },
    );
    assert_eq!(again.step(21_500), Step::Wait(None), "there may be more");
    again.is_at_tip(20_999);
    assert_eq!(again.step(21_500), Step::Wait(None));
    again.is_at_tip(21_000);
    assert_eq!(next(&mut again, 21_500), NOTHING, "there was nothing more after its end");
    assert_eq!(event(&again, 0)["state"], json!({ "n": 1 }), "the state has come through a restart");
}

#[test]
fn a_window_ends_with_its_shard_or_when_its_state_is_too_large() {
    let mut work = work(MappingSettings { tumbling_window_s: 10, batch_size: 1, ..settings() });
    work.take(records(1..=2), 0);
    assert_eq!(next(&mut work, 0), [1]);
    let large = json!({ "x": "x".repeat(1 << 20) });
    work.ended(0, BatchEnd::Done { state: Some(large) }, None, 0);
    assert_eq!(next(&mut work, 0), NOTHING);
    assert_eq!(event(&work, 0)["isWindowTerminatedEarly"], json!(true));
    work.ended(0, DONE, None, 0);
    work.end();
    assert_eq!(next(&mut work, 0), [2]);
    assert_eq!(event(&work, 0)["state"], json!({}), "the rest of the window begins anew");
    work.ended(0, BatchEnd::Done { state: Some(json!({})) }, None, 0);
    assert!(!work.is_done());
    assert_eq!(next(&mut work, 0), NOTHING);
    work.ended(0, DONE, None, 0);
    assert!(work.is_done());
}
