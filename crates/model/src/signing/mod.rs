//! AWS Signature Version 4: verifying requests, and signing them for the command line.
//!
//! The canonical request is that of every service but S3: the path is normalised by the client and encoded a
//! second time. Secrets never appear in an error or in `Debug`.

mod canonical;

use std::fmt::Write as _;

use hmac::{Hmac, Mac as _};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};

use canonical::Canonical;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a signature's time may lie from the server's, either way (AWS: five minutes).
const SKEW_MS_MAX: u64 = 5 * 60 * 1000;
/// Longest life of a presigned URL (AWS: seven days).
const EXPIRY_S_MAX: u64 = 7 * 24 * 3600;
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A request to be verified or signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Method.
    pub method: &'a str,
    /// Path, as sent.
    pub path: &'a str,
    /// Query string, as sent, without the question mark.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Body.
    pub body: &'a [u8],
}

/// Why a signature is refused. The texts are AWS's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// A part is missing or cannot be read: `IncompleteSignatureException`.
    Incomplete(String),
    /// It does not fit the request, or its time has passed: `InvalidSignatureException`.
    Invalid(String),
}

impl SignatureError {
    /// The wire code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::Invalid(_) => "InvalidSignatureException",
        }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        let (Self::Incomplete(message) | Self::Invalid(message)) = self;
        message
    }
}

/// The parts of an `Authorization` header or of a presigned query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Access key.
    pub access_key_id: String,
    /// `YYYYMMDD` of the scope.
    pub date: String,
    /// Region of the scope.
    pub region: String,
    /// Service of the scope.
    pub service: String,
    signed_headers: Vec<String>,
    signature: String,
    /// `YYYYMMDDTHHMMSSZ`.
    timestamp: String,
    /// Life of a presigned URL.
    expires_s: Option<u64>,
}

impl Presented {
    /// Reads the signature that a request carries; `None` when it carries none.
    ///
    /// # Errors
    /// When it carries one that cannot be read.
    pub fn read(request: &Signed<'_>) -> Result<Option<Self>, SignatureError> {
        if let Some(header) = request.headers.get(AUTHORIZATION) {
            let header = header.to_str().unwrap_or_default();
            return Self::from_header(header, request.headers).map(Some);
        }
        if canonical::query_value(request.query, "X-Amz-Algorithm").is_some_and(|algorithm| algorithm == ALGORITHM) {
            return Self::from_query(request.query).map(Some);
        }
        Ok(None)
    }

