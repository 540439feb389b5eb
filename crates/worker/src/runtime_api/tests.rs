//! A scripted runtime on a loopback socket.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tindra_core::tenant::TenantId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{Answer, Delivery, Exchange, InitAnswer, RestoreAnswer, RuntimeServer};

const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
const RESTORE_NEXT: &str = "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n";

struct Bench {
    exchange: Arc<Exchange>,
    init: oneshot::Receiver<InitAnswer>,
    runtime: TcpStream,
    _server: RuntimeServer,
}

async fn bench() -> Bench {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let exchange = Arc::<Exchange>::default();
    let init = exchange.begin(1);
    let server = RuntimeServer::start(Arc::new(listener), Arc::clone(&exchange)).unwrap();
    Bench { exchange, init, runtime: TcpStream::connect(address).await.unwrap(), _server: server }
}

fn delivery(id: &str) -> Delivery {
    Delivery {
        request_id: id.to_owned(),
        deadline_unix_ms: 1_700_000_000_000,
        invoked_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        trace_id: String::new(),
        client_context: None,
        tenant: None,
        payload: Bytes::from_static(b"{\"n\":1}"),
        sink: None,
    }
}

impl Bench {
    async fn send(&mut self, text: &str) {
        self.runtime.write_all(text.as_bytes()).await.unwrap();
    }

