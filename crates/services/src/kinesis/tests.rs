//! The service over a real store, by a clock that the tests hold.

mod resharding;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tindra_model::ApiError;

use super::names::journal;
use super::{KinesisService, sweep};
use crate::test_surroundings::{Ground, scope};

const HOUR: Duration = Duration::from_secs(3_600);

struct Test {
    ground: Ground,
    kinesis: KinesisService,
}

impl Test {
    async fn new() -> Self {
        let ground = Ground::new();
        let kinesis = KinesisService::start(ground.surroundings()).await.unwrap();
        Self { ground, kinesis }
    }

    async fn with_stream(shards: u32) -> Self {
        let test = Self::new().await;
        test.ask("CreateStream", json!({ "StreamName": "s", "ShardCount": shards })).await.unwrap();
        test
    }

    /// As after a start: nothing is in memory.
    async fn again(&mut self) {
        self.kinesis = KinesisService::start(self.ground.surroundings()).await.unwrap();
    }

    async fn ask(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        self.kinesis.answer(&scope(), operation, input).await
    }

    async fn of_stream(&self, operation: &str, mut input: Value) -> Result<Value, ApiError> {
        input["StreamName"] = "s".into();
        self.ask(operation, input).await
    }

    async fn put(&self, key: &str, data: &str) -> Value {
        self.of_stream("PutRecord", json!({ "PartitionKey": key, "Data": base64(data) })).await.unwrap()
    }

    async fn iterator(&self, shard: &str, kind: &str) -> String {
        let input = json!({ "ShardId": shard, "ShardIteratorType": kind });
        text(&self.of_stream("GetShardIterator", input).await.unwrap(), "ShardIterator")
    }

    async fn get(&self, iterator: &str) -> Value {
        self.ask("GetRecords", json!({ "ShardIterator": iterator })).await.unwrap()
    }

    /// Everything that a shard holds.
    async fn read(&self, shard: &str) -> Vec<String> {
        let found = self.get(&self.iterator(shard, "TRIM_HORIZON").await).await;
        found["Records"].as_array().unwrap().iter().map(data).collect()
    }

    async fn shards(&self, filter: Value) -> Vec<String> {
        let listed = self.of_stream("ListShards", filter).await.unwrap();
        listed["Shards"].as_array().unwrap().iter().map(|shard| text(shard, "ShardId")).collect()
    }

    async fn sweep(&self) {
        let now_ms = self.kinesis.now_ms();
        let store = &self.kinesis.inner.around.store;
        sweep::sweep(store, &self.kinesis.inner.appenders, now_ms).await.unwrap();
        self.kinesis.inner.streams.catch_up().await;
    }
}

fn id(number: u32) -> String {
    super::names::shard_id(number)
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn data(record: &Value) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text(record, "Data")).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no {member} in {value}")).to_owned()
}

