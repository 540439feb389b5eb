//! Sequence numbers: 56 decimal digits that grow with the place in the shard, and from a shard to its children.
//!
//! They are laid out as AWS's are, most significant first, so that whoever compares or takes them apart finds what they are used
//! to: when the shard was made, the place in it, when the record came, and which shard it is. The place is the offset in the
//! shard's journal and one more, so that a number leads to its record without a search.

/// Between the bounds of the two ends, both hexadecimal: the version of the layout.
const VERSION: &str = "2";
const DIGITS: usize = 47;
const DECIMALS_EACH: u64 = 10_000_000_000_000_000_000;

/// A sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sequence {
    /// When the shard began, in seconds since 1970: later for each child than for its parents.
    pub(super) shard_s: u64,
    /// 0 for the beginning of the shard, the offset in its journal and 1 for a record.
    pub(super) place: u64,
    /// When the record came, in seconds since 1970.
    pub(super) time_s: u64,
    /// The number in the shard's id.
    pub(super) shard: u32,
}

/// The place of the end of a closed shard.
pub(super) const END: u64 = i64::MAX as u64;
/// What fits into nine hexadecimal digits.
const SECONDS_MAX: u64 = (1 << 36) - 1;

impl std::fmt::Display for Sequence {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shard_s, place, time_s, shard } = *self;
        let (shard_s, time_s) = (shard_s.min(SECONDS_MAX), time_s.min(SECONDS_MAX));
        let hex =
            format!("{VERSION}{shard_s:09x}{:x}{:016x}00{time_s:09x}{shard:08x}{VERSION}", shard & 15, place.min(END));
        let limb = |part: &str| u64::from_str_radix(part, 16).unwrap_or_default();
        let mut limbs = [limb(&hex[..15]), limb(&hex[15..31]), limb(&hex[31..])];
        let [third, second, first] = [divide(&mut limbs), divide(&mut limbs), divide(&mut limbs)];
        write!(out, "{first}{second:019}{third:019}")
    }
}

/// Divides by a power of ten and returns what is left over.
fn divide(limbs: &mut [u64; 3]) -> u64 {
    let mut rest = 0_u128;
    for limb in limbs {
        let whole = rest << 64 | u128::from(*limb);
        // The rest is smaller than the divisor, so the quotient fits.
        *limb = u64::try_from(whole / u128::from(DECIMALS_EACH)).unwrap_or_default();
        rest = whole % u128::from(DECIMALS_EACH);
    }
    u64::try_from(rest).unwrap_or_default()
}

impl Sequence {
    /// Reads a number; none for one that is laid out otherwise.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut limbs = [0_u64; 3];
        for digit in text.bytes() {
            let mut carry = u128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
            for limb in limbs.iter_mut().rev() {
                let product = u128::from(*limb) * 10 + carry;
                *limb = u64::try_from(product & u128::from(u64::MAX)).unwrap_or_default();
                carry = product >> 64;
            }
            if carry > 0 {
                return None;
            }
        }
        let hex = format!("{:x}{:016x}{:016x}", limbs[0], limbs[1], limbs[2]);
        if hex.len() != DIGITS || !hex.starts_with(VERSION) || !hex.ends_with(VERSION) {
            return None;
        }
        let number = |from: usize, to: usize| u64::from_str_radix(&hex[from..to], 16).ok();
        let shard = u32::try_from(number(38, 46)?).ok()?;
        let read = Self { shard_s: number(1, 10)?, place: number(11, 27)?, time_s: number(29, 38)?, shard };
        (number(10, 11)? == u64::from(shard & 15) && read.place <= END).then_some(read)
    }

    /// The offset of the record that has the number, or of the one that follows it.
    pub(super) fn offset(self, is_after: bool) -> u64 {
        if is_after { self.place } else { self.place.saturating_sub(1) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn one_of_aws_is_understood() {
        let text = "49590338271490256608559692538361571095921575989136588898";
        let read = Sequence::parse(text).unwrap();
        assert_eq!(read, Sequence { shard_s: 1_542_776_258, place: 1_734_642_199, time_s: 1_545_084_650, shard: 6 });
        assert_eq!(read.to_string(), text);
        assert_eq!(Sequence::parse("0"), None);
        assert_eq!(Sequence::parse("49590338271490256608559692538361571095921575989136588899"), None);
        assert_eq!(Sequence::parse(&"9".repeat(57)), None);
        assert_eq!(Sequence::parse(&"9".repeat(128)), None);
        assert_eq!(Sequence::parse("4959033827149025660855969253836157109592157598913658889x"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            shard_s in 0..1_u64 << 33, place in 0..=END, time_s in 0..1_u64 << 33, shard in 0..i32::MAX as u32
        ) {
            let sequence = Sequence { shard_s, place, time_s, shard };
            let text = sequence.to_string();
            prop_assert_eq!(text.len(), 56);
            prop_assert_eq!(Sequence::parse(&text), Some(sequence));
        }

        #[test]
        fn they_compare_as_they_are_read(
            one in (0..9_u64, 0..9_u64, 0..9_u64), other in (0..9_u64, 0..9_u64, 0..9_u64), shard in 0..40_u32
        ) {
            let of = |(shard_s, place, time_s)| Sequence { shard_s, place, time_s, shard };
            prop_assert!((of(one) < of(other)) == (of(one).to_string() < of(other).to_string()));
        }
    }
}
