//! A control plane over a real store, asked over the wire's own decoder.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tindra_control::{Caller, Control, ControlOptions, Principal};
use tindra_core::function::Reason;
use tindra_model::{ApiError, Reply, WireRequest};
use tindra_testkit::{FakeClock, TestStore, scope};

pub const FUNCTIONS: &str = "/2015-03-31/functions";

/// A control plane with the parts that a test holds.
pub struct Fixture {
    pub test: TestStore,
    pub clock: Arc<FakeClock>,
    pub control: Control,
}

pub fn start() -> Fixture {
    start_with(ControlOptions::default())
}

pub fn start_with(options: ControlOptions) -> Fixture {
    let test = tindra_testkit::store();
    let clock = Arc::new(FakeClock::at(1_769_860_800_123));
    let control = Control::new(test.store.clone(), clock.clone(), options);
    Fixture { test, clock, control }
}

pub fn caller() -> Caller {
    Caller {
        scope: scope(),
        principal: Principal::Operator,
        request_id: "8f5d6c1a-0000-4000-8000-000000000000".to_owned(),
        endpoint: "http://127.0.0.1:4566".to_owned(),
    }
}

/// A zip with one file, in base64.
pub fn zip(content: &str) -> String {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("app.py", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    STANDARD.encode(writer.finish().unwrap().into_inner())
}

/// The body of a CreateFunction.
pub fn thing(name: &str) -> Value {
    json!({
        "FunctionName": name,
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Role": "arn:aws:iam::123456789012:role/worker",
        "Code": { "ZipFile": zip(name) },
    })
}

impl Fixture {
    /// One request, as it comes over the wire; the path below the collection of functions.
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> Result<Reply, ApiError> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = if path.starts_with("/20") { path.to_owned() } else { format!("{FUNCTIONS}{path}") };
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let (method, headers) = (method.parse().unwrap(), http::HeaderMap::new());
        let call = tindra_model::lambda().decode(&WireRequest {
            method: &method,
            path: &path,
            query,
            headers: &headers,
            body,
        })?;
        self.control.call(&caller(), call).await
    }

    /// The output of a request that succeeds.
    pub async fn done(&self, method: &str, path: &str, body: Value) -> Value {
        self.ask(method, path, body).await.unwrap().output
    }

    /// Code and message of a request that fails.
    pub async fn refused(&self, method: &str, path: &str, body: Value) -> (&'static str, String) {
        let error = self.ask(method, path, body).await.unwrap_err();
        (error.code(), error.message().to_owned())
    }

    /// A function that is active.
    pub async fn create(&self, name: &str) -> Value {
        let created = self.done("POST", "", thing(name)).await;
        assert!(self.settle(name, Ok(())).await);
        created
    }

    pub async fn settle(&self, name: &str, outcome: Result<(), Reason>) -> bool {
        tindra_testkit::settle(&self.test.store, &scope(), name, outcome).await
    }
}
