//! A function that does with its batches what a seed says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tindra_events::Invoke;
use tindra_invoke::environments::{Finished, Outcome};
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Throttle};
use tindra_store::BoxFuture;

use crate::world::World;

#[derive(Debug)]
pub(crate) struct Function(pub(crate) Arc<World>);

impl Invoke for Function {
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>> {
        Box::pin(async move {
            let world = &self.0;
            match world.below(20) {
                0 => return Err(InvokeError::Throttled(Throttle::Concurrency)),
                1 => return Err(InvokeError::Internal { attempt: "run", source: "as planned".into() }),
                _ => {}
            }
            let event: Value = serde_json::from_slice(&request.payload).unwrap();
            let records: Vec<u64> = event["Records"].as_array().unwrap().iter().map(sequence).collect();
            world.begin(records.clone());
            let wait_ms = if world.below(50) == 0 { 60_000 } else { 200 };
            world.clock.pass(Duration::from_millis(world.below(wait_ms))).await;
            Ok(finished(self.outcome(&records)))
        })
    }
}

impl Function {
    fn outcome(&self, records: &[u64]) -> Outcome {
        let world = &self.0;
        let settings = &world.settings;
        let state = json!({ "n": records.len() });
        let success = |answer: Value| Outcome::Success(Bytes::from(answer.to_string()));
        // Of some records nothing comes, however often they are tried.
        let poisoned = records.iter().position(|sequence| sequence % 23 == 0);
        match (world.below(10), poisoned) {
            (0, _) => failed(),
            (1, _) if settings.tumbling_window_s > 0 && !records.is_empty() => success(json!({})),
            (2, _) if settings.reports_item_failures && !records.is_empty() => {
                success(json!({ "state": state, "batchItemFailures": "nonsense" }))
            }
            (_, Some(at)) if settings.reports_item_failures => self.partial(records, at, state),
            (3, _) if settings.reports_item_failures && !records.is_empty() => {
                let at = usize::try_from(world.below(records.len() as u64)).unwrap();
                self.partial(records, at, state)
            }
            (_, Some(_)) => failed(),
            (_, None) => {
                world.handled(records);
                success(json!({ "state": state }))
            }
        }
    }

    fn partial(&self, records: &[u64], at: usize, state: Value) -> Outcome {
        self.0.handled(&records[..at]);
        let failures = [json!({ "itemIdentifier": records[at].to_string() })];
        Outcome::Success(Bytes::from(json!({ "state": state, "batchItemFailures": failures }).to_string()))
    }
}

fn failed() -> Outcome {
    Outcome::FunctionError(Bytes::from_static(br#"{"errorMessage":"no"}"#))
}

fn sequence(record: &Value) -> u64 {
    record["kinesis"]["sequenceNumber"].as_str().unwrap().parse().unwrap()
}

fn finished(outcome: Outcome) -> InvokeResponse {
    InvokeResponse::Completed {
        finished: Finished { outcome, log_tail: None },
        executed_version: "$LATEST".to_owned(),
        trace_id: "Root=1-5759e988-bd862e3fe1be46a994272793".to_owned(),
    }
}
