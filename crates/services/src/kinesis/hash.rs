//! Hash keys: where on the ring of 2^128 points a record lies, and which part of it each shard has.

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// A part of the ring, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HashRange {
    #[serde(with = "decimal")]
    pub(super) first: u128,
    #[serde(with = "decimal")]
    pub(super) last: u128,
}

impl HashRange {
    /// All points.
    pub(super) const WHOLE: Self = Self { first: 0, last: u128::MAX };

    pub(super) fn contains(self, point: u128) -> bool {
        (self.first..=self.last).contains(&point)
    }

    /// The ring in as many parts of the same size, but for the last one, which has what is left over.
    pub(super) fn evenly(count: u32) -> Vec<Self> {
        let Some(further) = u128::from(count).checked_sub(1).filter(|further| *further > 0) else {
            return vec![Self::WHOLE];
        };
        let parts = further + 1;
        // 2^128 divided: it does not fit its type by one.
        let size = u128::MAX / parts + u128::from(u128::MAX % parts == further);
        let part = |index: u128| {
            let first = index * size;
            Self { first, last: if index == further { u128::MAX } else { first + (size - 1) } }
        };
        (0..parts).map(part).collect()
    }
}

/// The point of a partition key.
pub(super) fn of_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

/// Numbers that JSON readers would round.
mod decimal {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn as_aws_divides_it() {
        let two = HashRange::evenly(2);
        assert_eq!(two[0].last.to_string(), "170141183460469231731687303715884105727");
        assert_eq!(two[1].first.to_string(), "170141183460469231731687303715884105728");
        let three = HashRange::evenly(3);
        assert_eq!(three[1].first.to_string(), "113427455640312821154458202477256070485");
        assert_eq!(three[2].last.to_string(), "340282366920938463463374607431768211455");
        assert_eq!(HashRange::evenly(1), [HashRange::WHOLE]);
        assert_eq!(of_key("").to_string(), "281949768489412648962353822266799178366");
    }

    proptest! {
        #[test]
        fn every_point_is_in_one_part(count in 1..1_000_u32, point in any::<u128>()) {
            let parts = HashRange::evenly(count);
            prop_assert_eq!(parts.len(), count as usize);
            prop_assert_eq!(parts.iter().filter(|part| part.contains(point)).count(), 1);
            prop_assert!(parts.windows(2).all(|two| two[0].last + 1 == two[1].first && two[0].first <= two[0].last));
        }
    }
}
