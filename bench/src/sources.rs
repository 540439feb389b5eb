//! What runs functions for other services, beside a direct asynchronous Invoke: how long after an upload to S3 its function
//! begins, and how many events a second get through a topic and through a rule, from the first that is sent to the last that
//! the function has handled; and the same of queues and streams that are polled ([`mapped`]). One server, and all that stands
//! in a row measured in turn.

mod mapped;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::Connection;
use crate::interpreters::Interpreters;
use crate::load::{self, Call};
use crate::options::Options;
use crate::server::{Server, zip_executable};
use crate::table::{Table, Wanted};
use crate::{notes, rust_hello};

/// Uploads that are timed.
const TIMED: usize = 200;
/// Between a timed event and the look at when it began.
const PAUSE: Duration = Duration::from_millis(40);
/// The same for the first one, which makes the environment.
const COLD: Duration = Duration::from_secs(3);
const CALLERS: [usize; 2] = [1, 16];
/// Window in which events are sent.
const WINDOW: Duration = Duration::from_secs(2);
/// How often each way has its turn.
const TURNS: usize = 3;
/// For what was sent in a window to be handled.
const BOUND: Duration = Duration::from_secs(120);
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:";
const ANNOUNCED: &str = "An upload to S3, from its sending to the handler";

/// A way for an event to a function.
struct Way {
    name: &'static str,
    headers: String,
    path: &'static str,
    body: Vec<u8>,
}

struct Bench<'a> {
    options: &'a Options,
    server: Server,
    python_runtime: String,
    table: Table,
}

/// Measures the rows that are wanted.
pub(crate) fn run_all(options: &Options) -> Result<Table> {
    let scratch = tempfile::tempdir()?;
    let runtimes =
        std::env::var_os("TINDRA_BENCH_RUNTIMES").map_or_else(|| scratch.path().join("runtimes"), PathBuf::from);
    let runtimes = std::path::absolute(runtimes)?;
    let mut bench = Bench {
        options,
        server: Server::start_with(&runtimes)?,
        python_runtime: Interpreters::find()?.python_runtime,
        table: Table::default(),
    };
    bench.measure(ANNOUNCED, Bench::uploads);
    bench.measure("Events through a topic and a rule", Bench::events);
    bench.measure("Messages and records, until the handler", Bench::delays);
    bench.measure("Messages and records through event source mappings", Bench::mappings);
    Ok(bench.table)
}

