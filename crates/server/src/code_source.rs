//! Code from S3, or from what speaks its language at the configured endpoint. Path-style addresses, signed links.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use tindra_control::{CodeFuture, CodeSource, CodeSourceError, ObjectName};
use tindra_core::clock::Clock;
use tindra_core::function::Scope;
use tindra_core::policy::{Context, Requester};
use tindra_model::signing::{self, Credentials, Signed};
use tindra_outside::http::{Client, HttpError};
use tindra_outside::{Endpoint, Refusal, object_path};
use tindra_s3::{ObjectError, Rights, S3Service, Visitor};
use uuid::Uuid;

/// How long an attempt may take with its download.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
/// No attempt begins later than this after the first: the caller waits.
const RETRIES_END: Duration = Duration::from_secs(10);
/// Waits before the second and the third attempt; there is no fourth.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];
/// How long a signed link holds.
const LINK_S: u32 = 300;

/// One endpoint with the keys for it.
#[derive(Debug)]
pub(crate) struct S3Endpoint {
    client: Client,
    keys: Option<Credentials>,
    clock: Arc<dyn Clock>,
}

/// An attempt that failed.
enum Failure {
    /// Another attempt may succeed.
    Passing(String),
    Final(CodeSourceError),
}

impl S3Endpoint {
    pub(crate) fn new(endpoint: Endpoint, keys: Option<Credentials>, clock: Arc<dyn Clock>) -> Self {
        Self { client: Client::new(endpoint), keys, clock }
    }

    async fn fetch(&self, object: &ObjectName, region: &str, bytes_max: usize) -> Result<Bytes, CodeSourceError> {
        let mut pauses = PAUSES.into_iter();
        let begun = tokio::time::Instant::now();
        loop {
            let attempt = self.attempt(object, region, bytes_max);
            let failure = match tokio::time::timeout(ATTEMPT_TIMEOUT, attempt).await {
                Ok(Ok(bytes)) => return Ok(bytes),
                Ok(Err(Failure::Final(error))) => return Err(error),
                Ok(Err(Failure::Passing(reason))) => reason,
                Err(_) => format!("it took longer than {} s", ATTEMPT_TIMEOUT.as_secs()),
            };
            match pauses.next() {
                Some(pause) if begun.elapsed() + pause < RETRIES_END => tokio::time::sleep(pause).await,
                _ => return Err(self.unreachable(failure)),
            }
        }
    }

    fn unreachable(&self, reason: String) -> CodeSourceError {
        CodeSourceError::Unreachable { endpoint: self.client.endpoint().to_string(), reason }
    }

    async fn attempt(&self, object: &ObjectName, region: &str, bytes_max: usize) -> Result<Bytes, Failure> {
        let request = Request::get(self.target(object, region)).body(Bytes::new());
        let request = request.map_err(|error| Failure::Passing(error.to_string()))?;
        match self.client.send(request, bytes_max).await {
            Ok(answer) => judge(answer.status(), answer.into_body()),
            Err(HttpError::TooLarge { bytes_max }) => Err(Failure::Final(CodeSourceError::TooLarge { bytes_max })),
            Err(HttpError::Failed(reason)) => Err(Failure::Passing(reason)),
        }
    }

    /// Path and query, signed when there are keys.
    fn target(&self, object: &ObjectName, region: &str) -> String {
        let path = object_path(&object.bucket, &object.key);
        let version = object.version.as_deref().filter(|version| !version.is_empty());
        let query = version.map(|version| format!("versionId={}", signing::percent_encode(version)));
        let query = query.unwrap_or_default();
        let query = match &self.keys {
            Some(keys) => self.sign(keys, region, &path, &query),
            None => query,
        };
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    fn sign(&self, keys: &Credentials, region: &str, path: &str, query: &str) -> String {
        let headers = HeaderMap::from_iter([(header::HOST, self.client.endpoint().authority().clone())]);
        let request = Signed { method: "GET", path, query, headers: &headers, body: b"" };
        signing::presign(&request, keys, region, "s3", LINK_S, self.clock.unix_ms())
    }
}

impl CodeSource for S3Endpoint {
    fn get<'a>(&'a self, object: &'a ObjectName, scope: &'a Scope, bytes_max: usize) -> CodeFuture<'a> {
        Box::pin(self.fetch(object, &scope.region, bytes_max))
    }
}

