//! A function that does with its batches what a seed says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tindra_events::Invoke;
use tindra_invoke::environments::{Finished, Outcome};
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Throttle};
use tindra_store::BoxFuture;

use crate::cluster::{Cluster, Place, TOPIC};

#[derive(Debug)]
pub(crate) struct Function(pub(crate) Arc<Cluster>);

impl Invoke for Function {
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>> {
        Box::pin(async move {
            match self.below(20) {
                0 => return Err(InvokeError::Throttled(Throttle::Concurrency)),
                1 => return Err(InvokeError::Internal { attempt: "run", source: "as planned".into() }),
                _ => {}
            }
            let event: Value = serde_json::from_slice(&request.payload).unwrap();
            let lists = event["records"].as_object().unwrap().values();
            let records: Vec<Place> = lists.flat_map(|list| list.as_array().unwrap()).map(place).collect();
            self.0.state().begin(records.clone());
            // Some take longer than the group waits.
            let wait_ms = if self.below(50) == 0 { 400_000 } else { 200 };
            self.0.clock.pass(Duration::from_millis(self.below(wait_ms))).await;
            Ok(finished(self.outcome(&records)))
        })
    }
}

impl Function {
    fn below(&self, end: u64) -> u64 {
        self.0.state().chance.below(end)
    }

    fn outcome(&self, records: &[Place]) -> Outcome {
        let reports = self.0.settings.reports_item_failures;
        // Of some records nothing comes, however often they are tried.
        let poisoned: Vec<Place> = records.iter().filter(|(_, offset)| offset % 23 == 22).copied().collect();
        match self.below(10) {
            0 => failed(),
            1 if reports => success(&json!({ "batchItemFailures": "nonsense" })),
            2 if reports => self.partial(records, &records[..1]),
            _ if reports && !poisoned.is_empty() => self.partial(records, &poisoned),
            _ if !poisoned.is_empty() => failed(),
            _ => self.partial(records, &[]),
        }
    }

    fn partial(&self, records: &[Place], bad: &[Place]) -> Outcome {
        let handled: Vec<Place> = records.iter().filter(|place| !bad.contains(place)).copied().collect();
        self.0.state().handled(&handled);
        let failure = |(partition, offset): &Place| json!({ "itemIdentifier": { "partition": format!("{TOPIC}-{partition}"), "offset": offset } });
        success(&json!({ "batchItemFailures": bad.iter().map(failure).collect::<Vec<_>>() }))
    }
}

fn success(answer: &Value) -> Outcome {
    Outcome::Success(Bytes::from(answer.to_string()))
}

fn failed() -> Outcome {
    Outcome::FunctionError(Bytes::from_static(br#"{"errorMessage":"no"}"#))
}

fn place(record: &Value) -> Place {
    (usize::try_from(record["partition"].as_u64().unwrap()).unwrap(), record["offset"].as_u64().unwrap())
}

fn finished(outcome: Outcome) -> InvokeResponse {
    InvokeResponse::Completed {
        finished: Finished { outcome, log_tail: None },
        executed_version: "$LATEST".to_owned(),
        trace_id: "Root=1-5759e988-bd862e3fe1be46a994272793".to_owned(),
    }
}
