//! The keys of one environment: random, its own, gone with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tindra_invoke::environments::Target;
use uuid::Uuid;

use crate::network::EnvironmentIdentity;

/// Letters of access key ids (RFC 4648 base32).
const KEY_ID_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// An identity as the execution role of a function.
pub(super) fn identity(target: &Target) -> EnvironmentIdentity {
    EnvironmentIdentity {
        scope: target.scope.clone(),
        function_name: target.name.clone(),
        role_arn: target.deployment.configuration.role.clone(),
        access_key_id: access_key_id(),
        secret_access_key: STANDARD.encode(&random::<2>()[..30]),
        session_token: STANDARD.encode(random::<6>()),
    }
}

/// `ASIA` and sixteen letters, the form of AWS's temporary keys.
fn access_key_id() -> String {
    let letters = random::<1>().into_iter().map(|byte| char::from(KEY_ID_LETTERS[usize::from(byte % 32)]));
    std::iter::once("ASIA".to_owned()).chain(letters.map(String::from)).collect()
}

/// From the kernel's generator; six bits of each sixteen bytes are fixed.
fn random<const UUIDS: usize>() -> Vec<u8> {
    (0..UUIDS).flat_map(|_| Uuid::new_v4().into_bytes()).collect()
}
