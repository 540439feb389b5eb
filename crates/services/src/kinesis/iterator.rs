//! Shard iterators: where somebody goes on reading. Nothing is kept of them; a key of the server's own, which lies in the
//! store, tells those that it gave out from others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tindra_core::clock::UnixMs;
use tindra_model::ApiError;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned};
use uuid::Uuid;

use super::error::invalid;

/// An iterator is good for so long (AWS).
const LIFE_MS: u64 = 300_000;
const KEY_RECORD: &str = "kinesis/iterators";
const SEAL_BYTES: usize = 32;
/// The stream's id, shard, offset and time, before the name.
const HEAD_BYTES: usize = 16 + 4 + 8 + 8;

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) stream: Uuid,
    /// The name of the stream; it may be another stream's now.
    pub(super) name: String,
    pub(super) shard: u32,
    /// Of the next record.
    pub(super) offset: u64,
}

/// Makes iterators and reads them.
#[derive(Clone, Copy)]
pub(super) struct Seals {
    key: [u8; 32],
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Seals")
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct KeyRecord {
    key: Uuid,
    more: Uuid,
}

impl Seals {
    /// With the key in the store, which is made when there is none.
    pub(super) async fn load(store: &Store) -> Result<Self, StoreError> {
        loop {
            let kept: Option<Versioned<KeyRecord>> = store.metadata.get_json(KEY_RECORD).await?;
            if let Some(Versioned { value: KeyRecord { key, more }, .. }) = kept {
                let mut both = [0; 32];
                both[..16].copy_from_slice(key.as_bytes());
                both[16..].copy_from_slice(more.as_bytes());
                return Ok(Self { key: both });
            }
            let made = KeyRecord { key: Uuid::new_v4(), more: Uuid::new_v4() };
            let batch = Batch::default().put_json(KEY_RECORD, Precondition::Absent, &made)?;
            match store.metadata.commit(batch).await {
                // Another server has made one.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn make(&self, place: &Place, now_ms: UnixMs) -> String {
        let mut bytes = Vec::with_capacity(SEAL_BYTES + HEAD_BYTES + place.name.len());
        bytes.extend_from_slice(place.stream.as_bytes());
        bytes.extend_from_slice(&place.shard.to_be_bytes());
        bytes.extend_from_slice(&place.offset.to_be_bytes());
        bytes.extend_from_slice(&now_ms.to_be_bytes());
        bytes.extend_from_slice(place.name.as_bytes());
        let seal = self.mac(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&seal);
        STANDARD.encode(bytes)
    }

    /// The place of an iterator.
    ///
    /// # Errors
    /// `InvalidArgumentException` for one that was not given out here, `ExpiredIteratorException` for one that is too old.
    pub(super) fn read(&self, iterator: &str, now_ms: UnixMs) -> Result<Place, ApiError> {
        let refused = || invalid("Invalid ShardIterator.");
        let bytes = STANDARD.decode(iterator).map_err(|_| refused())?;
        let (told, seal) = bytes.split_last_chunk::<SEAL_BYTES>().ok_or_else(refused)?;
        self.mac(told).verify_slice(seal).map_err(|_| refused())?;
        let (place, made_ms) = taken_apart(told).ok_or_else(refused)?;
        match now_ms.saturating_sub(made_ms) > LIFE_MS {
            true => Err(expired(made_ms, now_ms)),
            false => Ok(place),
        }
    }

    fn mac(&self, told: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.chain_update(told)
    }
}

fn taken_apart(told: &[u8]) -> Option<(Place, UnixMs)> {
    let (stream, rest) = told.split_first_chunk::<16>()?;
    let (shard, rest) = rest.split_first_chunk::<4>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (made_ms, name) = rest.split_first_chunk::<8>()?;
    let place = Place {
        stream: Uuid::from_bytes(*stream),
        name: String::from_utf8(name.to_vec()).ok()?,
        shard: u32::from_be_bytes(*shard),
        offset: u64::from_be_bytes(*offset),
    };
    Some((place, u64::from_be_bytes(*made_ms)))
}

/// The stream that an iterator says that it is of, before anybody knows whether it is a true one.
#[must_use]
pub fn stream_of_iterator(iterator: &str) -> Option<String> {
    let bytes = STANDARD.decode(iterator).ok()?;
    let (told, _) = bytes.split_last_chunk::<SEAL_BYTES>()?;
    taken_apart(told).map(|(place, _)| place.name).filter(|name| !name.is_empty())
}

fn expired(made_ms: UnixMs, now_ms: UnixMs) -> ApiError {
    let shown = |unix_ms: UnixMs| {
        let time = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
        time.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()
    };
    let message = format!(
        "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future than the tolerated delay of {LIFE_MS} milliseconds.",
        shown(made_ms),
        shown(now_ms)
    );
    ApiError::new("ExpiredIteratorException", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    const NOW_MS: UnixMs = 1_700_000_000_000;

    fn seals() -> Seals {
        Seals { key: [7; 32] }
    }

    #[test]
    fn one_that_is_too_old_says_so() {
        let place = Place { stream: Uuid::nil(), name: "s".to_owned(), shard: 0, offset: 0 };
        let iterator = seals().make(&place, NOW_MS);
        assert!(seals().read(&iterator, NOW_MS + LIFE_MS).is_ok());
        let error = seals().read(&iterator, NOW_MS + LIFE_MS + 1).unwrap_err();
        assert_eq!(error.code(), "ExpiredIteratorException");
        assert!(error.message().contains("created at time Tue Nov 14 22:13:20 UTC 2023 while"), "{error}");
        assert!(Seals { key: [8; 32] }.read(&iterator, NOW_MS).is_err());
        assert_eq!(stream_of_iterator(&iterator).as_deref(), Some("s"));
    }

    proptest! {
        #[test]
        fn those_given_out_are_read_and_others_are_not(
            name in "[a-zA-Z0-9_.-]{1,128}", shard in any::<u32>(), offset in any::<u64>(), at in any::<usize>(), bit in 0..8_u8
        ) {
            let place = Place { stream: Uuid::new_v4(), name, shard, offset };
            let iterator = seals().make(&place, NOW_MS);
            prop_assert!(iterator.len() <= 512);
            prop_assert_eq!(seals().read(&iterator, NOW_MS).unwrap(), place);
            let mut bytes = STANDARD.decode(&iterator).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(seals().read(&STANDARD.encode(bytes), NOW_MS).unwrap_err().code(), "InvalidArgumentException");
        }

        #[test]
        fn any_text_is_refused(text in ".{0,200}") {
            prop_assert!(seals().read(&text, NOW_MS).is_err());
            drop(stream_of_iterator(&text));
        }
    }
}