impl Bench<'_> {
    fn measure(&mut self, what: &str, measure: impl FnOnce(&mut Self) -> Result<()>) {
        if !self.options.wants(what) {
            return;
        }
        eprintln!("measuring {what}");
        if let Err(error) = measure(self) {
            self.table.skip(what, &format!("{error:#}"));
        }
    }

    fn uploads(&mut self) -> Result<()> {
        notes::deploy(&self.server, "uploaded", &self.python_runtime)?;
        notes::deploy(&self.server, "invoked", &self.python_runtime)?;
        let mut s3 = Connection::open_with(self.server.address(), &signed("s3", ""))?;
        let notification = format!(
            "<NotificationConfiguration><CloudFunctionConfiguration><Event>s3:ObjectCreated:*</Event><CloudFunction>{FUNCTION}uploaded</CloudFunction></CloudFunctionConfiguration></NotificationConfiguration>"
        );
        send(&mut s3, "PUT", "/bench-uploads", b"")?;
        send(&mut s3, "PUT", "/bench-uploads?notification", notification.as_bytes())?;
        let mut direct = Connection::open(self.server.address())?;
        let (mut uploaded, mut invoked) = (Vec::new(), Vec::new());
        let body = vec![b'x'; 1_024];
        for number in 0..=if self.options.is_short { TIMED / 10 } else { TIMED } {
            let pause = if number == 0 { COLD } else { PAUSE };
            uploaded.push(now()?);
            send(&mut s3, "PUT", &format!("/bench-uploads/{number}"), &body)?;
            std::thread::sleep(pause);
            invoked.push(now()?);
            send(&mut direct, "POST", "/2014-11-13/functions/invoked/invoke-async/", b"{}")?;
            std::thread::sleep(pause);
        }
        let [uploads, invokes] =
            [("uploaded", uploaded), ("invoked", invoked)].map(|(name, sent)| self.waits(name, &sent));
        self.table.time(ANNOUNCED, &uploads?, "an asynchronous Invoke", &invokes?, Wanted::Nothing);
        Ok(())
    }

    /// From the sending of each event to its handler, without the first.
    fn waits(&self, name: &str, sent: &[Duration]) -> Result<Figures> {
        let began = notes::began(&self.server, name)?;
        ensure!(began.len() == sent.len(), "{} of {} events of {name} were seen", began.len(), sent.len());
        Ok(Figures::of(began.iter().zip(sent).skip(1).map(|(began, sent)| began.saturating_sub(*sent)).collect()))
    }

    fn events(&mut self) -> Result<()> {
        let code = zip_executable("bootstrap", &std::fs::read(rust_hello::build()?)?)?;
        for name in ["of-topic", "of-rule", "directly"] {
            self.server.prime(name, "provided.al2023", "any", &code)?;
        }
        let ways = [self.topic()?, self.rule()?];
        let direct = Way {
            name: "asynchronous Invoke",
            headers: "host: bench\r\n".to_owned(),
            path: "/2014-11-13/functions/directly/invoke-async/",
            body: format!("\"{}\"", "x".repeat(256)).into_bytes(),
        };
        for callers in CALLERS {
            let mut rates = [Vec::new(), Vec::new(), Vec::new()];
            for _ in 0..if self.options.is_short { 1 } else { TURNS } {
                for (way, rates) in ways.iter().chain([&direct]).zip(&mut rates) {
                    rates.push(self.through(way, callers)?);
                }
            }
            let [topic, rule, floor] = rates.map(load::middle);
            for (way, rate) in ways.iter().zip([topic, rule]) {
                let row = format!("events handled {}, {callers} connections", way.name);
                self.table.rate(&row, rate, direct.name, floor, Wanted::Nothing);
            }
        }
        Ok(())
    }

    fn topic(&self) -> Result<Way> {
        let headers = signed("sns", "content-type: application/x-www-form-urlencoded\r\n");
        let arn = "arn:aws:sns:us-east-1:000000000000:bench";
        let mut connection = Connection::open_with(self.server.address(), &headers)?;
        let subscribe =
            format!("Action=Subscribe&Version=2010-03-31&TopicArn={arn}&Protocol=lambda&Endpoint={FUNCTION}of-topic");
        send(&mut connection, "POST", "/", b"Action=CreateTopic&Version=2010-03-31&Name=bench")?;
        send(&mut connection, "POST", "/", subscribe.as_bytes())?;
        let body = format!("Action=Publish&Version=2010-03-31&TopicArn={arn}&Message={}", "x".repeat(256));
        Ok(Way { name: "through a topic", headers, path: "/", body: body.into_bytes() })
    }

    fn rule(&self) -> Result<Way> {
        let call = |operation: &str| {
            let target = format!("content-type: application/x-amz-json-1.1\r\nx-amz-target: AWSEvents.{operation}\r\n");
            signed("events", &target)
        };
        let set = |operation: &str, request: Value| {
            let mut connection = Connection::open_with(self.server.address(), &call(operation))?;
            send(&mut connection, "POST", "/", request.to_string().as_bytes())
        };
        set("PutRule", json!({ "Name": "bench", "EventPattern": json!({ "source": ["bench"] }).to_string() }))?;
        let targets = json!([{ "Id": "function", "Arn": format!("{FUNCTION}of-rule") }]);
        set("PutTargets", json!({ "Rule": "bench", "Targets": targets }))?;
        let detail = json!({ "text": "x".repeat(256) }).to_string();
        let body = json!({ "Entries": [{ "Source": "bench", "DetailType": "Benched", "Detail": detail }] });
        Ok(Way { name: "through a rule", headers: call("PutEvents"), path: "/", body: body.to_string().into_bytes() })
    }

    /// Events a second, from the first that is sent to the last that is handled.
    fn through(&self, way: &Way, callers: usize) -> Result<f64> {
        let window = if self.options.is_short { WINDOW / 10 } else { WINDOW };
        let call = Call {
            address: self.server.address(),
            headers: &way.headers,
            path: way.path,
            body: &way.body,
            expected: None,
        };
        let begun = Instant::now();
        let sent = load::count(call, callers, window)?;
        loop {
            let waiting = self.server.call("GET", "/_tindra/queue", &Value::Null)?;
            if waiting["queues"].as_array().context("a list of queues")?.is_empty() {
                return Ok(sent as f64 / begun.elapsed().as_secs_f64());
            }
            ensure!(begun.elapsed() < BOUND, "{} events were not handled within {BOUND:?}: {waiting}", sent);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The head of requests to a service; nobody checks who signed them.
fn signed(service: &str, more: &str) -> String {
    format!(
        "host: bench\r\nauthorization: AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n{more}"
    )
}

fn send(connection: &mut Connection, method: &str, path: &str, body: &[u8]) -> Result<()> {
    let answer = connection.send(method, path, body)?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!((200..300).contains(&answer.status), "{method} {path} answered {}: {text}", answer.status);
    Ok(())
}

fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}
