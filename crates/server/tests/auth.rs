//! Signatures over real sockets: requests signed by botocore (see `signed/make.py`) at a fixed time.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::{Answer, Fixture, exchange, operator, scope};
use tindra_core::clock::{Clock, UnixMs};
use tindra_server::auth::Authenticator;
use tindra_server::config::{AccessKey, Mode};
use tindra_server::credentials::RootKey;
use tindra_server::edge::{Patience, Peer};
use tindra_worker::EnvironmentIdentity;

/// 2026-11-23T09:00:00Z, when the requests were signed.
const SIGNED_MS: UnixMs = 1_795_424_400_000;
const MINUTE_MS: UnixMs = 60_000;

#[derive(Debug, Default)]
struct StoppedClock(AtomicU64);

impl Clock for StoppedClock {
    fn unix_ms(&self) -> UnixMs {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn authenticator() -> Authenticator {
    let root = RootKey { access_key_id: "AKIAROOTROOTROOTROOT".into(), secret_access_key: "root-secret".into() };
    let key = AccessKey {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        account: None,
    };
    Authenticator::sigv4(scope(), root, vec![key])
}

async fn serve(authenticator: Authenticator, peer: Peer) -> (Fixture, Arc<StoppedClock>) {
    let clock = Arc::new(StoppedClock(AtomicU64::new(SIGNED_MS)));
    let fixture =
        support::start_at(authenticator, Mode::Serve, Patience::default(), peer, Arc::clone(&clock) as _).await;
    (fixture, clock)
}

fn signed(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/signed/{name}.http", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn replaced(request: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(request.to_vec()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    text.replace(from, to).into_bytes()
}

async fn send(fixture: &Fixture, request: &[u8]) -> Answer {
    exchange(fixture.address, request).await.remove(0)
}

fn error(answer: &Answer) -> &str {
    answer.header("x-amzn-errortype").unwrap_or_default()
}

#[tokio::test]
async fn what_botocore_signs_is_accepted() {
    let (fixture, clock) = serve(authenticator(), operator()).await;
    for offset_ms in [0, 4 * MINUTE_MS] {
        clock.0.store(SIGNED_MS + offset_ms, Ordering::Relaxed);
        for (name, status) in [("list", 500), ("invoke", 200), ("invoke_arn", 200), ("logs", 400)] {
            let answer = send(&fixture, &signed(name)).await;
            // The fake parts answer with errors of their own; none of them is a 403.
            assert_eq!(answer.status, status, "{name}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn everything_else_is_refused_in_the_words_of_aws() {
    let (fixture, _clock) = serve(authenticator(), operator()).await;
    let invoke = signed("invoke");
    let list = signed("list");
    let unsigned = b"GET /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec();
    let bearer = replaced(&unsigned, "Host: x", "Host: x\r\nAuthorization: Bearer x");
    for (what, request, code, message) in [
        (
            "tampered body",
            replaced(&invoke, "\"a\"", "\"b\""),
            "InvalidSignatureException",
            "does not match the signature",
        ),
        (
            "unsigned body",
            replaced(
                &replaced(&invoke, "\"a\"", "\"b\""),
                "X-Amz-Date",
                "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\nX-Amz-Date",
            ),
            "InvalidSignatureException",
            "",
        ),
        (
            "tampered header",
            replaced(&invoke, "Log-Type: Tail", "Log-Type: None"),
            "InvalidSignatureException",
            "does not match",
        ),
        (
            "tampered query",
            replaced(&list, "MaxItems=10", "MaxItems=11"),
            "InvalidSignatureException",
            "does not match",
        ),
        (
            "tampered path",
            replaced(&invoke, "functions/hello", "functions/jello"),
            "InvalidSignatureException",
            "does not match",
        ),
        (
            "unknown key",
            replaced(&list, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLF"),
            "UnrecognizedClientException",
            "security token",
        ),
        (
            "wrong secret",
            replaced(&list, "AKIAIOSFODNN7EXAMPLE", "AKIAROOTROOTROOTROOT"),
            "InvalidSignatureException",
            "does not match",
        ),
        ("wrong region", replaced(&list, "/us-east-1/", "/eu-west-1/"), "InvalidSignatureException", "does not match"),
        ("no signature", unsigned, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("other scheme", bearer, "IncompleteSignatureException", "Credential"),
        ("half a header", replaced(&list, "Signature=", "Nature="), "IncompleteSignatureException", "Signature"),
    ] {
        let answer = send(&fixture, &request).await;
        assert_eq!((answer.status, error(&answer)), (403, code), "{what}: {}", answer.text());
        assert!(answer.text().contains(message), "{what}: {}", answer.text());
    }
}

#[tokio::test]
async fn signatures_expire() {
    let (fixture, clock) = serve(authenticator(), operator()).await;
    for (now_ms, message) in
        [(SIGNED_MS + 6 * MINUTE_MS, "Signature expired"), (SIGNED_MS - 6 * MINUTE_MS, "Signature not yet current")]
    {
        clock.0.store(now_ms, Ordering::Relaxed);
        let answer = send(&fixture, &signed("list")).await;
        assert_eq!((answer.status, error(&answer)), (403, "InvalidSignatureException"), "{}", answer.text());
        assert!(answer.text().contains(message), "{}", answer.text());
    }
}

#[tokio::test]
async fn health_needs_no_signature() {
    let (fixture, _clock) = serve(authenticator(), operator()).await;
    let health = b"GET /_tindra/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(send(&fixture, health).await.status, 200);
}

fn environment() -> Peer {
    Peer::Environment(Arc::new(EnvironmentIdentity {
        scope: scope(),
        function_name: "hello".into(),
        role_arn: "arn:aws:iam::000000000000:role/service-role/worker".into(),
        access_key_id: "ASIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYSESSIONKEY".into(),
        session_token: "a/session+token==".into(),
    }))
}

#[tokio::test]
async fn a_function_is_its_role_and_a_role_may_do_nothing_yet() {
    let (fixture, _clock) = serve(authenticator(), environment()).await;
    let user = "User: arn:aws:sts::000000000000:assumed-role/worker/hello is not authorized to perform: ";
    for (name, rest) in [
        (
            "session",
            "lambda:ListFunctions on resource: * because no identity-based policy allows the lambda:ListFunctions action",
        ),
        (
            "session_function",
            "lambda:GetFunction on resource: arn:aws:lambda:us-east-1:000000000000:function:hello because no identity-based policy allows the lambda:GetFunction action",
        ),
    ] {
        let answer = send(&fixture, &signed(name)).await;
        assert_eq!((answer.status, error(&answer)), (403, "AccessDeniedException"), "{}", answer.text());
        assert!(answer.text().contains(&format!("{user}{rest}")), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_function_is_never_anybody_else() {
    let (fixture, _clock) = serve(authenticator(), environment()).await;
    let operators_key = signed("list");
    let stolen_token = replaced(&signed("session"), "a/session+token==", "b/session+token==");
    for request in [operators_key, stolen_token] {
        let answer = send(&fixture, &request).await;
        assert_eq!((answer.status, error(&answer)), (403, "UnrecognizedClientException"), "{}", answer.text());
    }
    for page in [
        "GET /_tindra/health",
        "POST /_tindra/reset",
        "GET /metrics",
        "GET /_tindra/environments",
        "GET /_tindra/capacity",
        "GET /_tindra/code/good",
    ] {
        let request = format!("{page} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_eq!(send(&fixture, request.as_bytes()).await.status, 404, "{page}");
    }
}

#[tokio::test]
async fn with_signatures_strangers_do_not_see_what_runs() {
    let (fixture, _clock) = serve(authenticator(), operator()).await;
    for page in ["environments", "capacity"] {
        let request = format!("GET /_tindra/{page} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = send(&fixture, request.as_bytes()).await;
        assert_eq!((answer.status, error(&answer)), (403, "MissingAuthenticationTokenException"), "{}", answer.text());
    }
}

#[tokio::test]
async fn with_auth_off_a_function_may_call_with_any_signature() {
    let (fixture, _clock) = serve(Authenticator::off(scope()), environment()).await;
    for name in ["session", "list"] {
        let answer = send(&fixture, &signed(name)).await;
        assert_eq!((answer.status, error(&answer)), (500, "ServiceException"), "{}", answer.text());
    }
}
