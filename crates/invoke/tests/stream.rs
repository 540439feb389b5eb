//! Answers that come as they are made: at once, bounded, and with an end that nobody can hold up.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use support::{Fixture, request, start};
use tindra_invoke::environments::{Finished, Outcome};
use tindra_invoke::{AnswerPart, AnswerStream, InvokeRequest, InvokeResponse, Mode};
use tindra_testkit::{BOUND, Plan, active_function, put_function, scope, store};
use tokio::sync::Semaphore;

/// More than fit between a function and its caller.
const LONG: &str = "123456789012345678901234567890123456";

async fn fixture() -> Fixture {
    let fixture = start(store(), 10).await;
    put_function(&fixture.test.store, &active_function(&scope(), "thing")).await;
    fixture
}

fn stream_request(payload: &'static str) -> InvokeRequest {
    InvokeRequest { mode: Mode::ResponseStream, ..request("thing", payload) }
}

async fn begin(fixture: &Fixture, payload: &'static str) -> AnswerStream {
    match fixture.invoker.invoke(stream_request(payload)).await.expect("nothing refuses it") {
        InvokeResponse::Streaming { stream, executed_version } => {
            assert_eq!(executed_version, "$LATEST");
            stream
        }
        other => panic!("{other:?} is no stream"),
    }
}

async fn data(stream: &mut AnswerStream) -> Bytes {
    match tokio::time::timeout(BOUND, stream.next()).await.expect("some data comes") {
        Some(AnswerPart::Data(data)) => data,
        other => panic!("{other:?} is no data"),
    }
}

async fn end(stream: &mut AnswerStream) -> Finished {
    match tokio::time::timeout(BOUND, stream.next()).await.expect("the end comes") {
        Some(AnswerPart::End(Ok(finished))) => finished,
        other => panic!("{other:?} is no end"),
    }
}

#[tokio::test]
async fn bytes_come_before_the_function_has_ended() {
    let (fixture, gate) = (fixture().await, Arc::new(Semaphore::new(1)));
    fixture.environments.plan(Plan::Stream(Arc::clone(&gate), Outcome::Success(Bytes::new())));
    let mut stream = begin(&fixture, "123").await;
    assert_eq!(stream.content_type.as_deref(), Some("text/plain"));
    assert_eq!(data(&mut stream).await, "1");
    assert_eq!(fixture.environments.leases(), 1);
    gate.add_permits(2);
    assert_eq!((data(&mut stream).await, data(&mut stream).await), ("2".into(), "3".into()));
    assert_eq!(end(&mut stream).await.outcome, Outcome::Success(Bytes::new()));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn an_error_in_the_middle_comes_after_what_was_written() {
    let (fixture, gate) = (fixture().await, Arc::new(Semaphore::new(9)));
    let broken = Outcome::FunctionError(Bytes::from_static(b"broken"));
    fixture.environments.plan(Plan::Stream(gate, broken.clone()));
    let mut stream = begin(&fixture, "12").await;
    assert_eq!((data(&mut stream).await, data(&mut stream).await), ("1".into(), "2".into()));
    assert_eq!(end(&mut stream).await.outcome, broken);
}

#[tokio::test]
async fn a_function_that_answers_whole_or_fails_at_once_is_no_stream() {
    let fixture = fixture().await;
    for plan in [Plan::Echo, Plan::FunctionError(Bytes::from_static(b"1"))] {
        fixture.environments.plan(plan);
        let response = fixture.invoker.invoke(stream_request("1")).await.unwrap();
        let InvokeResponse::Completed { finished, .. } = response else { panic!() };
        let (Outcome::Success(payload) | Outcome::FunctionError(payload)) = finished.outcome;
        assert_eq!(payload, "1");
    }
    fixture.environments.plan(Plan::DeliverFails);
    assert!(fixture.invoker.invoke(stream_request("1")).await.is_err());
}

#[tokio::test]
async fn a_caller_that_reads_nothing_makes_the_function_wait_and_one_that_goes_does_not() {
    let (fixture, gate) = (fixture().await, Arc::new(Semaphore::new(1_000)));
    fixture.environments.plan(Plan::Stream(Arc::clone(&gate), Outcome::Success(Bytes::new())));
    let stream = begin(&fixture, LONG).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(gate.available_permits() > 1_000 - LONG.len(), "the function is stopped by whom it writes for");
    assert_eq!(fixture.environments.leases(), 1);
    drop(stream);
    tokio::time::timeout(BOUND, fixture.environments.wait_ended(1)).await.expect("the function runs to its end");
    assert_eq!(gate.available_permits(), 1_000 - LONG.len());
}

#[tokio::test]
async fn what_a_finished_function_has_written_waits_for_a_slow_caller() {
    let (fixture, gate) = (fixture().await, Arc::new(Semaphore::new(9)));
    fixture.environments.plan(Plan::Stream(gate, Outcome::Success(Bytes::new())));
    let mut stream = begin(&fixture, "1234").await;
    fixture.environments.wait_ended(1).await;
    let mut written = Vec::new();
    for _ in 0..4 {
        written.extend_from_slice(&data(&mut stream).await);
    }
    assert_eq!(written, b"1234");
    end(&mut stream).await;
}
