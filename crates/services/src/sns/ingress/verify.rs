//! Whether a message from elsewhere is signed by who it says (AWS, "Verifying the signatures of Amazon SNS messages").

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use rsa::PublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::sha2::Sha256;
use rsa::signature::Verifier as _;
use sha1::Sha1;
use tindra_outside::anywhere::{Bounds, fetch};
use x509_parser::pem::parse_x509_pem;

use super::super::SnsService;
use super::super::signature::canonical;
use super::{Arrived, Ingress, IngressError};

const FETCH: Bounds = Bounds { timeout: Duration::from_secs(10), bytes_max: 64 << 10 };
/// Certificates kept; an SNS has one or two.
const KEPT_MAX: usize = 64;

/// The keys of certificates, by where they were found.
#[derive(Debug, Default)]
pub(in super::super) struct Certificates(Mutex<HashMap<String, Arc<PublicKey>>>);

impl SnsService {
    pub(super) async fn verify(&self, ingress: &Ingress, arrived: &Arrived) -> Result<(), IngressError> {
        let url = &arrived.signing_cert_url;
        if !ingress.trusts(url) {
            return Err(IngressError::Refused(format!("its SigningCertURL {url} is not at a host that is trusted")));
        }
        let key = self.public_key(url).await?;
        let refused = || IngressError::Refused("its signature is wrong".to_owned());
        let signature = STANDARD.decode(&arrived.signature).map_err(|_| refused())?;
        let signature = Signature::try_from(signature.as_slice()).map_err(|_| refused())?;
        let text = signed_text(arrived);
        let verified = match arrived.signature_version.as_str() {
            "1" => VerifyingKey::<Sha1>::new(key.as_ref().clone()).verify(text.as_bytes(), &signature),
            "2" => VerifyingKey::<Sha256>::new(key.as_ref().clone()).verify(text.as_bytes(), &signature),
            other => return Err(IngressError::Refused(format!("its SignatureVersion is {other}"))),
        };
        verified.map_err(|_| refused())
    }

    async fn public_key(&self, url: &str) -> Result<Arc<PublicKey>, IngressError> {
        let known = &self.shared.certificates.0;
        if let Some(key) = known.lock().unwrap_or_else(PoisonError::into_inner).get(url) {
            return Ok(Arc::clone(key));
        }
        let request = Request::get(url).body(Bytes::new());
        let request = request.map_err(|error| IngressError::Malformed(error.to_string()))?;
        let answer = fetch(request, FETCH, self.around().reach.as_ref()).await;
        let answer = answer.map_err(|problem| IngressError::Busy(format!("{url}: {problem}")))?;
        if !answer.status().is_success() {
            return Err(IngressError::Busy(format!("{url} answered {}", answer.status())));
        }
        let key = read(answer.body())
            .ok_or_else(|| IngressError::Refused(format!("at {url} is no certificate with a key of RSA")))?;
        let key = Arc::new(key);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(url.to_owned(), Arc::clone(&key));
        Ok(key)
    }
}

fn read(pem: &[u8]) -> Option<PublicKey> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let certificate = pem.parse_x509().ok()?;
    PublicKey::from_public_key_der(certificate.public_key().raw).ok()
}

fn signed_text(arrived: &Arrived) -> String {
    let mut members = vec![("Message", arrived.message.as_str()), ("MessageId", &arrived.message_id)];
    if arrived.r#type == "Notification" {
        members.extend(arrived.subject.as_deref().map(|subject| ("Subject", subject)));
    } else {
        members.push(("SubscribeURL", arrived.subscribe_url.as_deref().unwrap_or_default()));
    }
    members.push(("Timestamp", &arrived.timestamp));
    if arrived.r#type != "Notification" {
        members.push(("Token", arrived.token.as_deref().unwrap_or_default()));
    }
    members.extend([("TopicArn", arrived.topic_arn.as_str()), ("Type", &arrived.r#type)]);
    canonical(&members)
}