#[tokio::test]
async fn records_come_in_their_order_and_survive_a_start() {
    let mut test = Test::with_stream(1).await;
    let first = test.put("a", "1").await;
    let second = test.put("b", "2").await;
    assert_eq!(first["ShardId"], id(0));
    assert!(text(&first, "SequenceNumber") < text(&second, "SequenceNumber"));
    let iterator = test.iterator(&id(0), "TRIM_HORIZON").await;
    test.again().await;
    test.put("c", "3").await;
    let found = test.get(&iterator).await;
    let records = found["Records"].as_array().unwrap();
    assert_eq!(records.iter().map(data).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(records[1]["SequenceNumber"], second["SequenceNumber"]);
    assert_eq!((&records[1]["PartitionKey"], &found["MillisBehindLatest"]), (&json!("b"), &json!(0)));
    let next = text(&found, "NextShardIterator");
    assert!(test.get(&next).await["Records"].as_array().unwrap().is_empty());
    test.put("d", "4").await;
    assert_eq!(data(&test.get(&next).await["Records"][0]), "4");
    // A page that ends before the shard does tells how far behind it is.
    let page = test.ask("GetRecords", json!({ "ShardIterator": iterator, "Limit": 1 })).await.unwrap();
    assert!(page["MillisBehindLatest"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn an_iterator_begins_where_it_says() {
    let test = Test::with_stream(1).await;
    let put = [test.put("k", "1").await, test.put("k", "2").await];
    test.ground.clock.advance(Duration::from_secs(2));
    test.put("k", "3").await;
    let begin = async |input: Value| {
        let mut input = input;
        input["ShardId"] = id(0).into();
        let iterator = text(&test.of_stream("GetShardIterator", input).await.unwrap(), "ShardIterator");
        test.get(&iterator).await["Records"].as_array().unwrap().iter().map(data).collect::<String>()
    };
    let number = &put[1]["SequenceNumber"];
    let at = |kind: &str| json!({ "ShardIteratorType": kind, "StartingSequenceNumber": number });
    assert_eq!(
        (begin(at("AT_SEQUENCE_NUMBER")).await.as_str(), begin(at("AFTER_SEQUENCE_NUMBER")).await.as_str()),
        ("23", "3")
    );
    assert_eq!(begin(json!({ "ShardIteratorType": "LATEST" })).await, "");
    let now_s = crate::instant::to_seconds(test.kinesis.now_ms());
    for (back_s, wanted) in [(0.0, "3"), (0.5, "3"), (1.999, "3"), (2.0, "123"), (9e6, "123")] {
        let input = json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": now_s - back_s });
        assert_eq!(begin(input).await, wanted, "{back_s}");
    }
    let refused = [
        json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": now_s + 1.0 }),
        json!({ "ShardIteratorType": "AT_TIMESTAMP" }),
        json!({ "ShardIteratorType": "LATEST", "StartingSequenceNumber": number }),
        json!({ "ShardIteratorType": "AT_SEQUENCE_NUMBER" }),
        json!({ "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "5" }),
    ];
    for mut input in refused {
        input["ShardId"] = id(0).into();
        let error = test.of_stream("GetShardIterator", input.clone()).await.unwrap_err();
        assert_eq!(error.code(), "InvalidArgumentException", "{input}");
    }
    let shown = test.of_stream("DescribeStream", json!({})).await.unwrap();
    let first = &shown["StreamDescription"]["Shards"][0]["SequenceNumberRange"]["StartingSequenceNumber"];
    assert_eq!(
        begin(json!({ "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": first })).await,
        "123"
    );
}

#[tokio::test]
async fn what_many_put_at_once_is_in_the_order_of_its_numbers() {
    let test = Test::with_stream(2).await;
    let puts = (0..200_u32).map(|number| {
        let kinesis = test.kinesis.clone();
        tokio::spawn(async move {
            let input =
                json!({ "StreamName": "s", "PartitionKey": number.to_string(), "Data": base64(&number.to_string()) });
            kinesis.answer(&scope(), "PutRecord", input).await.unwrap()
        })
    });
    let mut numbers = BTreeSet::new();
    for put in puts.collect::<Vec<_>>() {
        numbers.insert(text(&put.await.unwrap(), "SequenceNumber"));
    }
    assert_eq!(numbers.len(), 200);
    let mut read = Vec::new();
    for shard in 0..2 {
        let found = test.get(&test.iterator(&id(shard), "TRIM_HORIZON").await).await;
        let of_shard: Vec<String> =
            found["Records"].as_array().unwrap().iter().map(|record| text(record, "SequenceNumber")).collect();
        assert!(of_shard.is_sorted() && !of_shard.is_empty());
        read.extend(of_shard);
    }
    assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), numbers);
}

#[tokio::test]
async fn a_shard_takes_so_much_each_second_and_a_stream_on_demand_all() {
    let test = Test::with_stream(1).await;
    let records: Vec<Value> = (0..500).map(|_| json!({ "PartitionKey": "k", "Data": base64("x") })).collect();
    let mut failed = 0;
    for _ in 0..4 {
        let put = test.of_stream("PutRecords", json!({ "Records": records })).await.unwrap();
        failed += put["FailedRecordCount"].as_u64().unwrap();
        let refused = put["Records"].as_array().unwrap().iter().find(|record| record.get("ErrorCode").is_some());
        if let Some(refused) = refused {
            assert_eq!(refused["ErrorCode"], "ProvisionedThroughputExceededException");
            assert_eq!(
                refused["ErrorMessage"],
                "Rate exceeded for shard shardId-000000000000 in stream s under account 123456789012."
            );
        }
    }
    // The real clock goes on a little meanwhile.
    assert!((1..=1_000).contains(&failed), "{failed}");
    let arn = super::stream_arn(&scope(), "s");
    let mode = json!({ "StreamARN": arn, "StreamModeDetails": { "StreamMode": "ON_DEMAND" } });
    test.ask("UpdateStreamMode", mode).await.unwrap();
    for _ in 0..4 {
        let put = test.of_stream("PutRecords", json!({ "Records": records })).await.unwrap();
        assert_eq!(put["FailedRecordCount"], 0);
    }
}

#[tokio::test]
async fn records_are_kept_as_long_as_was_said() {
    let test = Test::with_stream(1).await;
    test.put("k", "old").await;
    test.ground.clock.advance(HOUR * 23);
    test.put("k", "new").await;
    test.ground.clock.advance(HOUR + Duration::from_millis(1));
    // Not seen any more, and then not there any more.
    assert_eq!(test.read(&id(0)).await, ["new"]);
    test.sweep().await;
    let stream = test.kinesis.find(&scope(), "s").await.unwrap();
    let bounds = test.kinesis.inner.around.store.journals.bounds(&journal(stream.id, 0)).await.unwrap();
    assert_eq!((bounds.first, bounds.end), (1, 2));
    test.of_stream("IncreaseStreamRetentionPeriod", json!({ "RetentionPeriodHours": 48 })).await.unwrap();
    test.ground.clock.advance(HOUR * 30);
    test.sweep().await;
    assert_eq!(test.read(&id(0)).await, ["new"]);
    let error =
        test.of_stream("IncreaseStreamRetentionPeriod", json!({ "RetentionPeriodHours": 47 })).await.unwrap_err();
    assert!(error.message().ends_with("Use DecreaseRetentionPeriod API."), "{error}");
    test.of_stream("DecreaseStreamRetentionPeriod", json!({ "RetentionPeriodHours": 24 })).await.unwrap();
    assert!(test.read(&id(0)).await.is_empty());
    // What is trimmed is passed over.
    test.sweep().await;
    test.put("k", "later").await;
    assert_eq!(test.read(&id(0)).await, ["later"]);
}

#[tokio::test]
async fn a_deleted_stream_leaves_nothing_and_one_made_anew_is_another() {
    let test = Test::with_stream(2).await;
    for number in 0..20 {
        test.put(&number.to_string(), "x").await;
    }
    let (stream, iterator) = (test.kinesis.find(&scope(), "s").await.unwrap(), test.iterator(&id(0), "LATEST").await);
    let arn = super::stream_arn(&scope(), "s");
    test.ask("RegisterStreamConsumer", json!({ "StreamARN": arn, "ConsumerName": "c" })).await.unwrap();
    let error = test.of_stream("DeleteStream", json!({})).await.unwrap_err();
    assert_eq!(error.code(), "ResourceInUseException");
    test.of_stream("DeleteStream", json!({ "EnforceConsumerDeletion": true })).await.unwrap();
    let error = test.of_stream("DescribeStreamSummary", json!({})).await.unwrap_err();
    assert_eq!(error.message(), "Stream s under account 123456789012 not found.");
    test.ask("CreateStream", json!({ "StreamName": "s", "ShardCount": 1 })).await.unwrap();
    assert!(test.read(&id(0)).await.is_empty());
    let error = test.ask("GetRecords", json!({ "ShardIterator": iterator })).await.unwrap_err();
    assert_eq!(error.code(), "ResourceNotFoundException");
    test.sweep().await;
    let store = &test.kinesis.inner.around.store;
    for shard in 0..2 {
        assert_eq!(store.journals.bounds(&journal(stream.id, shard)).await.unwrap().end, 0);
    }
    assert!(store.metadata.list(super::records::GONE, None, 9).await.unwrap().is_empty());
    test.put("k", "x").await;
    let stream = test.kinesis.find(&scope(), "s").await.unwrap();
    test.kinesis.reset().await.unwrap();
    assert!(test.kinesis.find(&scope(), "s").await.is_none());
    assert_eq!(store.journals.bounds(&journal(stream.id, 0)).await.unwrap().end, 0);
}

#[tokio::test]
async fn who_waits_is_told_at_once() {
    let test = Test::with_stream(1).await;
    let (arn, iterator) = (super::stream_arn(&scope(), "s"), test.iterator(&id(0), "LATEST").await);
    let wait = || {
        let (kinesis, arn, iterator) = (test.kinesis.clone(), arn.clone(), iterator.clone());
        tokio::spawn(async move { kinesis.wait_for_records(&arn, &iterator).await })
    };
    let waiting = wait();
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    test.put("k", "1").await;
    waiting.await.unwrap();
    wait().await.unwrap();
    let got = test.kinesis.ask_stream(&arn, "GetRecords", json!({ "ShardIterator": iterator })).await.unwrap();
    let next = text(&got, "NextShardIterator");
    let kinesis = test.kinesis.clone();
    let of_arn = arn.clone();
    let waiting = tokio::spawn(async move { kinesis.wait_for_records(&of_arn, &next).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let middle = (u128::MAX / 2).to_string();
    test.of_stream("SplitShard", json!({ "ShardToSplit": id(0), "NewStartingHashKey": middle })).await.unwrap();
    waiting.await.unwrap();
    test.kinesis.wait_for_records(&arn, "no iterator").await;
}

#[tokio::test]
async fn a_consumer_gets_records_as_they_come_until_the_shard_ends() {
    let test = Test::with_stream(1).await;
    test.put("k", "1").await;
    let arn = super::stream_arn(&scope(), "s");
    let made = test.ask("RegisterStreamConsumer", json!({ "StreamARN": arn, "ConsumerName": "c" })).await.unwrap();
    let input = json!({
        "ConsumerARN": made["Consumer"]["ConsumerARN"], "ShardId": id(0), "StartingPosition": { "Type": "TRIM_HORIZON" },
    });
    let mut subscription = test.kinesis.subscribe(&scope(), input.clone()).await.unwrap();
    let first = subscription.next().await.unwrap();
    assert_eq!((data(&first["Records"][0]), &first["MillisBehindLatest"]), ("1".to_owned(), &json!(0)));
    assert_eq!(test.kinesis.subscribe(&scope(), input.clone()).await.unwrap_err().code(), "ResourceInUseException");
    test.put("k", "2").await;
    let second = subscription.next().await.unwrap();
    assert_eq!(data(&second["Records"][0]), "2");
    let middle = (u128::MAX / 2).to_string();
    test.of_stream("SplitShard", json!({ "ShardToSplit": id(0), "NewStartingHashKey": middle })).await.unwrap();
    let last = subscription.next().await.unwrap();
    assert_eq!((last["ChildShards"].as_array().unwrap().len(), last.get("ContinuationSequenceNumber")), (2, None));
    assert!(subscription.next().await.is_none());
    drop(subscription);
    // Whoever goes on with the number of the first event misses nothing.
    let mut input = input;
    input["StartingPosition"] =
        json!({ "Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": first["ContinuationSequenceNumber"] });
    let mut subscription = test.kinesis.subscribe(&scope(), input).await.unwrap();
    assert_eq!(data(&subscription.next().await.unwrap()["Records"][0]), "2");
}

#[tokio::test]
async fn an_iterator_of_another_stream_or_shard_is_refused() {
    let test = Test::with_stream(1).await;
    test.ask("CreateStream", json!({ "StreamName": "t", "ShardCount": 1 })).await.unwrap();
    let iterator = test.iterator(&id(0), "LATEST").await;
    let other = super::stream_arn(&scope(), "t");
    let error = test.ask("GetRecords", json!({ "ShardIterator": iterator, "StreamARN": other })).await.unwrap_err();
    assert_eq!(error.code(), "InvalidArgumentException");
    let error = test.ask("GetRecords", json!({ "ShardIterator": "AAAA" })).await.unwrap_err();
    assert_eq!((error.code(), error.message()), ("InvalidArgumentException", "Invalid ShardIterator."));
    let input = json!({ "ShardId": id(7), "ShardIteratorType": "LATEST" });
    let error = test.of_stream("GetShardIterator", input).await.unwrap_err();
    assert_eq!(error.message(), "Shard shardId-000000000007 in stream s under account 123456789012 does not exist");
    test.ground.clock.advance(Duration::from_secs(301));
    let error = test.ask("GetRecords", json!({ "ShardIterator": iterator })).await.unwrap_err();
    assert_eq!(error.code(), "ExpiredIteratorException");
    let error =
        test.of_stream("PutRecord", json!({ "PartitionKey": "k", "Data": "", "DryRun": true })).await.unwrap_err();
    assert_eq!(error.code(), "DryRunOperationException");
}
