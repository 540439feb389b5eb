//! Links to code packages (`Code.Location`): anybody who has one may download for ten minutes.
//!
//! A link carries the package's name, when it ends, and a keyed hash of both. The key is made once and lies in
//! the store, so that links outlive a restart and hold on every server of the store.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tindra_core::clock::UnixMs;
use tindra_store::{Batch, Precondition, Store, StoreError};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// The record of the key.
pub(crate) const KEY_RECORD: &str = "control/link-key";
/// How long a link holds (AWS).
const LIFETIME_MS: UnixMs = 10 * 60 * 1_000;

/// Makes links and checks them.
#[derive(Debug, Default)]
pub(crate) struct Links {
    key: OnceCell<Vec<u8>>,
}

impl Links {
    /// The token of a link to a package: a part of a path.
    pub(crate) async fn token(&self, store: &Store, sha256: &str, now_ms: UnixMs) -> Result<String, StoreError> {
        let key = self.key(store).await?;
        let claim = format!("{sha256}.{}", now_ms + LIFETIME_MS);
        let proof: String = mac(key, &claim).finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{claim}.{proof}"))
    }

    /// The package that a token leads to, unless it is forged or too old.
    pub(crate) async fn check(&self, store: &Store, token: &str, now_ms: UnixMs) -> Option<String> {
        let key = self.key(store).await.ok()?;
        let (claim, proof) = token.rsplit_once('.')?;
        let (sha256, ends_ms) = claim.split_once('.')?;
        // In constant time.
        mac(key, claim).verify_slice(&from_hex(proof)?).ok()?;
        (now_ms < ends_ms.parse().ok()?).then(|| sha256.to_owned())
    }

    async fn key(&self, store: &Store) -> Result<&Vec<u8>, StoreError> {
        self.key.get_or_try_init(|| load_or_make(store)).await
    }
}

async fn load_or_make(store: &Store) -> Result<Vec<u8>, StoreError> {
    loop {
        if let Some(record) = store.metadata.get(KEY_RECORD).await? {
            return Ok(record.value.to_vec());
        }
        // Two random ids have 244 random bits.
        let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        match store.metadata.commit(Batch::default().put(KEY_RECORD, Precondition::Absent, key)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

fn mac(key: &[u8], claim: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(claim.as_bytes());
    mac
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let byte = |at: usize| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..text.len()).step_by(2).map(byte).collect()
}
