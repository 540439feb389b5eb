//! A network in CIDR notation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses, for example `10.0.0.0/8`. Bits beyond the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix_bits: u8,
}

/// Text that is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a network such as 10.0.0.0/8")]
pub struct CidrError(String);

impl Cidr {
    /// The block of `prefix_bits` around an address; `None` when the address has fewer bits.
    #[must_use]
    pub fn new(address: IpAddr, prefix_bits: u8) -> Option<Self> {
        (prefix_bits <= width(address)).then(|| Self { address: masked(address, prefix_bits), prefix_bits })
    }

    /// The block of `prefix_bits` around an IPv4 address, for tables; more than 32 bits count as 32.
    #[must_use]
    pub(crate) fn v4(octets: [u8; 4], prefix_bits: u8) -> Self {
        let (address, prefix_bits) = (IpAddr::from(octets), prefix_bits.min(32));
        Self { address: masked(address, prefix_bits), prefix_bits }
    }

    /// The block of `prefix_bits` around an IPv6 address, for tables; more than 128 bits count as 128.
    #[must_use]
    pub(crate) fn v6(segments: [u16; 8], prefix_bits: u8) -> Self {
        let (address, prefix_bits) = (IpAddr::from(segments), prefix_bits.min(128));
        Self { address: masked(address, prefix_bits), prefix_bits }
    }

    /// True when the address lies in the block. Addresses of the other family never do.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix_bits) == self.address
    }

    /// True when every address of the other block lies in this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix_bits <= other.prefix_bits && self.contains(other.address)
    }

    /// Address and prefix of an IPv4 block.
    #[must_use]
    pub fn as_v4(&self) -> Option<(Ipv4Addr, u8)> {
        match self.address {
            IpAddr::V4(address) => Some((address, self.prefix_bits)),
            IpAddr::V6(_) => None,
        }
    }

    /// True when the block is this one address.
    #[must_use]
    pub fn is_exactly(&self, address: IpAddr) -> bool {
        self.prefix_bits == width(address) && self.address == address
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// Reads `ADDRESS/BITS`, or `ADDRESS` for that one address.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let error = || CidrError(text.to_owned());
        let (address, prefix_bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| error())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        Self::new(address, prefix_bits.unwrap_or_else(|| width(address))).ok_or_else(error)
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix_bits)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with everything beyond the prefix cleared.
fn masked(address: IpAddr, prefix_bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix_bits.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix_bits.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_contain_their_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("fe80::/10", "febf::1", "fec0::"),
            ("::1/128", "::1", "127.0.0.1"),
            ("10.1.2.3/8", "10.0.0.1", "9.255.255.255"),
        ] {
            let block: Cidr = network.parse().unwrap();
            assert!(block.contains(inside.parse().unwrap()), "{inside} in {network}");
            assert!(!block.contains(outside.parse().unwrap()), "{outside} not in {network}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "/8", "localhost"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn membership_is_agreement_on_the_leading_bits(a: u32, b: u32, bits in 0_u8..=32) {
            let block = Cidr::new(IpAddr::V4(a.into()), bits).unwrap();
            let agree = bits == 0 || (a ^ b).leading_zeros() >= u32::from(bits);
            prop_assert_eq!(block.contains(IpAddr::V4(b.into())), agree);
        }

        #[test]
        fn text_round_trips(address: u128, bits in 0_u8..=128) {
            let block = Cidr::new(IpAddr::V6(address.into()), bits).unwrap();
            prop_assert_eq!(block.to_string().parse::<Cidr>().unwrap(), block);
        }
    }
}
