//! Queues and streams that run a function by an event source mapping: how many records a second a function that does nothing
//! gets through, beside a client that reads the same and does nothing, and how long a record takes to its handler.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{ANNOUNCED_OF_MAPPINGS, Bench, COLD, PAUSE, TIMED, TURNS, now, signed};
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
/// Of an event: enough for one invoke not to be what is measured, in a window that is full long before it ends.
const BATCH: usize = 100;
/// For the records of a turn to be handled.
const BOUND: Duration = Duration::from_secs(120);
const ACCOUNT: &str = "us-east-1:000000000000";

impl Bench<'_> {
    pub(super) fn mappings(&mut self) -> Result<()> {
        let code = zip_executable("bootstrap", &std::fs::read(rust_hello::build()?)?)?;
        self.server.prime("of-mapping", "provided.al2023", "any", &code)?;
        let (mut handled, mut read) = (Vec::new(), Vec::new());
        for turn in 0..if self.options.is_short { 1 } else { TURNS } {
            read.push(self.read_queue(&format!("read-{turn}"))?);
            handled.push(self.handle_queue(&format!("handled-{turn}"))?);
        }
        let row = format!("messages of a queue handled, {BATCH} at once");
        self.table.rate(&row, load::middle(handled), "a client that removes them", load::middle(read), Wanted::Nothing);
        Ok(())
    }

    pub(super) fn delays(&mut self) -> Result<()> {
        notes::deploy(&self.server, "of-queue", &self.python_runtime)?;
        notes::deploy(&self.server, "of-nobody", &self.python_runtime)?;
        self.make_queue("timed")?;
        self.map("of-queue", &queue_arn("timed"), &json!({ "BatchSize": 1 }))?;
        let mut sqs = self.asking("AmazonSQS", "sqs", "SendMessage")?;
        let message = json!({ "QueueUrl": self.queue_url("timed"), "MessageBody": "{}" }).to_string();
        let mut direct = Connection::open(self.server.address())?;
        let (mut sent, mut invoked) = (Vec::new(), Vec::new());
        for number in 0..=if self.options.is_short { TIMED / 10 } else { TIMED } {
            let pause = if number == 0 { COLD } else { PAUSE };
            sent.push(now()?);
            super::send(&mut sqs, "POST", "/", message.as_bytes())?;
            std::thread::sleep(pause);
            invoked.push(now()?);
            super::send(&mut direct, "POST", "/2014-11-13/functions/of-nobody/invoke-async/", b"{}")?;
            std::thread::sleep(pause);
        }
        let [messages, invokes] =
            [("of-queue", sent), ("of-nobody", invoked)].map(|(name, sent)| self.waits(name, &sent));
        self.table.time(ANNOUNCED_OF_MAPPINGS, &messages?, "an asynchronous Invoke", &invokes?, Wanted::Nothing);
        Ok(())
    }

    /// Messages a second that clients take and remove.
    fn read_queue(&self, name: &str) -> Result<f64> {
        let records = self.fill_queue(name)?;
        let (url, left) = (self.queue_url(name), AtomicUsize::new(records));
        let take = || -> Result<()> {
            let mut receiving = self.asking("AmazonSQS", "sqs", "ReceiveMessage")?;
            let mut removing = self.asking("AmazonSQS", "sqs", "DeleteMessageBatch")?;
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
    pub(super) fn handle(&self, source: &str, settings: &Value, records: usize) -> Result<f64> {
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
    pub(super) fn map(&self, function: &str, source: &str, settings: &Value) -> Result<String> {
        let mut request = json!({ "FunctionName": function, "EventSourceArn": source });
        if let (Some(request), Some(settings)) = (request.as_object_mut(), settings.as_object()) {
            request.extend(settings.clone());
        }
        let made = self.server.call("POST", "/2015-03-31/event-source-mappings", &request)?;
        Ok(made["UUID"].as_str().context("a mapping has an id")?.to_owned())
    }

    fn make_queue(&self, name: &str) -> Result<()> {
        let mut sqs = self.asking("AmazonSQS", "sqs", "CreateQueue")?;
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
            let mut sqs = self.asking("AmazonSQS", "sqs", "SendMessageBatch")?;
            (0..records / MESSAGES_AT_ONCE / CALLERS).try_for_each(|_| told(&mut sqs, &batch).map(drop))
        })?;
        Ok(records)
    }

    pub(super) fn records(&self) -> usize {
        if self.options.is_short { RECORDS / 10 } else { RECORDS }
    }

    fn queue_url(&self, name: &str) -> String {
        format!("http://{}/000000000000/{name}", self.server.address())
    }

    /// A connection for one operation of a service with the JSON protocol.
    pub(super) fn asking(&self, target: &str, service: &str, operation: &str) -> Result<Connection> {
        let headers = format!("content-type: application/x-amz-json-1.0\r\nx-amz-target: {target}.{operation}\r\n");
        Connection::open_with(self.server.address(), &signed(service, &headers))
    }
}

fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{ACCOUNT}:{name}")
}

/// Sends a request of the JSON protocol and reads its answer.
pub(super) fn told(connection: &mut Connection, request: &str) -> Result<Value> {
    let answer = connection.post("/", request.as_bytes())?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(answer.status == 200, "{request} was answered {}: {text}", answer.status);
    Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

/// Does the same in as many threads as there are callers.
pub(super) fn beside_each_other(what: &(impl Fn() -> Result<()> + Sync)) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(what)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a caller does not panic"))
    })
}
