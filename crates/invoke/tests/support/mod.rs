//! An invoke path over a real store and fake environments.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::sync::Arc;

use bytes::Bytes;
use tindra_invoke::environments::Outcome;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Invoker, InvokerOptions, Mode};
use tindra_testkit::{FakeClock, FakeEnvironments, FakeQueue, TestStore, scope};

/// An invoke path with the parts that a test holds.
pub struct Fixture {
    pub test: TestStore,
    pub environments: FakeEnvironments,
    pub queue: Arc<FakeQueue>,
    pub invoker: Invoker<FakeEnvironments>,
}

/// At most `concurrency` invokes at once.
pub async fn start(test: TestStore, concurrency: u32) -> Fixture {
    let environments = FakeEnvironments::default();
    let options = InvokerOptions { concurrent_executions_max: concurrency, ..InvokerOptions::default() };
    let clock = Arc::new(FakeClock::at(1_769_860_800_000));
    let queue = Arc::new(FakeQueue::default());
    let invoker = Invoker::start(test.store.clone(), environments.clone(), Arc::clone(&queue) as _, clock, options);
    Fixture { test, environments, queue, invoker: invoker.await.unwrap() }
}

/// An invoke of a function with an event.
pub fn request(function: &str, payload: &'static str) -> InvokeRequest {
    InvokeRequest {
        scope: scope(),
        function: function.to_owned(),
        qualifier: None,
        mode: Mode::RequestResponse,
        tenant: None,
        log_tail: false,
        client_context: None,
        payload: Bytes::from_static(payload.as_bytes()),
        request_id: "8f5d6c1a-0000-4000-8000-000000000000".to_owned(),
        trace_id: None,
    }
}

impl Fixture {
    /// The function's answer.
    pub async fn answer(&self, request: InvokeRequest) -> Bytes {
        match self.invoker.invoke(request).await.unwrap() {
            InvokeResponse::Completed { finished, executed_version, .. } => {
                assert_eq!(executed_version, "$LATEST");
                match finished.outcome {
                    Outcome::Success(payload) | Outcome::FunctionError(payload) => payload,
                }
            }
            other => panic!("{other:?} is no answer of a function"),
        }
    }

    /// The refusal.
    pub async fn refusal(&self, request: InvokeRequest) -> InvokeError {
        self.invoker.invoke(request).await.unwrap_err()
    }
}
