//! Queues and streams that run a function by an event source mapping: how many records a second a function that does nothing
//! gets through, beside a client that reads the same and does nothing, and how long a record takes to its handler.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Bench, COLD, PAUSE, TIMED, TURNS, now, signed};
use crate::http::Connection;
use crate::load;
use crate::server::zip_executable;
use crate::table::Wanted;
use crate::{notes, rust_hello};

/// Records of one turn.
const RECORDS: usize = 20_000;
/// Those who put and read beside each other.
const CALLERS: usize = 4;
/// Of one request to SQS (AWS).
const MESSAGES_AT_ONCE: usize = 10;
const SHARDS: usize = 8;
/// Of one request to Kinesis, and of one read (AWS: 500 and 10,000).
const RECORDS_AT_ONCE: usize = 500;
/// Of an event: enough for one invoke not to be what is measured, in a window that is full long before it ends.
const BATCH: usize = 100;
/// For the records of a turn to be handled.
const BOUND: Duration = Duration::from_secs(120);
const ACCOUNT: &str = "us-east-1:000000000000";

/// The name under which requests are signed, what stands before an operation, and the version of JSON.
type Protocol = (&'static str, &'static str, &'static str);

const SQS: Protocol = ("sqs", "AmazonSQS", "1.0");
const KINESIS: Protocol = ("kinesis", "Kinesis_20131202", "1.1");

impl Bench<'_> {
    pub(super) fn mappings(&mut self) -> Result<()> {
        let code = zip_executable("bootstrap", &std::fs::read(rust_hello::build()?)?)?;
        self.server.prime("of-mapping", "provided.al2023", "any", &code)?;
        let [mut of_queue, mut of_stream] = [(); 2].map(|()| (Vec::new(), Vec::new()));
        for turn in 0..if self.options.is_short { 1 } else { TURNS } {
            of_queue.1.push(self.read_queue(&format!("read-{turn}"))?);
            of_queue.0.push(self.handle_queue(&format!("handled-{turn}"))?);
            let stream = self.fill_stream(&format!("filled-{turn}"))?;
            of_stream.1.push(self.read_stream(&stream)?);
            let settings = json!({ "BatchSize": RECORDS_AT_ONCE, "StartingPosition": "TRIM_HORIZON" });
            of_stream.0.push(self.handle(&stream_arn(&stream), &settings, self.records())?);
        }
        for (what, batch, other, (handled, read)) in [
            ("messages of a queue", BATCH, "clients that take and remove them", of_queue),
            ("records of a stream of 8 shards", RECORDS_AT_ONCE, "clients that read them", of_stream),
        ] {
            let row = format!("{what} handled, {batch} at once");
            self.table.rate(&row, load::middle(handled), other, load::middle(read), Wanted::Nothing);
        }
        Ok(())
    }

    pub(super) fn delays(&mut self) -> Result<()> {
        for name in ["of-queue", "of-stream", "of-nobody"] {
            notes::deploy(&self.server, name, &self.python_runtime)?;
        }
        self.make_queue("timed")?;
        self.make_stream("timed", 1)?;
        self.map("of-queue", &queue_arn("timed"), &json!({ "BatchSize": 1 }))?;
        self.map("of-stream", &stream_arn("timed"), &json!({ "BatchSize": 1, "StartingPosition": "TRIM_HORIZON" }))?;
        let message = json!({ "QueueUrl": self.queue_url("timed"), "MessageBody": "{}" });
        let record = json!({ "StreamName": "timed", "PartitionKey": "k", "Data": "e30=" });
        let direct = Connection::open(self.server.address())?;
        let mut ways = [
            ("of-queue", "/", message, self.asking(SQS, "SendMessage")?),
            ("of-stream", "/", record, self.asking(KINESIS, "PutRecord")?),
            ("of-nobody", "/2014-11-13/functions/of-nobody/invoke-async/", json!({}), direct),
        ];
        let mut sent = [const { Vec::new() }; 3];
        for number in 0..=if self.options.is_short { TIMED / 10 } else { TIMED } {
            for ((_, path, body, connection), sent) in ways.iter_mut().zip(&mut sent) {
                sent.push(now()?);
                super::send(connection, "POST", path, body.to_string().as_bytes())?;
                std::thread::sleep(if number == 0 { COLD } else { PAUSE });
            }
        }
        let [messages, records, invokes] = [0, 1, 2].map(|way: usize| self.waits(ways[way].0, &sent[way]));
        let invokes = invokes?;
        for (what, waits) in [("A message of a queue", messages?), ("A record of a stream", records?)] {
            let row = format!("{what}, from its sending to the handler");
            self.table.time(&row, &waits, "an asynchronous Invoke", &invokes, Wanted::Nothing);
        }
        Ok(())
    }

    /// Messages a second that clients take and remove.
    fn read_queue(&self, name: &str) -> Result<f64> {
        let records = self.fill_queue(name)?;
        let (url, left) = (self.queue_url(name), AtomicUsize::new(records));
        let take = || -> Result<()> {
            let mut receiving = self.asking(SQS, "ReceiveMessage")?;
            let mut removing = self.asking(SQS, "DeleteMessageBatch")?;
            let receive = json!({ "QueueUrl": url, "MaxNumberOfMessages": MESSAGES_AT_ONCE }).to_string();
            while left.load(Ordering::Relaxed) > 0 {
                let received = told(&mut receiving, &receive)?;
                let messages = received["Messages"].as_array().map(Vec::as_slice).unwrap_or_default();
                let entries = (0..).zip(messages).map(|(number, message): (usize, _)| {
                    json!({ "Id": number.to_string(), "ReceiptHandle": message["ReceiptHandle"] })
                });
                let entries: Vec<Value> = entries.collect();
                if !entries.is_empty() {
                    told(&mut removing, &json!({ "QueueUrl": url, "Entries": entries }).to_string())?;
                    left.fetch_sub(entries.len(), Ordering::Relaxed);
                }
            }
            Ok(())
        };
        let begun = Instant::now();
        beside_each_other(&take)?;
        Ok(records as f64 / begun.elapsed().as_secs_f64())
    }

    /// Messages a second that a function is done with.
    fn handle_queue(&self, name: &str) -> Result<f64> {
        let records = self.fill_queue(name)?;
        let settings = json!({ "BatchSize": BATCH, "MaximumBatchingWindowInSeconds": 1 });
        self.handle(&queue_arn(name), &settings, records)
    }

    /// Records a second from the making of a mapping until all are done with.
    fn handle(&self, source: &str, settings: &Value, records: usize) -> Result<f64> {
        let before = self.server.gauge("tindra_event_source_done_total")?;
        let begun = Instant::now();
        let mapping = self.map("of-mapping", source, settings)?;
        while self.server.gauge("tindra_event_source_done_total")? < before + records as f64 {
            ensure!(begun.elapsed() < BOUND, "{records} records of {source} were not handled within {BOUND:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        let rate = records as f64 / begun.elapsed().as_secs_f64();
        self.server.call("DELETE", &format!("/2015-03-31/event-source-mappings/{mapping}"), &Value::Null)?;
        Ok(rate)
    }

    /// Makes a mapping; returns its id.
    fn map(&self, function: &str, source: &str, settings: &Value) -> Result<String> {
        let mut request = json!({ "FunctionName": function, "EventSourceArn": source });
        if let (Some(request), Some(settings)) = (request.as_object_mut(), settings.as_object()) {
            request.extend(settings.clone());
        }
        let made = self.server.call("POST", "/2015-03-31/event-source-mappings", &request)?;
        Ok(made["UUID"].as_str().context("a mapping has an id")?.to_owned())
    }

    fn make_queue(&self, name: &str) -> Result<()> {
        let mut sqs = self.asking(SQS, "CreateQueue")?;
        told(&mut sqs, &json!({ "QueueName": name }).to_string()).map(drop)
    }

    /// A queue with the messages of a turn.
    fn fill_queue(&self, name: &str) -> Result<usize> {
        self.make_queue(name)?;
        let records = self.records();
        let bodies: Vec<Value> =
            (0..MESSAGES_AT_ONCE).map(|id| json!({ "Id": id.to_string(), "MessageBody": "x".repeat(256) })).collect();
        let batch = json!({ "QueueUrl": self.queue_url(name), "Entries": bodies }).to_string();
        beside_each_other(&|| {
            let mut sqs = self.asking(SQS, "SendMessageBatch")?;
            (0..records / MESSAGES_AT_ONCE / CALLERS).try_for_each(|_| told(&mut sqs, &batch).map(drop))
        })?;
        Ok(records)
    }

    fn records(&self) -> usize {
        if self.options.is_short { RECORDS / 10 } else { RECORDS }
    }

    fn queue_url(&self, name: &str) -> String {
        format!("http://{}/000000000000/{name}", self.server.address())
    }

    /// A connection for one operation.
    fn asking(&self, (service, target, version): Protocol, operation: &str) -> Result<Connection> {
        let headers =
            format!("content-type: application/x-amz-json-{version}\r\nx-amz-target: {target}.{operation}\r\n");
        Connection::open_with(self.server.address(), &signed(service, &headers))
    }

    fn make_stream(&self, name: &str, shards: usize) -> Result<()> {
        let mut creating = self.asking(KINESIS, "CreateStream")?;
        told(&mut creating, &json!({ "StreamName": name, "ShardCount": shards }).to_string())?;
        let mut describing = self.asking(KINESIS, "DescribeStreamSummary")?;
        let question = json!({ "StreamName": name }).to_string();
        while told(&mut describing, &question)?["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE" {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// A stream with the records of a turn, as fast as its shards take them.
    fn fill_stream(&self, name: &str) -> Result<String> {
        self.make_stream(name, SHARDS)?;
        let (left, data) = (AtomicUsize::new(self.records()), "eHh4".repeat(85));
        beside_each_other(&|| {
            let mut putting = self.asking(KINESIS, "PutRecords")?;
            while let Ok(before) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                (left > 0).then(|| left.saturating_sub(RECORDS_AT_ONCE))
            }) {
                let keys = before.saturating_sub(RECORDS_AT_ONCE)..before;
                let mut records: Vec<Value> =
                    keys.map(|key| json!({ "PartitionKey": key.to_string(), "Data": data })).collect();
                while !records.is_empty() {
                    let answer = told(&mut putting, &json!({ "StreamName": name, "Records": records }).to_string())?;
                    let outcomes = answer["Records"].as_array().context("an outcome for each record")?;
                    let mut refused = outcomes.iter().map(|outcome| !outcome["ErrorCode"].is_null());
                    records.retain(|_| refused.next().unwrap_or(false));
                }
            }
            Ok(())
        })?;
        Ok(name.to_owned())
    }

    /// Records a second that clients read, two shards each.
    fn read_stream(&self, name: &str) -> Result<f64> {
        let (next_shard, left) = (AtomicUsize::new(0), AtomicUsize::new(self.records()));
        let begun = Instant::now();
        beside_each_other(&|| {
            let mut opening = self.asking(KINESIS, "GetShardIterator")?;
            let mut reading = self.asking(KINESIS, "GetRecords")?;
            let mut iterators = Vec::new();
            for _ in 0..SHARDS / CALLERS {
                let shard = format!("shardId-{:012}", next_shard.fetch_add(1, Ordering::Relaxed));
                let open = json!({ "StreamName": name, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
                iterators.push(told(&mut opening, &open.to_string())?["ShardIterator"].clone());
            }
            while left.load(Ordering::Relaxed) > 0 {
                ensure!(begun.elapsed() < BOUND, "the records of {name} were not read within {BOUND:?}");
                for iterator in &mut iterators {
                    let read = json!({ "ShardIterator": iterator, "Limit": RECORDS_AT_ONCE }).to_string();
                    let page = told(&mut reading, &read)?;
                    let count = page["Records"].as_array().map_or(0, Vec::len);
                    left.fetch_sub(count, Ordering::Relaxed);
                    *iterator = page["NextShardIterator"].clone();
                }
            }
            Ok(())
        })?;
        Ok(self.records() as f64 / begun.elapsed().as_secs_f64())
    }
}

fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{ACCOUNT}:{name}")
}

fn stream_arn(name: &str) -> String {
    format!("arn:aws:kinesis:{ACCOUNT}:stream/{name}")
}

/// Sends a request of the JSON protocol and reads its answer.
fn told(connection: &mut Connection, request: &str) -> Result<Value> {
    let answer = connection.post("/", request.as_bytes())?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(answer.status == 200, "{request} was answered {}: {text}", answer.status);
    Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

/// Does the same in as many threads as there are callers.
fn beside_each_other(what: &(impl Fn() -> Result<()> + Sync)) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(what)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a caller does not panic"))
    })
}
