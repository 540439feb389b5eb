//! Checksums: what is computed of bytes as they come, and how those of parts become one of the object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{self, Checksum as _, Md5};
use s3s::dto::{ChecksumAlgorithm, ChecksumType};
use serde::{Deserialize, Serialize};

use crate::record::{Part, Sum};

/// Which checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    /// What AWS computes when nothing else is asked for.
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// As headers and XML name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub(crate) fn dto(self) -> ChecksumAlgorithm {
        ChecksumAlgorithm::from_static(self.name())
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// For example `x-amz-checksum-crc32`.
    pub(crate) fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    /// Whether checksums of parts can be combined into one of the whole.
    pub(crate) fn combines(self) -> bool {
        self.crc().is_some()
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn hasher(self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        match self {
            Self::Crc32 => hasher.crc32 = Some(crypto::Crc32::new()),
            Self::Crc32c => hasher.crc32c = Some(crypto::Crc32c::new()),
            Self::Crc64Nvme => hasher.crc64nvme = Some(crypto::Crc64Nvme::new()),
            Self::Sha1 => hasher.sha1 = Some(crypto::Sha1::new()),
            Self::Sha256 => hasher.sha256 = Some(crypto::Sha256::new()),
        }
        hasher
    }

    /// Bytes of the value before base64.
    fn bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Whether a text can be a value of it.
    pub(crate) fn is_value(self, text: &str) -> bool {
        STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == self.bytes())
    }
}

/// Fills in the one of the five members for checksums that a shape of the wire has.
macro_rules! tell_sum {
    ($target:expr, $sum:expr) => {{
        let sum: &$crate::record::Sum = $sum;
        let slot = match sum.algorithm {
            $crate::checksums::Algorithm::Crc32 => &mut $target.checksum_crc32,
            $crate::checksums::Algorithm::Crc32c => &mut $target.checksum_crc32c,
            $crate::checksums::Algorithm::Crc64Nvme => &mut $target.checksum_crc64nvme,
            $crate::checksums::Algorithm::Sha1 => &mut $target.checksum_sha1,
            $crate::checksums::Algorithm::Sha256 => &mut $target.checksum_sha256,
        };
        *slot = Some(sum.value.clone());
    }};
}
/// The five members for checksums that a shape of the wire has, in the order of [`Algorithm::ALL`].
macro_rules! take_sums {
    ($source:expr) => {
        [
            $source.checksum_crc32.take(),
            $source.checksum_crc32c.take(),
            $source.checksum_crc64nvme.take(),
            $source.checksum_sha1.take(),
            $source.checksum_sha256.take(),
        ]
    };
}
pub(crate) use {take_sums, tell_sum};

/// How AWS calls the two kinds of checksums of objects in parts.
pub(crate) fn kind(is_composite: bool) -> ChecksumType {
    ChecksumType::from_static(if is_composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
}

/// Computes an MD5 and one checksum of bytes as they come.
pub(crate) struct Digest {
    md5: Md5,
    algorithm: Algorithm,
    hasher: ChecksumHasher,
}

/// What was computed.
#[derive(Clone, Debug)]
pub(crate) struct Digested {
    pub(crate) md5: [u8; 16],
    pub(crate) sum: Sum,
}

impl Digest {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self { md5: Md5::new(), algorithm, hasher: algorithm.hasher() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.hasher.update(bytes);
    }

    pub(crate) fn finish(self) -> Digested {
        let sums = self.hasher.finalize();
        let values = [
            sums.checksum_crc32,
            sums.checksum_crc32c,
            sums.checksum_crc64nvme,
            sums.checksum_sha1,
            sums.checksum_sha256,
        ];
        let value = values.into_iter().flatten().next().unwrap_or_default();
        Digested { md5: self.md5.finalize(), sum: Sum { algorithm: self.algorithm, value, is_composite: false } }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
        text
    })
}

/// The ETag of an object in parts: the MD5 of the MD5s of its parts, with their number.
pub(crate) fn etag_of_parts(parts: &[Part]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        let bytes = part.md5.as_bytes().chunks(2);
        let bytes = bytes.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        md5.update(&bytes.collect::<Vec<u8>>());
    }
    format!("{}-{}", hex(&md5.finalize()), parts.len())
}

/// The checksum of an object in parts.
pub(crate) fn sum_of_parts(algorithm: Algorithm, is_composite: bool, parts: &[Part]) -> Option<Sum> {
    let decoded = parts.iter().map(|part| STANDARD.decode(&part.sum.value).ok()).collect::<Option<Vec<_>>>()?;
    if is_composite {
        let mut digest = Digest::new(algorithm);
        decoded.iter().for_each(|sum| digest.update(sum));
        let value = format!("{}-{}", digest.finish().sum.value, parts.len());
        return Some(Sum { algorithm, value, is_composite });
    }
    let crc = algorithm.crc()?;
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mut combined = decoded.iter().zip(parts).map(|(sum, part)| (number(sum), part.size));
    let (first, _) = combined.next()?;
    let whole = combined.fold(first, |whole, (sum, size)| crc_fast::checksum_combine(crc, whole, sum, size));
    let bytes = whole.to_be_bytes();
    let value = STANDARD.encode(&bytes[bytes.len() - algorithm.bytes()..]);
    Some(Sum { algorithm, value, is_composite })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(algorithm: Algorithm, bytes: &[u8]) -> Part {
        let mut digest = Digest::new(algorithm);
        digest.update(bytes);
        let Digested { md5, sum } = digest.finish();
        Part { number: 1, file: None, size: bytes.len() as u64, md5: hex(&md5), sum, modified_ms: 0 }
    }

    #[test]
    fn checksums_of_parts_combine_into_the_one_of_the_whole() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts = [part(algorithm, b"some "), part(algorithm, b"bytes and "), part(algorithm, b"more")];
            let whole = part(algorithm, b"some bytes and more").sum;
            assert_eq!(sum_of_parts(algorithm, false, &parts), Some(whole), "{algorithm:?}");
        }
        assert_eq!(sum_of_parts(Algorithm::Sha1, false, &[part(Algorithm::Sha1, b"x")]), None);
    }

    #[test]
    fn the_etag_of_parts_tells_how_many() {
        let parts = [part(Algorithm::Crc32, b"a"), part(Algorithm::Crc32, b"b")];
        // md5(md5("a") + md5("b")).
        assert_eq!(etag_of_parts(&parts), "96e024ba2074fe77e8e965ba43a704be-2");
        assert!(sum_of_parts(Algorithm::Sha256, true, &parts).is_some_and(|sum| sum.value.ends_with("-2")));
    }
}
