//! What lies in a shard's journal: its records, and behind the last one of a closed shard a mark that lets nobody append.

use bytes::{BufMut as _, Bytes, BytesMut};
use tindra_core::clock::UnixMs;

const RECORD: u8 = 1;
const END: u8 = 2;
/// The kind, the time, and how long the partition key is.
const HEAD_BYTES: usize = 1 + 8 + 2;

/// A record before it is in a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) partition_key: String,
    pub(super) data: Bytes,
}

/// One entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Record { arrived_ms: UnixMs, given: Given },
    End { closed_ms: UnixMs },
}

impl Given {
    /// What counts against limits (AWS).
    pub(super) fn size(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }

    pub(super) fn to_bytes(&self, arrived_ms: UnixMs) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD_BYTES + self.size());
        bytes.put_u8(RECORD);
        bytes.put_u64(arrived_ms);
        // A key has at most 256 characters.
        bytes.put_u16(u16::try_from(self.partition_key.len()).unwrap_or(u16::MAX));
        bytes.put_slice(self.partition_key.as_bytes());
        bytes.put_slice(&self.data);
        bytes.freeze()
    }
}

/// The mark behind the last record.
pub(super) fn end(closed_ms: UnixMs) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEAD_BYTES);
    bytes.put_u8(END);
    bytes.put_u64(closed_ms);
    bytes.freeze()
}

impl Entry {
    /// Reads an entry; none for what was not written here.
    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        let (kind, time_ms) = (*bytes.first()?, u64::from_be_bytes(bytes.get(1..9)?.try_into().ok()?));
        match kind {
            END => Some(Self::End { closed_ms: time_ms }),
            RECORD => {
                let key_bytes = usize::from(u16::from_be_bytes(bytes.get(9..HEAD_BYTES)?.try_into().ok()?));
                let key = bytes.get(HEAD_BYTES..HEAD_BYTES + key_bytes)?;
                let partition_key = String::from_utf8(key.to_vec()).ok()?;
                let given = Given { partition_key, data: bytes.slice(HEAD_BYTES + key_bytes..) };
                Some(Self::Record { arrived_ms: time_ms, given })
            }
            _ => None,
        }
    }

    /// When it was written.
    pub(super) fn time_ms(&self) -> UnixMs {
        match self {
            Self::Record { arrived_ms: time_ms, .. } | Self::End { closed_ms: time_ms } => *time_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            partition_key in ".{1,256}", data in proptest::collection::vec(any::<u8>(), 0..99), arrived_ms in any::<u64>()
        ) {
            let given = Given { partition_key, data: data.into() };
            prop_assert_eq!(Entry::read(&given.to_bytes(arrived_ms)), Some(Entry::Record { arrived_ms, given }));
            prop_assert_eq!(Entry::read(&end(arrived_ms)), Some(Entry::End { closed_ms: arrived_ms }));
        }

        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            drop(Entry::read(&bytes.into()));
        }
    }
}
