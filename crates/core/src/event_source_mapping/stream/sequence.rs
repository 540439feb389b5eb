//! Sequence numbers: decimal numbers of any length, in texts.

use std::cmp::Ordering;

/// Which of two sequence numbers of a shard comes first.
#[must_use]
pub fn compare_sequences(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_numbers() {
        assert_eq!(compare_sequences("9", "10"), Ordering::Less);
        assert_eq!(compare_sequences("000010", "10"), Ordering::Equal);
        let (early, late) = ("49590338271490256608559692538361571095", "49590338271490256608559692540925702759");
        assert_eq!(compare_sequences(late, early), Ordering::Greater);
    }
}
