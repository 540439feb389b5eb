//! Cutting a list into pages.

use super::LogsError;

/// The largest and the usual page of groups and streams (model).
pub(super) const NAMES_MAX: usize = 50;
/// The largest and the usual page of events (model).
pub(super) const EVENTS_MAX: usize = 10_000;
/// Bytes of one page of events (AWS: 1 MB); one event is always given.
pub(super) const PAGE_BYTES_MAX: usize = 1 << 20;

/// `limit` as a request gives it, or `most`.
pub(super) fn limit(asked: Option<i64>, most: usize) -> Result<usize, LogsError> {
    let Some(asked) = asked else { return Ok(most) };
    match usize::try_from(asked) {
        Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(LogsError::invalid(format!("The limit must be between 1 and {most}."))),
    }
}

/// The first `limit` items, and the token of the last of them when there are more.
pub(super) fn cut<T>(
    items: impl Iterator<Item = T>,
    limit: usize,
    token: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let mut page: Vec<T> = items.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(token);
    (page, next)
}
