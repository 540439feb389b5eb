//! Splitting and merging: the ring stays whole, and a key's records stay in their order.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use serde_json::json;
use uuid::Uuid;

use super::super::hash::HashRange;
use super::super::records::Stream;
use super::super::reshard::Closing;
use super::{HOUR, Test, data, id, text};
use crate::test_surroundings::scope;

fn stream(shards: u32) -> Stream {
    let mut stream = Stream {
        scope: scope(),
        name: "s".to_owned(),
        id: Uuid::nil(),
        created_ms: 0,
        retention_h: 24,
        is_on_demand: false,
        record_kib_max: 1_024,
        shards: Vec::new(),
        next_shard: 0,
        tags: Default::default(),
    };
    HashRange::evenly(shards).into_iter().for_each(|range| stream.add_shard(range, [None, None], 0));
    stream
}

fn ranges(stream: &Stream) -> Vec<HashRange> {
    let mut open: Vec<HashRange> = stream.open_shards().map(|shard| shard.range).collect();
    open.sort_by_key(|range| range.first);
    open
}

proptest! {
    #[test]
    fn as_many_shards_as_wanted_of_the_same_size(counts in proptest::collection::vec(1..60_u32, 1..4)) {
        let mut stream = stream(counts[0]);
        for count in counts {
            stream.divide_evenly(count, &Closing { now_ms: 0, ends: Default::default() });
            prop_assert_eq!(ranges(&stream), HashRange::evenly(count));
        }
        for shard in &stream.shards {
            for parent in shard.parents() {
                let parent = stream.shard(parent).unwrap();
                prop_assert!(parent.closed.is_some() && parent.shard_s < shard.shard_s && parent.number < shard.number);
            }
        }
    }
}

#[tokio::test]
async fn a_split_shard_ends_and_its_children_go_on() {
    let test = Test::with_stream(1).await;
    for number in 0..10 {
        test.put(&format!("key-{number}"), "before").await;
    }
    let middle = (u128::MAX / 2 + 1).to_string();
    test.of_stream("SplitShard", json!({ "ShardToSplit": id(0), "NewStartingHashKey": middle })).await.unwrap();
    for number in 0..10 {
        let put = test.put(&format!("key-{number}"), "after").await;
        assert_ne!(put["ShardId"], id(0));
    }
    let found = test.get(&test.iterator(&id(0), "TRIM_HORIZON").await).await;
    assert_eq!((found["Records"].as_array().unwrap().len(), found.get("NextShardIterator")), (10, None));
    let children = found["ChildShards"].as_array().unwrap();
    assert_eq!(children.iter().map(|child| text(child, "ShardId")).collect::<Vec<_>>(), [id(1), id(2)]);
    assert_eq!(children[0]["ParentShards"], json!([id(0)]));
    assert_eq!(children[1]["HashKeyRange"]["StartingHashKey"], json!(middle));
    let last = text(&found["Records"][9], "SequenceNumber");
    let mut first = Vec::new();
    for shard in [1, 2] {
        let found = test.get(&test.iterator(&id(shard), "TRIM_HORIZON").await).await;
        first.extend(found["Records"].as_array().unwrap().iter().map(|record| text(record, "SequenceNumber")));
    }
    assert_eq!(first.len(), 10);
    assert!(first.iter().all(|number| *number > last));
    // At its end, with and without anything left to read.
    let found = test.get(&test.iterator(&id(0), "LATEST").await).await;
    assert_eq!((found["Records"].as_array().unwrap().len(), found["ChildShards"].as_array().unwrap().len()), (0, 2));
    let again = json!({ "ShardToSplit": id(0), "NewStartingHashKey": middle });
    let error = test.of_stream("SplitShard", again).await.unwrap_err();
    assert!(error.message().contains("has already been merged or split"), "{error}");
    test.of_stream("MergeShards", json!({ "ShardToMerge": id(1), "AdjacentShardToMerge": id(2) })).await.unwrap();
    assert_eq!(test.put("key", "merged").await["ShardId"], id(3));
    let shown = test.of_stream("ListShards", json!({ "ShardFilter": { "Type": "AT_LATEST" } })).await.unwrap();
    assert_eq!(
        (text(&shown["Shards"][0], "ParentShardId"), text(&shown["Shards"][0], "AdjacentParentShardId")),
        (id(1), id(2))
    );
    // Closed shards go when everything in them has expired.
    test.ground.clock.advance(HOUR * 25);
    assert_eq!(test.shards(json!({})).await, [id(3)]);
    test.sweep().await;
    assert_eq!(test.kinesis.find(&scope(), "s").await.unwrap().shards.len(), 1);
}

