//! Numbers and names as columns.

use tokio_postgres::Row;

/// PostgreSQL's integers are signed; counters and times do not live to see the difference.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of rows.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A number that was [`signed`].
pub(super) fn unsigned(row: &Row, column: usize) -> u64 {
    row.get::<_, i64>(column).unsigned_abs()
}

/// A name. One that is no text was changed by the disk; its checksum will say so.
pub(super) fn name(row: &Row, column: usize) -> String {
    String::from_utf8_lossy(row.get(column)).into_owned()
}

/// The bounds between which the names lie that start with `prefix` and come after `after`: the first is inside, the second
/// is not. No byte of a text is 0xff, so there is always a bound above.
pub(super) fn bounds(prefix: &str, after: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let mut above = prefix.as_bytes().to_vec();
    match above.last_mut() {
        Some(last) => *last += 1,
        None => above.push(0xff),
    }
    let below = match after {
        Some(after) if after >= prefix => [after.as_bytes(), &[0]].concat(),
        _ => prefix.as_bytes().to_vec(),
    };
    (below, above)
}

#[cfg(test)]
mod tests {
    use super::bounds;

    #[test]
    fn names_with_the_prefix_lie_between_its_bounds() {
        let names = ["", "a", "a\0", "a/", "a\u{10ffff}", "ab", "b", "é", "\u{10ffff}"];
        for prefix in names {
            for after in [None].into_iter().chain(names.map(Some)) {
                let (below, above) = bounds(prefix, after);
                for name in names {
                    let is_wanted = name.starts_with(prefix) && after.is_none_or(|after| name > after);
                    let is_between = name.as_bytes() >= &below[..] && name.as_bytes() < &above[..];
                    assert_eq!(is_between, is_wanted, "{name:?} under {prefix:?} after {after:?}");
                }
            }
        }
    }
}