    fn from_header(header: &str, headers: &HeaderMap) -> Result<Self, SignatureError> {
        let fields = header.strip_prefix(ALGORITHM).ok_or_else(|| {
            SignatureError::Incomplete("Unsupported AWS 'algorithm' in the Authorization header.".to_owned())
        })?;
        let field = |name: &str| {
            let mut fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
            let missing = || SignatureError::Incomplete(format!("Authorization header requires '{name}' parameter."));
            fields.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).ok_or_else(missing)
        };
        let timestamp = headers.get("x-amz-date").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        if timestamp.is_empty() {
            let message = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
            return Err(SignatureError::Incomplete(message.to_owned()));
        }
        Self::assemble(&field("Credential")?, &field("SignedHeaders")?, field("Signature")?, timestamp, None)
    }

    fn from_query(query: &str) -> Result<Self, SignatureError> {
        let field = |name: &str| {
            canonical::query_value(query, name).ok_or_else(|| {
                SignatureError::Incomplete(format!("Query-string authentication requires the '{name}' parameter."))
            })
        };
        let expires = field("X-Amz-Expires")?.parse().ok().filter(|seconds| *seconds <= EXPIRY_S_MAX);
        let expires = expires.ok_or_else(|| {
            SignatureError::Incomplete("X-Amz-Expires must be a number of seconds, at most a week.".to_owned())
        })?;
        let credential = field("X-Amz-Credential")?;
        Self::assemble(
            &credential,
            &field("X-Amz-SignedHeaders")?,
            field("X-Amz-Signature")?,
            field("X-Amz-Date")?,
            Some(expires),
        )
    }

    fn assemble(
        credential: &str,
        signed_headers: &str,
        signature: String,
        timestamp: String,
        expires_s: Option<u64>,
    ) -> Result<Self, SignatureError> {
        let mut scope = credential.rsplitn(5, '/');
        let (Some("aws4_request"), Some(service), Some(region), Some(date), Some(key)) =
            (scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
        else {
            let message =
                "Credential must have at least 5 slash-delimited elements, e.g. keyid/date/region/service/term.";
            return Err(SignatureError::Incomplete(message.to_owned()));
        };
        Ok(Self {
            access_key_id: key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
            signature,
            timestamp,
            expires_s,
        })
    }

    /// Verifies the signature with the key's secret, at this wall-clock time.
    ///
    /// # Errors
    /// When it does not fit the request, when its time has passed, or when a header that must be signed is not.
    pub fn verify(&self, request: &Signed<'_>, secret: &str, now_ms: u64) -> Result<(), SignatureError> {
        self.check_time(now_ms)?;
        if !self.timestamp.starts_with(&self.date) {
            return Err(SignatureError::Invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.".to_owned(),
            ));
        }
        if !self.signed_headers.iter().any(|name| name == "host") {
            return Err(SignatureError::Invalid(
                "'Host' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
            ));
        }
        let hash = self.payload_hash(request)?;
        let canonical = Canonical {
            request,
            signed_headers: &self.signed_headers,
            payload_hash: &hash,
            presigned: self.expires_s.is_some(),
        };
        let expected = sign_text(&canonical.text(), secret, &self.timestamp, &self.scope());
        if equal_in_constant_time(expected.as_bytes(), self.signature.as_bytes()) {
            return Ok(());
        }
        Err(SignatureError::Invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.".to_owned(),
        ))
    }

    /// What was signed of the body: its hash, which must then be the body's.
    fn payload_hash(&self, request: &Signed<'_>) -> Result<String, SignatureError> {
        let actual = hex_digest(request.body);
        let stated = request.headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
        match stated {
            Some(UNSIGNED) => Ok(UNSIGNED.to_owned()),
            Some(stated) if stated != actual => {
                Err(SignatureError::Invalid("The value of x-amz-content-sha256 does not match the body.".to_owned()))
            }
            _ => Ok(actual),
        }
    }

    fn check_time(&self, now_ms: u64) -> Result<(), SignatureError> {
        let Some(signed_ms) = parse_timestamp(&self.timestamp) else {
            return Err(SignatureError::Incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'.",
                self.timestamp
            )));
        };
        let expiry_ms = signed_ms + self.expires_s.map_or(SKEW_MS_MAX, |seconds| seconds * 1000);
        if now_ms > expiry_ms {
            return Err(SignatureError::Invalid(format!(
                "Signature expired: {} is now earlier than the time allowed.",
                self.timestamp
            )));
        }
        if signed_ms > now_ms + SKEW_MS_MAX {
            return Err(SignatureError::Invalid(format!(
                "Signature not yet current: {} is still later than the time allowed.",
                self.timestamp
            )));
        }
        Ok(())
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// Keys to sign with.
#[derive(Clone)]
pub struct Credentials {
    /// Access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// For temporary keys.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The headers to add to a request so that it is signed; its `Host` header must be there already.
#[must_use]
pub fn sign(
    request: &Signed<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now_ms: u64,
) -> Vec<(&'static str, String)> {
    let timestamp = format_timestamp(now_ms);
    let mut headers = request.headers.clone();
    let mut added = vec![("x-amz-date", timestamp.clone())];
    added.extend(credentials.session_token.clone().map(|token| ("x-amz-security-token", token)));
    for (name, value) in &added {
        if let Ok(value) = value.parse() {
            headers.insert(*name, value);
        }
    }
    let mut signed_headers: Vec<String> = headers
        .keys()
        .map(|name| name.as_str().to_owned())
        .filter(|name| name == "host" || name == "content-type" || name.starts_with("x-amz-"))
        .collect();
    signed_headers.sort();
    signed_headers.dedup();
    let hash = hex_digest(request.body);
    let request = Signed { headers: &headers, ..*request };
    let canonical =
        Canonical { request: &request, signed_headers: &signed_headers, payload_hash: &hash, presigned: false };
    let scope = format!("{}/{region}/{service}/aws4_request", &timestamp[..8]);
    let signature = sign_text(&canonical.text(), &credentials.secret_access_key, &timestamp, &scope);
    added.push((
        "authorization",
        format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            credentials.access_key_id,
            signed_headers.join(";")
        ),
    ));
    added
}

fn sign_text(canonical: &str, secret: &str, timestamp: &str, scope: &str) -> String {
    let text = format!("{ALGORITHM}\n{timestamp}\n{scope}\n{}", hex_digest(canonical.as_bytes()));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = hmac(&key, part.as_bytes());
    }
    hex(&hmac(&key, text.as_bytes()))
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn hex_digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compares without telling by its duration where the difference lies.
#[must_use]
pub fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn parse_timestamp(text: &str) -> Option<u64> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(time.timestamp().as_millisecond()).ok()
}

fn format_timestamp(unix_ms: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX))
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests;
