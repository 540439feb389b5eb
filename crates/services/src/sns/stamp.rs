//! Times as messages have them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tindra_core::clock::UnixMs;

/// For example `2012-05-02T00:54:06.655Z`.
pub(super) fn stamp(time_ms: UnixMs) -> String {
    let time = i64::try_from(time_ms).ok().and_then(|time_ms| Timestamp::from_millisecond(time_ms).ok());
    let time = time.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC);
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