/// The S3 of this server, where no other one is configured.
#[derive(Debug)]
pub(crate) struct OwnS3 {
    pub(crate) s3: S3Service,
    /// Whether buckets of other accounts are closed unless their policies open them.
    pub(crate) is_checked: bool,
}

impl CodeSource for OwnS3 {
    fn get<'a>(&'a self, object: &'a ObjectName, scope: &'a Scope, bytes_max: usize) -> CodeFuture<'a> {
        Box::pin(async move {
            let ObjectName { bucket, key, version } = object;
            let mut visitor = visitor_of_tindra(scope);
            visitor.rights = self.is_checked.then(|| rights_of_account(scope));
            let version = version.as_deref().filter(|version| !version.is_empty());
            let read = self.s3.read(visitor, bucket, key, version, bytes_max).await;
            read.map_err(|error| match error {
                ObjectError::Refused { code, message } => CodeSourceError::Refused { code, message },
                ObjectError::TooLarge { bytes_max } => CodeSourceError::TooLarge { bytes_max },
            })
        })
    }
}

/// What an account may do as a whole. What its user may has been asked before.
pub(crate) fn rights_of_account(scope: &Scope) -> Rights {
    Rights {
        requester: Requester::Root { account: scope.account.clone() },
        policies: Vec::new(),
        boundary: None,
        session: Vec::new(),
        context: Context::default(),
    }
}

/// Tindra itself, which may do what those may on whose behalf it acts; that has been asked before.
pub(crate) fn visitor_of_tindra(scope: &Scope) -> Visitor {
    Visitor {
        scope: scope.clone(),
        principal_id: "AWS:lambda.amazonaws.com".to_owned(),
        key: None,
        rights: None,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        request_id: Uuid::new_v4().to_string(),
        trace_id: None,
        now_ms: 0,
        is_foreign_page: false,
    }
}

fn judge(status: StatusCode, body: Bytes) -> Result<Bytes, Failure> {
    if status.is_success() {
        return Ok(body);
    }
    if status.is_server_error() {
        return Err(Failure::Passing(format!("it answered {status}")));
    }
    let Refusal { code, message } = Refusal::read(status, &body);
    Err(Failure::Final(CodeSourceError::Refused { code, message }))
}

#[cfg(test)]
mod tests {
    use tindra_testkit::FakeClock;

    use super::*;

    fn endpoint(keys: Option<Credentials>) -> S3Endpoint {
        let endpoint = "http://127.0.0.1:9000".parse().unwrap();
        S3Endpoint::new(endpoint, keys, Arc::new(FakeClock::at(1_769_860_800_000)))
    }

    fn object(key: &str, version: Option<&str>) -> ObjectName {
        ObjectName { bucket: "code".to_owned(), key: key.to_owned(), version: version.map(str::to_owned) }
    }

    #[test]
    fn targets_are_escaped_and_signed() {
        let plain = endpoint(None);
        let target = |key, version| plain.target(&object(key, version), "us-east-1");
        assert_eq!(target("a/b c+d.zip", None), "/code/a/b%20c%2Bd.zip");
        assert_eq!(target("a.zip", Some("v/1")), "/code/a.zip?versionId=v%2F1");
        let keys = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: Some("token".to_owned()),
        };
        // Signatures that botocore's S3SigV4QueryAuth makes of the same links at the same time.
        let signed = endpoint(Some(keys));
        for (key, version, signature) in [
            ("a/b c+d.zip", Some("v/1"), "e9f95339880e5daf754d95ceb3ef57c929a32789832da28141a307a6eaa04a4c"),
            ("/x/../y.zip", None, "68a3a60c7049f147e6020d9a1077371cccfc0128b5fefc5969070a3e9ab7b449"),
        ] {
            let target = signed.target(&object(key, version), "eu-west-1");
            assert!(target.contains("X-Amz-Security-Token=token"), "{target}");
            assert!(target.ends_with(&format!("X-Amz-Signature={signature}")), "{target}");
        }
    }

    #[test]
    fn refusals_are_told_in_s3s_words() {
        let body = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>&lt;k&gt; is gone.</Message></Error>";
        let Err(Failure::Final(error)) = judge(StatusCode::NOT_FOUND, Bytes::from_static(body.as_bytes())) else {
            panic!("it is final")
        };
        let text = "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: <k> is gone.";
        assert_eq!(error.to_string(), text);
        assert!(matches!(judge(StatusCode::BAD_GATEWAY, Bytes::new()), Err(Failure::Passing(_))));
    }
}