    async fn post(&mut self, path: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(&format!(
            "POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
        .await;
    }

    /// Reads until the text has come, and returns everything read.
    async fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        let reading = async {
            let mut chunk = [0; 4096];
            while !String::from_utf8_lossy(&read).contains(text) {
                let length = self.runtime.read(&mut chunk).await.unwrap();
                assert_ne!(length, 0, "closed after {}", String::from_utf8_lossy(&read));
                read.extend_from_slice(&chunk[..length]);
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reading).await.expect(text);
        String::from_utf8(read).unwrap()
    }
}

#[tokio::test]
async fn an_event_goes_out_with_its_headers_and_the_answer_comes_back() {
    let mut bench = bench().await;
    bench.send(NEXT).await;
    assert_eq!((&mut bench.init).await, Ok(InitAnswer::Ready));
    let answer = bench.exchange.dispatch(delivery("id-1"));
    let head = bench.read_until("{\"n\":1}").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(!head.contains("tenant-id"), "{head}");
    assert!(head.contains("lambda-runtime-aws-request-id: id-1\r\n"), "{head}");
    assert!(head.contains("lambda-runtime-deadline-ms: 1700000000000\r\n"), "{head}");
    assert!(!head.contains("trace-id") && !head.contains("client-context"), "empty headers are left out: {head}");
    bench.post("invocation/id-1/response", "", "\"done\"").await;
    assert_eq!(answer.await, Ok(Answer::Response(Bytes::from_static(b"\"done\""))));
    assert!(bench.read_until("OK\"}").await.starts_with("HTTP/1.1 202 Accepted\r\n"));
}

#[tokio::test]
async fn an_event_of_a_tenant_names_it() {
    let mut bench = bench().await;
    bench.send(NEXT).await;
    let tenant = Some(TenantId::from("a/b = c@d".to_owned()));
    let _answer = bench.exchange.dispatch(Delivery { tenant, ..delivery("id-1") });
    let head = bench.read_until("{\"n\":1}").await;
    assert!(head.contains("lambda-runtime-aws-tenant-id: a/b = c@d\r\n"), "{head}");
}

#[tokio::test]
async fn a_client_may_ask_for_more_before_it_has_read_the_last_reply() {
    let mut bench = bench().await;
    bench.send(NEXT).await;
    let first = bench.exchange.dispatch(delivery("id-1"));
    bench.read_until("{\"n\":1}").await;
    bench
        .send(&format!(
            "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n42\r\n0\r\n\r\n{NEXT}"
        ))
        .await;
    assert_eq!(first.await, Ok(Answer::Response(Bytes::from_static(b"42"))));
    bench.read_until("OK\"}").await;
    let _second = bench.exchange.dispatch(delivery("id-2"));
    assert!(bench.read_until("{\"n\":1}").await.contains("request-id: id-2"));
}

const READ_WITH_NEXT: &str = "Tindra-Answer-Is-Read-With-Next: 1\r\n";

impl Bench {
    /// Serves one event, whose answer's answer the runtime reads together with the next.
    async fn answer_one_to_read_with_next(&mut self) {
        self.send(NEXT).await;
        let answer = self.exchange.dispatch(delivery("id-1"));
        self.read_until("{\"n\":1}").await;
        self.post("invocation/id-1/response", READ_WITH_NEXT, "1").await;
        assert_eq!(answer.await, Ok(Answer::Response(Bytes::from_static(b"1"))));
    }

    /// What has come so far.
    fn read_what_is_there(&self) -> String {
        let mut read = vec![0; 4096];
        match self.runtime.try_read(&mut read) {
            Ok(length) => String::from_utf8_lossy(&read[..length]).into_owned(),
            Err(_nothing) => String::new(),
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_read_with_the_next_event_comes_with_it() {
    let mut bench = bench().await;
    bench.answer_one_to_read_with_next().await;
    bench.send(NEXT).await;
    bench.exchange.asked().await;
    assert_eq!(bench.read_what_is_there(), "", "it would wake the runtime for nothing");
    let _second = bench.exchange.dispatch(delivery("id-2"));
    let read = bench.read_until("{\"n\":1}").await;
    assert!(read.starts_with("HTTP/1.1 202 Accepted\r\n"), "{read}");
    assert!(read.contains("request-id: id-2"), "{read}");
}

#[tokio::test]
async fn a_held_answer_comes_when_something_else_is_sent() {
    let mut bench = bench().await;
    bench.answer_one_to_read_with_next().await;
    bench.post("invocation/id-1/response", READ_WITH_NEXT, "2").await;
    let read = bench.read_until("InvalidRequestID").await;
    assert!(read.starts_with("HTTP/1.1 202 Accepted\r\n"), "{read}");
}

#[tokio::test]
async fn a_held_answer_comes_while_a_body_is_being_sent() {
    let mut bench = bench().await;
    bench.answer_one_to_read_with_next().await;
    bench
        .send("POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")
        .await;
    assert!(bench.read_until("OK\"}").await.starts_with("HTTP/1.1 202 Accepted\r\n"));
}

#[tokio::test]
async fn wrong_ids_second_answers_and_calls_out_of_order_are_refused() {
    let mut bench = bench().await;
    bench.post("invocation/id-1/response", "", "1").await;
    assert!(bench.read_until("InvalidStateTransition").await.starts_with("HTTP/1.1 403"));
    bench.send(NEXT).await;
    let answer = bench.exchange.dispatch(delivery("id-1"));
    bench.read_until("{\"n\":1}").await;
    bench.post("invocation/other/response", "", "1").await;
    assert!(bench.read_until("InvalidRequestID").await.starts_with("HTTP/1.1 400"));
    bench.post("invocation/id-1/error", "", "{\"errorType\":\"Odd\"}").await;
    bench.read_until("OK\"}").await;
    let body = Bytes::from_static(b"{\"errorType\":\"Odd\"}");
    assert_eq!(answer.await, Ok(Answer::Error { error_type: "Odd".to_owned(), body }));
    bench.post("invocation/id-1/response", "", "1").await;
    assert!(bench.read_until("InvalidRequestID").await.starts_with("HTTP/1.1 400"));
    bench.post("init/error", "", "{}").await;
    assert!(bench.read_until("InvalidStateTransition").await.starts_with("HTTP/1.1 403"));
    bench.send("GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(bench.read_until("\r\n\r\n{").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn an_error_of_the_init_phase_is_told_with_a_long_cause_in_a_header() {
    let mut bench = bench().await;
    let cause = "x".repeat(1 << 20);
    let headers = format!(
        "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\nLambda-Runtime-Function-XRay-Error-Cause: {cause}\r\n"
    );
    bench.post("init/error", &headers, "{}").await;
    bench.read_until("OK\"}").await;
    let error_type = "Runtime.ImportModuleError".to_owned();
    assert_eq!((&mut bench.init).await, Ok(InitAnswer::Failed { error_type, body: Bytes::from_static(b"{}") }));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_counted_to_its_end() {
    let mut bench = bench().await;
    bench.send(NEXT).await;
    let answer = bench.exchange.dispatch(delivery("id-1"));
    bench.read_until("{\"n\":1}").await;
    bench.post("invocation/id-1/response", "", &"x".repeat(7_000_000)).await;
    assert_eq!(answer.await, Ok(Answer::TooLarge { bytes: 7_000_000, bytes_max: 6_291_556 }));
    let reply = bench.read_until("RequestEntityTooLarge").await;
    assert!(reply.starts_with("HTTP/1.1 413"), "{reply}");
    assert!(reply.contains("Exceeded maximum allowed payload size (6291556 bytes)."), "{reply}");
}

#[tokio::test]
async fn a_streamed_answer_that_fails_tells_so_in_its_trailers() {
    let mut bench = bench().await;
    bench.send(NEXT).await;
    let answer = bench.exchange.dispatch(delivery("id-1"));
    bench.read_until("{\"n\":1}").await;
    bench
        .send(
            "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\n\
             Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n\
             4\r\npart\r\n0\r\nLambda-Runtime-Function-Error-Type: Odd\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n",
        )
        .await;
    let expected = Answer::Error { error_type: "Odd".to_owned(), body: Bytes::from_static(b"{}") };
    assert_eq!(answer.await, Ok(expected));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_known_and_an_event_nobody_took_comes_back() {
    let mut bench = bench().await;
    let answer = bench.exchange.dispatch(delivery("id-0"));
    assert_eq!(bench.exchange.take_back("id-0").unwrap().request_id, "id-0");
    drop(answer);
    let _init = bench.exchange.begin(1);
    bench.send(NEXT).await;
    let answer = bench.exchange.dispatch(delivery("id-1"));
    bench.read_until("{\"n\":1}").await;
    bench
        .send("POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        .await;
    bench.runtime.shutdown().await.unwrap();
    assert!(answer.await.is_err());
}

/// A runtime whose init phase and before-snapshot hooks are done.
async fn restorable() -> Bench {
    let mut bench = bench().await;
    bench.init = bench.exchange.begin_for_snapshot();
    bench.send(RESTORE_NEXT).await;
    assert_eq!((&mut bench.init).await, Ok(InitAnswer::Restorable));
    bench
}

#[tokio::test]
async fn a_restored_runtime_is_told_so_and_is_done_when_it_asks_for_an_event() {
    let mut bench = restorable().await;
    let restored = bench.exchange.restore();
    assert!(bench.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    bench.send(NEXT).await;
    assert_eq!(restored.await, Ok(RestoreAnswer::Ready));
    let _answer = bench.exchange.dispatch(delivery("id-1"));
    assert!(bench.read_until("{\"n\":1}").await.contains("request-id: id-1"));
    bench.post("restore/error", "", "{}").await;
    assert!(bench.read_until("InvalidStateTransition").await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_hook_that_fails_after_the_restore_is_told() {
    let mut bench = restorable().await;
    let restored = bench.exchange.restore();
    bench.read_until("\r\n\r\n").await;
    let header = "Lambda-Runtime-Function-Error-Type: Runtime.AfterRestoreError\r\n";
    bench.post("restore/error", header, "{\"errorMessage\":\"m\"}").await;
    assert!(bench.read_until("OK\"}").await.starts_with("HTTP/1.1 202 Accepted\r\n"));
    let body = Bytes::from_static(b"{\"errorMessage\":\"m\"}");
    let error_type = "Runtime.AfterRestoreError".to_owned();
    assert_eq!(restored.await, Ok(RestoreAnswer::Failed { error_type, body }));
    bench.send(NEXT).await;
    assert!(bench.read_until("InvalidStateTransition").await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_hook_that_fails_before_the_snapshot_fails_the_init_phase() {
    let mut bench = bench().await;
    bench.init = bench.exchange.begin_for_snapshot();
    bench.post("init/error", "Lambda-Runtime-Function-Error-Type: Runtime.BeforeSnapshotError\r\n", "{}").await;
    bench.read_until("OK\"}").await;
    let error_type = "Runtime.BeforeSnapshotError".to_owned();
    assert_eq!((&mut bench.init).await, Ok(InitAnswer::Failed { error_type, body: Bytes::from_static(b"{}") }));
}

#[tokio::test]
async fn a_copy_of_a_snapshot_begins_in_its_restore() {
    let mut bench = bench().await;
    let restored = bench.exchange.begin_restored();
    bench.send(RESTORE_NEXT).await;
    assert!(bench.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"), "when it asks again");
    bench.send(NEXT).await;
    assert_eq!(restored.await, Ok(RestoreAnswer::Ready));
}

#[tokio::test]
async fn only_a_process_for_a_snapshot_waits_for_a_restore_and_only_one_that_waits_is_restored() {
    let mut bench = bench().await;
    assert!(bench.exchange.restore().await.is_err());
    bench.send(RESTORE_NEXT).await;
    assert!(bench.read_until("InvalidStateTransition").await.starts_with("HTTP/1.1 403"));
    bench.post("restore/error", "", "{}").await;
    assert!(bench.read_until("InvalidStateTransition").await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn several_events_are_taken_before_one_is_answered_and_answers_come_in_any_order() {
    let mut bench = bench().await;
    bench.init = bench.exchange.begin(2);
    bench.send(&format!("{NEXT}{NEXT}")).await;
    assert_eq!((&mut bench.init).await, Ok(InitAnswer::Ready));
    let first = bench.exchange.dispatch(delivery("id-1"));
    assert!(bench.read_until("{\"n\":1}").await.contains("request-id: id-1"));
    let second = bench.exchange.dispatch(delivery("id-2"));
    assert!(bench.read_until("{\"n\":1}").await.contains("request-id: id-2"));
    bench.post("invocation/id-2/response", "", "2").await;
    assert_eq!(second.await, Ok(Answer::Response(Bytes::from_static(b"2"))));
    bench.post("invocation/id-1/response", "", "1").await;
    assert_eq!(first.await, Ok(Answer::Response(Bytes::from_static(b"1"))));
}

#[tokio::test]
async fn of_several_events_one_that_nobody_took_comes_back_and_one_whose_answer_broke_off_is_forgotten() {
    let mut bench = bench().await;
    bench.init = bench.exchange.begin(2);
    bench.send(NEXT).await;
    let first = bench.exchange.dispatch(delivery("id-1"));
    bench.read_until("{\"n\":1}").await;
    let _second = bench.exchange.dispatch(delivery("id-2"));
    assert!(bench.exchange.take_back("id-1").is_none(), "it was taken");
    assert!(bench.exchange.claim("id-2").is_err(), "what was not taken cannot be answered");
    assert_eq!(bench.exchange.take_back("id-2").unwrap().request_id, "id-2");
    bench
        .send("POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        .await;
    bench.runtime.shutdown().await.unwrap();
    assert!(first.await.is_err());
    assert!(bench.exchange.claim("id-1").is_err());
}
