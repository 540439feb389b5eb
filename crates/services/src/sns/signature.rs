//! The signatures of messages: one RSA key of this server's topics, made once, and a certificate for it that everybody can
//! read (AWS, "Verifying the signatures of Amazon SNS messages").

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair};
use rsa::PrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding as _, Signer as _};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Store, StoreError, Versioned};
use tokio::sync::OnceCell;
use uuid::Uuid;

const KEY: &str = "sns/signing-key";
/// As AWS's; a signature is made for each message.
const KEY_BITS: usize = 2_048;

/// How a topic's messages are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureVersion {
    /// With SHA-1.
    One,
    /// With SHA-256.
    Two,
}

impl SignatureVersion {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }
}

/// The key as it lies in the store.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    id: String,
    /// PKCS#8, in base64.
    key: String,
    certificate_pem: String,
}

/// A key with its certificate.
pub(super) struct Key {
    /// Part of the certificate's name.
    pub(super) id: String,
    pub(super) certificate_pem: String,
    with_sha1: SigningKey<Sha1>,
    with_sha256: SigningKey<Sha256>,
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    /// The signature of a text, in base64.
    pub(super) fn sign(&self, text: &str, version: SignatureVersion) -> String {
        let signature = match version {
            SignatureVersion::One => self.with_sha1.sign(text.as_bytes()).to_vec(),
            SignatureVersion::Two => self.with_sha256.sign(text.as_bytes()).to_vec(),
        };
        STANDARD.encode(signature)
    }

    /// Where its certificate lies on this server.
    pub(super) fn certificate_path(&self) -> String {
        format!("/SimpleNotificationService-{}.pem", self.id)
    }
}

/// The server's key, made when it is first needed.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    store: Store,
    key: Arc<OnceCell<Arc<Key>>>,
}

impl Keys {
    pub(super) fn new(store: Store) -> Self {
        Self { store, key: Arc::default() }
    }

    pub(super) async fn key(&self) -> Result<Arc<Key>, StoreError> {
        self.key.get_or_try_init(|| self.read_or_make()).await.cloned()
    }

    async fn read_or_make(&self) -> Result<Arc<Key>, StoreError> {
        loop {
            if let Some(kept) = self.store.metadata.get_json::<Kept>(KEY).await? {
                let Versioned { value, .. } = kept;
                return blocking(move || read(&value)).await.map(Arc::new);
            }
            let made = blocking(make).await?;
            let batch = Batch::default().put_json(KEY, Precondition::Absent, &made)?;
            match self.store.metadata.commit(batch).await {
                // Another server may have been first.
                Ok(_) | Err(StoreError::Conflict { .. } | StoreError::OutcomeUnknown { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    let failed = |source| StoreError::Storage { attempt: "make or read the key of topics".to_owned(), source };
    done.map_err(|error| failed(error.into()))?.map_err(failed)
}

fn make() -> Result<Kept, Box<dyn std::error::Error + Send + Sync>> {
    let key = PrivateKey::new(&mut SystemRandom, KEY_BITS)?.to_pkcs8_der()?;
    let pair = KeyPair::try_from(key.as_bytes())?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Tindra topics");
    Ok(Kept {
        id: Uuid::new_v4().simple().to_string(),
        key: STANDARD.encode(key.as_bytes()),
        certificate_pem: params.self_signed(&pair)?.pem(),
    })
}

fn read(kept: &Kept) -> Result<Key, Box<dyn std::error::Error + Send + Sync>> {
    let key = PrivateKey::from_pkcs8_der(&STANDARD.decode(&kept.key)?)?;
    Ok(Key {
        id: kept.id.clone(),
        certificate_pem: kept.certificate_pem.clone(),
        with_sha1: SigningKey::new(key.clone()),
        with_sha256: SigningKey::new(key),
    })
}

/// What is signed: names and values of some members, each on a line, in the order of the names.
pub(super) fn canonical(members: &[(&str, &str)]) -> String {
    members.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect()
}

/// The system's random numbers.
struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = rustix::io::Errno;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, mut bytes: &mut [u8]) -> Result<(), Self::Error> {
        while !bytes.is_empty() {
            let filled = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty())?;
            bytes = &mut bytes[filled..];
        }
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

#[cfg(test)]
mod tests {
    use rsa::pkcs1v15::{Signature, VerifyingKey};
    use rsa::signature::{Keypair as _, Verifier as _};

    use super::*;

    #[test]
    fn a_key_that_was_kept_signs_as_before_and_its_certificate_verifies() {
        let kept = make().unwrap();
        let (key, again) = (read(&kept).unwrap(), read(&kept).unwrap());
        let text = canonical(&[("Message", "hällo\n"), ("MessageId", "1")]);
        assert_eq!(text, "Message\nhällo\n\nMessageId\n1\n");
        for version in [SignatureVersion::One, SignatureVersion::Two] {
            assert_eq!(key.sign(&text, version), again.sign(&text, version));
        }
        let bytes = STANDARD.decode(key.sign(&text, SignatureVersion::Two)).unwrap();
        let signature = Signature::try_from(bytes.as_slice()).unwrap();
        let verifying: VerifyingKey<Sha256> = key.with_sha256.verifying_key();
        verifying.verify(text.as_bytes(), &signature).unwrap();
        assert!(verifying.verify(b"other", &signature).is_err());
        assert!(key.certificate_pem.starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
