//! Tokens that are signed here, and what is wrong with others.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;

const NOW_S: u64 = 1_767_225_600;
const ISSUER: &str = "https://issuer.example";

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        Self(pair.unwrap())
    }

    fn key(&self) -> Key {
        Key::P256(self.0.public_key().as_ref().to_vec())
    }

    fn token(&self, algorithm: &str, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": algorithm, "kid": "one" })), part(claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn good() -> Value {
    json!({ "iss": ISSUER, "aud": "shop", "exp": NOW_S + 60, "nbf": NOW_S, "iat": NOW_S })
}

fn verify(signer: &Signer, key: &Key, algorithm: &str, claims: &Value) -> Result<(), &'static str> {
    let wanted = Wanted { issuer: ISSUER, audience: &["shop".to_owned(), "more".to_owned()], now_s: NOW_S };
    let text = signer.token(algorithm, claims);
    Token::read(&text)?.verify(key, wanted).map(|_| ())
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

#[test]
fn a_token_is_good_or_it_is_said_what_is_wrong() {
    let signer = Signer::new();
    let key = signer.key();
    for claims in [good(), with("aud", json!(["x", "more"]))] {
        assert_eq!(verify(&signer, &key, "ES256", &claims), Ok(()), "{claims}");
    }
    for (claims, why) in [
        (with("iss", json!("https://issuer.example/")), "valid issuer"),
        (with("iss", json!(7)), "valid issuer"),
        (with("aud", json!("x")), "valid audience"),
        (with("aud", json!({ "shop": 1 })), "valid audience"),
        (with("exp", json!(NOW_S)), "expired"),
        (with("exp", json!("soon")), "expiry"),
        (with("nbf", json!(NOW_S + 1)), "not valid yet"),
        (with("iat", json!(NOW_S + 1)), "future"),
    ] {
        assert!(verify(&signer, &key, "ES256", &claims).unwrap_err().contains(why), "{claims}");
    }
    let other = Signer::new().key();
    for (key, algorithm) in [(&other, "ES256"), (&key, "none"), (&key, "HS256"), (&key, "ES384"), (&key, "RS256")] {
        assert_eq!(verify(&signer, key, algorithm, &good()), Err("the token has an invalid signature"), "{algorithm}");
    }
}

#[test]
fn the_scheme_before_a_token_does_not_count() {
    let token = Signer::new().token("ES256", &good());
    for text in [token.clone(), format!("Bearer {token}"), format!("bearer  {token} ")] {
        assert_eq!(Token::read(&text).unwrap().key_id, "one");
    }
    for wrong in ["", ".", "..", "a.b", "Basic a.b.c", "Bearer", &token[1..], "e30.e30.e30"] {
        assert!(Token::read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn claims_are_shown_as_texts() {
    let claims = json!({ "a": "x", "b": ["y", 1], "c": 2, "d": true, "e": { "f": 1 }, "scope": "p q" });
    let Value::Object(claims) = claims else { panic!("an object") };
    assert_eq!(scopes(&claims), ["p", "q"]);
    let told = json!({ "a": "x", "b": "[y 1]", "c": "2", "d": "true", "e": "{\"f\":1}", "scope": "p q" });
    assert_eq!(Value::Object(shown(claims)), told);
    let Value::Object(claims) = json!({ "scp": ["p q", "r"] }) else { panic!("an object") };
    assert_eq!(scopes(&claims), ["p", "q", "r"]);
}
