//! Signatures made by botocore, and our own made and verified again.

use http::HeaderMap;
use proptest::prelude::*;

use super::*;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2026-01-02T03:04:05Z.
const NOW_MS: u64 = 1_767_323_045_000;
const SCOPE: &str = "Credential=AKIDEXAMPLE/20260102/us-east-1/lambda/aws4_request";

struct Vector {
    method: &'static str,
    path: &'static str,
    query: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    signed: &'static str,
    signature: &'static str,
}

const VECTORS: [Vector; 2] = [
    Vector {
        method: "GET",
        path: "/2015-03-31/functions",
        query: "MaxItems=5&Marker=a%2Bb",
        headers: &[],
        body: "",
        signed: "host;x-amz-date",
        signature: "5828dd635bf4275124a2a18e5095bdc39dad0a592995f52f7182739e652cdacc",
    },
    Vector {
        method: "POST",
        path: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/invocations",
        query: "Qualifier=%24LATEST",
        headers: &[("content-type", "application/json"), ("x-amz-security-token", "TOKEN")],
        body: r#"{"a": 1}"#,
        signed: "content-type;host;x-amz-date;x-amz-security-token",
        signature: "003509ce33d7950ef8b5fc2ddae2e7bdac1d6711089562269009e9deaa8700f6",
    },
];

fn headers(vector: &Vector) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("host", "localhost:4566".parse().unwrap());
    for (name, value) in vector.headers {
        headers.insert(*name, value.parse().unwrap());
    }
    headers
}

fn request<'a>(vector: &'a Vector, headers: &'a HeaderMap) -> Signed<'a> {
    Signed { method: vector.method, path: vector.path, query: vector.query, headers, body: vector.body.as_bytes() }
}

#[test]
fn botocores_signatures_verify_and_are_the_ones_we_make() {
    for vector in &VECTORS {
        let mut with = headers(vector);
        let authorization =
            format!("{ALGORITHM} {SCOPE}, SignedHeaders={}, Signature={}", vector.signed, vector.signature);
        with.insert("authorization", authorization.parse().unwrap());
        with.insert("x-amz-date", "20260102T030405Z".parse().unwrap());
        let presented = Presented::read(&request(vector, &with)).unwrap().unwrap();
        assert_eq!((presented.access_key_id.as_str(), presented.region.as_str()), (KEY, "us-east-1"));
        presented.verify(&request(vector, &with), SECRET, NOW_MS + 1000).unwrap();

        let bare = headers(vector);
        let mut unsigned = bare.clone();
        let token = unsigned.remove("x-amz-security-token").map(|token| token.to_str().unwrap().to_owned());
        let credentials =
            Credentials { access_key_id: KEY.into(), secret_access_key: SECRET.into(), session_token: token };
        let added = sign(&request(vector, &unsigned), &credentials, "us-east-1", "lambda", NOW_MS);
        assert_eq!(added.iter().find(|(name, _)| *name == "authorization").unwrap().1, authorization);
    }
}

#[test]
fn a_presigned_url_verifies_until_it_expires() {
    let headers = headers(&VECTORS[0]);
    let query = "Qualifier=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=61bf3a11481b345d6985630671bc6a4319789b9f1782ed51bae1b9b8f6172b6b";
    let request = Signed { method: "GET", path: "/2015-03-31/functions/f", query, headers: &headers, body: b"" };
    let presented = Presented::read(&request).unwrap().unwrap();
    presented.verify(&request, SECRET, NOW_MS + 59_000).unwrap();
    assert!(presented.verify(&request, SECRET, NOW_MS + 61_000).is_err());
}

#[test]
fn whatever_is_changed_is_refused() {
    let vector = &VECTORS[1];
    let mut with = headers(vector);
    let authorization = format!("{ALGORITHM} {SCOPE}, SignedHeaders={}, Signature={}", vector.signed, vector.signature);
    with.insert("authorization", authorization.parse().unwrap());
    with.insert("x-amz-date", "20260102T030405Z".parse().unwrap());
    let good = request(vector, &with);
    let verify = |request: Signed<'_>, secret: &str, now_ms| {
        Presented::read(&request).unwrap().unwrap().verify(&request, secret, now_ms)
    };
    assert!(verify(good, SECRET, NOW_MS).is_ok());
    for (request, secret, now_ms) in [
        (Signed { body: b"{}", ..good }, SECRET, NOW_MS),
        (Signed { path: "/other", ..good }, SECRET, NOW_MS),
        (Signed { method: "PUT", ..good }, SECRET, NOW_MS),
        (Signed { query: "", ..good }, SECRET, NOW_MS),
        (good, "wrong", NOW_MS),
        (good, SECRET, NOW_MS + SKEW_MS_MAX + 1),
        (good, SECRET, NOW_MS - SKEW_MS_MAX - 1),
    ] {
        assert_eq!(verify(request, secret, now_ms).unwrap_err().code(), "InvalidSignatureException");
    }
    let mut other = with.clone();
    other.insert("content-type", "text/plain".parse().unwrap());
    assert!(verify(Signed { headers: &other, ..good }, SECRET, NOW_MS).is_err());
    with.insert("authorization", "AWS4-HMAC-SHA256 Credential=x".parse().unwrap());
    assert!(matches!(Presented::read(&request(vector, &with)), Err(SignatureError::Incomplete(_))));
}

proptest! {
    #[test]
    fn what_we_sign_we_verify(path in "/[a-zA-Z0-9%:/._~-]{0,40}", query in "[a-zA-Z0-9%=&]{0,30}", body in ".{0,60}") {
        let mut headers = HeaderMap::new();
        headers.insert("host", "h".parse().unwrap());
        let credentials = Credentials { access_key_id: KEY.into(), secret_access_key: SECRET.into(), session_token: None };
        let unsigned = Signed { method: "POST", path: &path, query: &query, headers: &headers, body: body.as_bytes() };
        let mut with = headers.clone();
        for (name, value) in sign(&unsigned, &credentials, "eu-west-1", "lambda", NOW_MS) {
            with.insert(name, value.parse().unwrap());
        }
        let request = Signed { headers: &with, ..unsigned };
        prop_assert_eq!(Presented::read(&request).unwrap().unwrap().verify(&request, SECRET, NOW_MS), Ok(()));
    }

    #[test]
    fn reading_never_panics(header in "\\PC{0,80}", query in "\\PC{0,80}") {
        let mut headers = HeaderMap::new();
        if let Ok(value) = header.parse() {
            headers.insert("authorization", value);
        }
        let _ = Presented::read(&Signed { method: "GET", path: "/", query: &query, headers: &headers, body: b"" });
    }
}
