//! Times as texts: ISO 8601 in universal time, as events and messages have them.

use jiff::Timestamp;
use tindra_core::clock::UnixMs;

/// To the second: `2026-02-03T04:05:06Z`.
pub(crate) fn to_text(unix_ms: UnixMs) -> String {
    written(unix_ms, "%Y-%m-%dT%H:%M:%SZ")
}

/// The moment of such a text, also with an offset or a fraction.
pub(crate) fn from_text(text: &str) -> Option<UnixMs> {
    let moment: Timestamp = text.parse().ok()?;
    UnixMs::try_from(moment.as_millisecond()).ok()
}

/// As timestamps of the JSON protocols: seconds with a fraction.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of some thousand years are whole in a double")]
pub(crate) fn to_seconds(unix_ms: UnixMs) -> f64 {
    unix_ms as f64 / 1_000.0
}

/// The moment of such a timestamp; none before 1970 and after 9999.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between two bounds")]
pub(crate) fn from_seconds(seconds: f64) -> Option<UnixMs> {
    let unix_ms = (seconds * 1_000.0).round();
    (0.0..253_402_300_800_000.0).contains(&unix_ms).then_some(unix_ms as UnixMs)
}

fn written(unix_ms: UnixMs, form: &str) -> String {
    let moment = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    moment.unwrap_or_default().strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(to_text(1_700_000_000_999), "2023-11-14T22:13:20Z");
        assert_eq!(from_text("2023-11-14T22:13:20Z"), Some(1_700_000_000_000));
        assert_eq!(from_text("2023-11-14T23:13:20.5+01:00"), Some(1_700_000_000_500));
        assert_eq!(from_text("yesterday"), None);
        assert_eq!(from_seconds(to_seconds(1_700_000_000_999)), Some(1_700_000_000_999));
        assert_eq!(from_seconds(-1.0), None);
    }
}
