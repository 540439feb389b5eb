//! Times as access logs write them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::UnixMs;

/// For example `12/Mar/2020:19:03:58 +0000`.
pub(super) fn common_log(time_ms: UnixMs) -> String {
    let time = i64::try_from(time_ms).ok().and_then(|time_ms| Timestamp::from_millisecond(time_ms).ok());
    time.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S %z").to_string()
}
