//! Preconditions in headers.

use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result};
use tindra_core::clock::UnixMs;

use crate::failure;
use crate::record::Version;

/// Of a read.
#[derive(Debug, Default)]
pub(crate) struct ReadConditions {
    pub(crate) matches: Option<ETagCondition>,
    pub(crate) none_matches: Option<ETagCondition>,
    pub(crate) modified_since: Option<Timestamp>,
    pub(crate) unmodified_since: Option<Timestamp>,
}

/// How a precondition of a read does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// The reader has it already.
    NotModified,
    Failed(&'static str),
}

impl ReadConditions {
    /// The first precondition that does not hold. One about the ETag makes the one about the time beside it void (RFC 9110, 13.2.2).
    pub(crate) fn unmet(&self, version: &Version) -> Option<Unmet> {
        match &self.matches {
            Some(wanted) if !is_met(wanted, &version.etag) => return Some(Unmet::Failed("If-Match")),
            Some(_) => {}
            None if self.unmodified_since.as_ref().is_some_and(|since| is_newer(version, since)) => {
                return Some(Unmet::Failed("If-Unmodified-Since"));
            }
            None => {}
        }
        let is_known = match &self.none_matches {
            Some(unwanted) => is_met(unwanted, &version.etag),
            None => self.modified_since.as_ref().is_some_and(|since| !is_newer(version, since)),
        };
        is_known.then_some(Unmet::NotModified)
    }

    /// As for the source of a copy: there is nothing that one could have already.
    pub(crate) fn check_source(&self, version: &Version) -> S3Result<()> {
        match self.unmet(version) {
            None => Ok(()),
            Some(Unmet::NotModified) => Err(precondition_failed("x-amz-copy-source-If-None-Match")),
            Some(Unmet::Failed(condition)) => Err(precondition_failed(condition)),
        }
    }
}

/// Of a write.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteConditions {
    pub(crate) matches: Option<ETagCondition>,
    pub(crate) none_matches: Option<ETagCondition>,
}

impl WriteConditions {
    /// Whether it may be written where there is now this, or nothing.
    pub(crate) fn check(&self, current: Option<&Version>) -> S3Result<()> {
        let current = current.filter(|version| !version.is_marker);
        match (&self.none_matches, current) {
            (Some(ETagCondition::ETag(_)), _) => {
                let what = "If-None-Match with an ETag";
                return Err(failure::not_here(what, "AWS takes only \"*\" there, too"));
            }
            (Some(ETagCondition::Any), Some(_)) => return Err(precondition_failed("If-None-Match")),
            _ => {}
        }
        match (&self.matches, current) {
            (Some(_), None) => Err(failure::no_such_key()),
            (Some(wanted), Some(version)) if !is_met(wanted, &version.etag) => Err(precondition_failed("If-Match")),
            _ => Ok(()),
        }
    }
}

pub(crate) fn precondition_failed(condition: &str) -> S3Error {
    tracing::debug!(condition, "a precondition does not hold");
    let message = "At least one of the pre-conditions you specified did not hold";
    S3Error::with_message(S3ErrorCode::PreconditionFailed, message)
}

fn is_met(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == etag,
    }
}

/// Times in headers are whole seconds.
fn is_newer(version: &Version, since: &Timestamp) -> bool {
    version.modified_ms / 1_000 > unix_ms(since) / 1_000
}

pub(crate) fn unix_ms(time: &Timestamp) -> UnixMs {
    let time: std::time::SystemTime = s3s_time(time);
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMs::try_from(since.as_millis()).unwrap_or_default()
}

fn s3s_time(time: &Timestamp) -> std::time::SystemTime {
    let mut text = Vec::new();
    // What it was parsed from can be written again.
    let written = time.format(s3s::dto::TimestampFormat::EpochSeconds, &mut text).is_ok();
    let seconds = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<f64>().ok()).filter(|_| written);
    let since = seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default();
    std::time::UNIX_EPOCH + since
}

pub(crate) fn timestamp(unix_ms: UnixMs) -> Timestamp {
    Timestamp::from(std::time::UNIX_EPOCH + std::time::Duration::from_millis(unix_ms))
}

/// When something was changed, as S3 tells it: in whole seconds.
pub(crate) fn modified(version: &Version) -> Timestamp {
    timestamp(version.modified_ms / 1_000 * 1_000)
}

#[cfg(test)]
mod tests {
    use s3s::dto::ETag;

    use super::*;

    fn version(etag: &str, modified_ms: UnixMs) -> Version {
        Version {
            key: "k".to_owned(),
            id: None,
            sequence: 1,
            modified_ms,
            is_marker: false,
            size: 0,
            etag: etag.to_owned(),
            sum: None,
            about: crate::record::About::default(),
            content: crate::record::Content::Empty,
        }
    }

    fn etag(value: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(value.to_owned())))
    }

    #[test]
    fn reads_have_four_preconditions() {
        let version = version("a", 5_500);
        let unmet = |conditions: ReadConditions| conditions.unmet(&version);
        assert_eq!(unmet(ReadConditions::default()), None);
        assert_eq!(unmet(ReadConditions { matches: etag("b"), ..Default::default() }), Some(Unmet::Failed("If-Match")));
        let not_modified = Some(Unmet::NotModified);
        assert_eq!(unmet(ReadConditions { none_matches: etag("a"), ..Default::default() }), not_modified);
        let since = |seconds: u64| Some(timestamp(seconds * 1_000));
        assert_eq!(unmet(ReadConditions { modified_since: since(5), ..Default::default() }), not_modified);
        assert_eq!(unmet(ReadConditions { modified_since: since(4), ..Default::default() }), None);
        let failed = Some(Unmet::Failed("If-Unmodified-Since"));
        assert_eq!(unmet(ReadConditions { unmodified_since: since(4), ..Default::default() }), failed);
        let both = ReadConditions { matches: etag("a"), unmodified_since: since(4), ..Default::default() };
        assert_eq!(unmet(both), None);
    }

    #[test]
    fn writes_have_two() {
        let (there, any) = (version("a", 0), Some(ETagCondition::Any));
        let none = WriteConditions { matches: None, none_matches: any };
        assert!(none.check(None).is_ok());
        assert_eq!(*none.check(Some(&there)).unwrap_err().code(), S3ErrorCode::PreconditionFailed);
        let same = WriteConditions { matches: etag("a"), none_matches: None };
        assert!(same.check(Some(&there)).is_ok());
        assert_eq!(*same.check(None).unwrap_err().code(), S3ErrorCode::NoSuchKey);
        assert!(same.check(Some(&version("b", 0))).is_err());
    }
}