#[tokio::test]
async fn shards_of_a_time() {
    let test = Test::with_stream(2).await;
    let middle = (u128::MAX / 4).to_string();
    test.ground.clock.advance(HOUR);
    let before_s = crate::instant::to_seconds(test.kinesis.now_ms() - 1_000);
    test.of_stream("SplitShard", json!({ "ShardToSplit": id(0), "NewStartingHashKey": middle })).await.unwrap();
    test.ground.clock.advance(HOUR);
    let after_s = crate::instant::to_seconds(test.kinesis.now_ms());
    let filter = |filter| json!({ "ShardFilter": filter });
    assert_eq!(test.shards(json!({})).await, [id(0), id(1), id(2), id(3)]);
    assert_eq!(test.shards(filter(json!({ "Type": "AT_LATEST" }))).await, [id(1), id(2), id(3)]);
    assert_eq!(test.shards(filter(json!({ "Type": "AT_TRIM_HORIZON" }))).await, [id(0), id(1)]);
    assert_eq!(test.shards(filter(json!({ "Type": "FROM_TRIM_HORIZON" }))).await.len(), 4);
    assert_eq!(test.shards(filter(json!({ "Type": "AT_TIMESTAMP", "Timestamp": before_s }))).await, [id(0), id(1)]);
    assert_eq!(
        test.shards(filter(json!({ "Type": "FROM_TIMESTAMP", "Timestamp": after_s }))).await,
        [id(1), id(2), id(3)]
    );
    assert_eq!(test.shards(filter(json!({ "Type": "AFTER_SHARD_ID", "ShardId": id(1) }))).await, [id(2), id(3)]);
    let page = test.of_stream("ListShards", json!({ "MaxResults": 3 })).await.unwrap();
    let rest = test.ask("ListShards", json!({ "NextToken": page["NextToken"] })).await.unwrap();
    assert_eq!((rest["Shards"].as_array().unwrap().len(), rest.get("NextToken")), (1, None));
    test.ground.clock.advance(HOUR);
    let error = test.ask("ListShards", json!({ "NextToken": page["NextToken"] })).await.unwrap_err();
    assert_eq!(error.code(), "ExpiredNextTokenException");
}

/// Writers go on while the shards change under them: each key's records are in its shards in the order in which they were put.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_writes_meanwhile_loses_nothing_and_no_order() {
    let test = Test::new().await;
    test.ask("CreateStream", json!({ "StreamName": "s", "ShardCount": 2 })).await.unwrap();
    const PUTS: u32 = 150;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let kinesis = test.kinesis.clone();
            tokio::spawn(async move {
                for number in 0..PUTS {
                    let input = json!({
                        "StreamName": "s", "PartitionKey": format!("w{writer}"), "Data": super::base64(&format!("{writer} {number}")),
                    });
                    kinesis.answer(&scope(), "PutRecord", input).await.unwrap();
                }
            })
        })
        .collect();
    for target in [4, 3, 5, 3] {
        let input = json!({ "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING" });
        test.of_stream("UpdateShardCount", input).await.unwrap();
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let mut all = Vec::new();
    for shard in test.shards(json!({})).await {
        let found = test.get(&test.iterator(&shard, "TRIM_HORIZON").await).await;
        all.extend(
            found["Records"].as_array().unwrap().iter().map(|record| (text(record, "SequenceNumber"), data(record))),
        );
    }
    all.sort();
    for writer in 0..4 {
        let own = all.iter().filter_map(|(_, data)| data.strip_prefix(&format!("{writer} ")));
        let own: Vec<u32> = own.map(|number| number.parse().unwrap()).collect();
        assert_eq!(own, (0..PUTS).collect::<Vec<_>>(), "writer {writer}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let test = Test::with_stream(3).await;
    let error = test
        .of_stream("MergeShards", json!({ "ShardToMerge": id(0), "AdjacentShardToMerge": id(2) }))
        .await
        .unwrap_err();
    assert!(error.message().ends_with("are not an adjacent pair of shards eligible for merging"), "{error}");
    for (shard, at, code) in [
        (9, "5", "ResourceNotFoundException"),
        (0, "1", "InvalidArgumentException"),
        (0, "x", "InvalidArgumentException"),
    ] {
        let input = json!({ "ShardToSplit": id(shard), "NewStartingHashKey": at });
        assert_eq!(test.of_stream("SplitShard", input).await.unwrap_err().code(), code);
    }
    for target in [1, 7] {
        let input = json!({ "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING" });
        let error = test.of_stream("UpdateShardCount", input).await.unwrap_err();
        assert!(error.message().ends_with(&format!("Target shard count: {target}")), "{error}");
    }
    let error = test.ask("CreateStream", json!({ "StreamName": "t", "ShardCount": 998 })).await.unwrap_err();
    assert_eq!(error.code(), "LimitExceededException");
    let on_demand = json!({ "StreamName": "d", "StreamModeDetails": { "StreamMode": "ON_DEMAND" } });
    test.ask("CreateStream", on_demand).await.unwrap();
    let input = json!({ "StreamName": "d", "TargetShardCount": 5, "ScalingType": "UNIFORM_SCALING" });
    assert_eq!(test.ask("UpdateShardCount", input).await.unwrap_err().code(), "ValidationException");
}
