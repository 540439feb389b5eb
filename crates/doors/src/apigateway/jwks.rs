//! The keys of an issuer: found through its discovery document, fetched when they are needed, and remembered.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, header};
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use tindra_core::clock::Clock;
use tindra_outside::anywhere::{Bounds, Reach, fetch};
use tokio::sync::Mutex;

/// For a document of an issuer, with everything before it (AWS).
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// The largest document (AWS).
const BYTES_MAX: usize = 150_000;
/// How long keys are remembered (AWS).
const KEPT: Duration = Duration::from_secs(2 * 60 * 60);
/// How often an unknown key, or a failure, makes us ask again at most.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The keys of one issuer.
#[derive(Debug, Default)]
pub(super) struct IssuerKeys {
    fetched: RwLock<Option<Arc<Fetched>>>,
    /// Held by who fetches; the others wait for what it finds.
    fetching: Mutex<()>,
}

/// What an issuer has told, and how asking it went last. Times are monotonic.
#[derive(Debug)]
struct Fetched {
    keys: HashMap<String, Key>,
    keys_at: Duration,
    asked_at: Duration,
    /// Why the last attempt failed; the keys are then those from before.
    failure: Option<String>,
}

/// A public key that signatures are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
}

impl IssuerKeys {
    /// The key of this id; none when the issuer has no such key.
    ///
    /// # Errors
    /// Why the issuer's keys cannot be had.
    pub(super) async fn get(
        &self,
        issuer: &str,
        id: &str,
        clock: &dyn Clock,
        reach: &dyn Reach,
    ) -> Result<Option<Key>, String> {
        if let Some(known) = self.known(id, clock.monotonic()) {
            return known;
        }
        let _fetching = self.fetching.lock().await;
        // Somebody else may have fetched meanwhile.
        if let Some(known) = self.known(id, clock.monotonic()) {
            return known;
        }
        let found = fetch_keys(issuer, reach).await;
        let now = clock.monotonic();
        let mut fetched = self.fetched.write().unwrap_or_else(PoisonError::into_inner);
        let next = match found {
            Ok(keys) => Fetched { keys, keys_at: now, asked_at: now, failure: None },
            Err(why) => {
                tracing::warn!(issuer, why, "the keys of the issuer of a JWT authorizer could not be fetched");
                let before = fetched.as_ref().map(|before| (before.keys.clone(), before.keys_at));
                let (keys, keys_at) = before.unwrap_or_default();
                Fetched { keys, keys_at, asked_at: now, failure: Some(why) }
            }
        };
        let answer = next.about(id, now);
        *fetched = Some(Arc::new(next));
        answer.unwrap_or(Ok(None))
    }

    /// What is known of a key; none when the issuer is to be asked.
    fn known(&self, id: &str, now: Duration) -> Option<Result<Option<Key>, String>> {
        self.fetched.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.about(id, now)
    }
}

impl Fetched {
    fn about(&self, id: &str, now: Duration) -> Option<Result<Option<Key>, String>> {
        if let Some(key) = self.keys.get(id).filter(|_| now.saturating_sub(self.keys_at) < KEPT) {
            return Some(Ok(Some(key.clone())));
        }
        let was_asked_lately = now.saturating_sub(self.asked_at) < ASKED_AGAIN_AFTER;
        was_asked_lately.then(|| self.failure.clone().map_or(Ok(None), Err))
    }
}

/// The document behind a URL.
async fn read_url(url: &str, reach: &dyn Reach) -> Result<Bytes, String> {
    let request = Request::get(url).header(header::ACCEPT, "application/json").body(Bytes::new());
    let bounds = Bounds { timeout: TIMEOUT, bytes_max: BYTES_MAX };
    let answer = fetch(request.map_err(|error| format!("it is no URL: {error}"))?, bounds, reach).await?;
    match answer.status().is_success() {
        true => Ok(answer.into_body()),
        false => Err(format!("it answered {}", answer.status())),
    }
}

async fn fetch_keys(issuer: &str, reach: &dyn Reach) -> Result<HashMap<String, Key>, String> {
    #[derive(Deserialize)]
    struct Discovery {
        jwks_uri: String,
    }
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = read_url(&url, reach).await.map_err(|why| format!("{url}: {why}"))?;
    let discovery: Discovery = serde_json::from_slice(&document).map_err(|error| format!("{url}: {error}"))?;
    let url = discovery.jwks_uri;
    let document = read_url(&url, reach).await.map_err(|why| format!("{url}: {why}"))?;
    read_keys(&document).map_err(|error| format!("{url}: {error}"))
}

/// Reads a key set (RFC 7517). Keys that are not for signatures, or of a kind that is not known, are left out.
fn read_keys(document: &[u8]) -> Result<HashMap<String, Key>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Jwk>,
    }
    let set: Set = serde_json::from_slice(document)?;
    let usable = set.keys.into_iter().filter(|key| key.usage.as_deref().is_none_or(|usage| usage == "sig"));
    Ok(usable.filter_map(|key| Some((key.kid.clone()?, key.read()?))).collect())
}

#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn read(&self) -> Option<Key> {
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some(Key::Rsa { modulus: bytes(&self.n)?, exponent: bytes(&self.e)? }),
            ("EC", Some(curve)) => {
                let point: Vec<u8> = [vec![4], bytes(&self.x)?, bytes(&self.y)?].concat();
                match curve {
                    "P-256" => Some(Key::P256(point)),
                    "P-384" => Some(Key::P384(point)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl Key {
    /// Whether a signature over a message is by this key, with an algorithm that is for its kind.
    pub(super) fn verifies(&self, algorithm: &str, message: &[u8], signed: &[u8]) -> bool {
        match self {
            Self::Rsa { modulus, exponent } => {
                let Some(parameters) = rsa(algorithm) else { return false };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signed).is_ok()
            }
            Self::P256(point) if algorithm == "ES256" => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signed).is_ok()
            }
            Self::P384(point) if algorithm == "ES384" => {
                UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point).verify(message, signed).is_ok()
            }
            Self::P256(_) | Self::P384(_) => false,
        }
    }
}

fn rsa(algorithm: &str) -> Option<&'static RsaParameters> {
    match algorithm {
        "RS256" => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => Some(&signature::RSA_PSS_2048_8192_SHA256),
        "PS384" => Some(&signature::RSA_PSS_2048_8192_SHA384),
        "PS512" => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}
