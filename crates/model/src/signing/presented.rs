//! A signature that came with a request: read, and verified.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::canonical::{Canonical, query_value};
use super::hash::{equal_in_constant_time, hex_digest, signature};
use super::{
    ALGORITHM, CONTENT_HASH, EXPIRY_S_MAX, S3, SKEW_MS_MAX, STREAMING, SignatureError, Signed, UNSIGNED, time,
};

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
        if query_value(request.query, "X-Amz-Algorithm").is_some_and(|algorithm| algorithm == ALGORITHM) {
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
            query_value(query, name).ok_or_else(|| {
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
        let canonical =
            Canonical { request, signed_headers: &self.signed_headers, payload_hash: &hash, is_s3: self.service == S3 };
        let expected = signature(&canonical.text(), secret, &self.timestamp, &self.scope());
        if equal_in_constant_time(expected.as_bytes(), self.signature.as_bytes()) {
            return Ok(());
        }
        Err(SignatureError::Invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.".to_owned(),
        ))
    }

    /// Whether the signature covers the body. With S3 it may not, or only together with the signatures of its
    /// chunks, which whoever reads the body has to check; every other service signs the body whole.
    #[must_use]
    pub fn covers_body(&self, request: &Signed<'_>) -> bool {
        self.service != S3 || self.stated_hash(request).is_some_and(|stated| !is_marker(stated))
    }

    fn stated_hash<'a>(&self, request: &Signed<'a>) -> Option<&'a str> {
        request.headers.get(CONTENT_HASH).and_then(|value| value.to_str().ok())
    }

    /// What was signed of the body: its hash, which must then be the body's, or for S3 a word in its place.
    fn payload_hash(&self, request: &Signed<'_>) -> Result<String, SignatureError> {
        let stated = self.stated_hash(request);
        if self.service == S3 {
            let default = self.expires_s.map(|_| UNSIGNED);
            if let Some(marker) = stated.or(default).filter(|stated| is_marker(stated)) {
                return Ok(marker.to_owned());
            }
        }
        let actual = hex_digest(request.body);
        if stated.is_some_and(|stated| stated != actual) {
            let message = "The value of x-amz-content-sha256 does not match the body.";
            return Err(SignatureError::Invalid(message.to_owned()));
        }
        Ok(actual)
    }

    fn check_time(&self, now_ms: u64) -> Result<(), SignatureError> {
        let Some(signed_ms) = time::parse(&self.timestamp) else {
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

fn is_marker(stated: &str) -> bool {
    stated == UNSIGNED || stated.starts_with(STREAMING)
}
