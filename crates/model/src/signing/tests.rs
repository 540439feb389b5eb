//! Signatures made by botocore, and our own made and verified again.

use http::HeaderMap;
use proptest::prelude::*;

use super::canonical::Canonical;
use super::*;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2026-01-02T03:04:05Z.
const NOW_MS: u64 = 1_767_323_045_000;
const SCOPE: &str = "Credential=AKIDEXAMPLE/20260102/us-east-1/lambda/aws4_request";

/// An example that AWS publishes: its documentation's and those of the SigV4 test suite.
struct Published {
    key: &'static str,
    secret: &'static str,
    scope: &'static str,
    timestamp: &'static str,
    method: &'static str,
    path: &'static str,
    query: &'static str,
    /// Signed as they stand here; `host` is the first, `x-amz-date` is added.
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    signature: &'static str,
}

const SUITE: Published = Published {
    key: KEY,
    secret: SECRET,
    scope: "20150830/us-east-1/service/aws4_request",
    timestamp: "20150830T123600Z",
    method: "GET",
    path: "/",
    query: "",
    headers: &[("host", "example.amazonaws.com")],
    body: "",
    signature: "",
};

const PUBLISHED: [Published; 10] = [
    Published { signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", ..SUITE },
    Published {
        method: "POST",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ..SUITE
    },
    Published {
        query: "Param2=value2&Param1=value1",
        signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ..SUITE
    },
    Published {
        path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ..SUITE
    },
    Published { path: "/./", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", ..SUITE },
    Published {
        path: "/example1/example2/../..",
        signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ..SUITE
    },
    Published {
        method: "POST",
        headers: &[("host", "example.amazonaws.com"), ("content-type", "application/x-www-form-urlencoded")],
        body: "Param1=value1",
        signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ..SUITE
    },
    Published {
        scope: "20150830/us-east-1/iam/aws4_request",
        query: "Action=ListUsers&Version=2010-05-08",
        headers: &[("host", "iam.amazonaws.com"), ("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
        signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ..SUITE
    },
    Published {
        key: "AKIAIOSFODNN7EXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        scope: "20130524/us-east-1/s3/aws4_request",
        timestamp: "20130524T000000Z",
        path: "/test.txt",
        headers: &[
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ],
        signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ..SUITE
    },
    // Not published; made by botocore, for a path that S3 must not normalise.
    Published {
        scope: "20150830/us-east-1/s3/aws4_request",
        method: "PUT",
        path: "/a%20b//../c",
        headers: &[
            ("host", "b.s3.amazonaws.com"),
            ("x-amz-content-sha256", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"),
        ],
        body: "x",
        signature: "3b764a01374836de5bdd730406085c4b5bbfbc3c58d9d03afef1e41e1a5aad3b",
        ..SUITE
    },
];

#[test]
fn published_examples_verify() {
    for example in &PUBLISHED {
        let mut headers = HeaderMap::new();
        for (name, value) in example.headers.iter().chain(&[("x-amz-date", example.timestamp)]) {
            headers.insert(*name, value.parse().unwrap());
        }
        let mut signed: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        signed.sort_unstable();
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
            example.key,
            example.scope,
            signed.join(";"),
            example.signature
        );
        headers.insert("authorization", authorization.parse().unwrap());
        let request = Signed {
            method: example.method,
            path: example.path,
            query: example.query,
            headers: &headers,
            body: example.body.as_bytes(),
        };
        let now_ms = time::parse(example.timestamp).unwrap();
        let presented = Presented::read(&request).unwrap().unwrap();
        assert_eq!(presented.verify(&request, example.secret, now_ms), Ok(()), "{} {}", example.path, example.query);
        assert!(presented.covers_body(&request));
    }
}

#[test]
fn the_published_presigned_url_verifies() {
    let mut headers = HeaderMap::new();
    headers.insert("host", "examplebucket.s3.amazonaws.com".parse().unwrap());
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let request = Signed { method: "GET", path: "/test.txt", query, headers: &headers, body: b"" };
    let now_ms = time::parse("20130524T000000Z").unwrap();
    let presented = Presented::read(&request).unwrap().unwrap();
    presented.verify(&request, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", now_ms).unwrap();
    assert!(!presented.covers_body(&request));
}

#[test]
fn links_are_those_that_botocore_makes() {
    let mut headers = HeaderMap::new();
    headers.insert("host", "localhost:4566".parse().unwrap());
    let credentials = Credentials {
        access_key_id: KEY.into(),
        secret_access_key: SECRET.into(),
        session_token: Some("TOK/EN+=".into()),
    };
    let path = "/2015-03-31/functions/a%3Ab";
    let request = Signed { method: "GET", path, query: "Qualifier=%24LATEST", headers: &headers, body: b"" };
    let query = presign(&request, &credentials, "us-east-1", "lambda", 60, NOW_MS);
    assert_eq!(
        query,
        "Qualifier=%24LATEST&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Security-Token=TOK%2FEN%2B%3D&X-Amz-Signature=3f15e0655836f08a1c0cf43314a1448711fa681b61b19ed21350a4589a6a0a32"
    );
    let request = Signed { query: &query, ..request };
    Presented::read(&request).unwrap().unwrap().verify(&request, SECRET, NOW_MS).unwrap();
}

#[test]
fn only_s3_may_leave_the_body_out() {
    for marker in [UNSIGNED, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        for (service, is_accepted) in [("s3", true), ("lambda", false), ("logs", false)] {
            let mut headers = HeaderMap::new();
            headers.insert("host", "h".parse().unwrap());
            headers.insert("x-amz-date", "20260102T030405Z".parse().unwrap());
            headers.insert("x-amz-content-sha256", marker.parse().unwrap());
            let scope = format!("20260102/us-east-1/{service}/aws4_request");
            let names = ["host", "x-amz-content-sha256", "x-amz-date"].map(str::to_owned);
            let unsigned = Signed { method: "PUT", path: "/b/k", query: "", headers: &headers, body: b"anything" };
            let is_s3 = service == "s3";
            let canonical = Canonical { request: &unsigned, signed_headers: &names, payload_hash: marker, is_s3 };
            let signature = hash::signature(&canonical.text(), SECRET, "20260102T030405Z", &scope);
            let authorization = format!(
                "{ALGORITHM} Credential={KEY}/{scope}, SignedHeaders={}, Signature={signature}",
                names.join(";")
            );
            let mut with = headers.clone();
            with.insert("authorization", authorization.parse().unwrap());
            let request = Signed { headers: &with, ..unsigned };
            let presented = Presented::read(&request).unwrap().unwrap();
            assert_eq!(presented.verify(&request, SECRET, NOW_MS).is_ok(), is_accepted, "{service} {marker}");
            assert_eq!(presented.covers_body(&request), !is_s3);
        }
    }
}

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

/// A request to a service of AWS with the signature that botocore makes of it.
struct Outgoing {
    service: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    token: Option<&'static str>,
    signed: &'static str,
    signature: &'static str,
}

const OUTGOING: [Outgoing; 5] = [
    Outgoing {
        service: "s3",
        method: "PUT",
        path: "/bucket/aws/lambda/a%20b//..%3A%24/x.json",
        headers: &[("content-type", "application/json")],
        body: r#"{"a": 1}"#,
        token: None,
        signed: "content-type;host;x-amz-content-sha256;x-amz-date",
        signature: "df70152ba2fc969e95527fec3ae20f0b3abd8a6218084250ce4e6df75b8ad814",
    },
    Outgoing {
        service: "s3",
        method: "PUT",
        path: "/bucket/k",
        headers: &[("content-type", "application/json")],
        body: "",
        token: Some("TOKEN"),
        signed: "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
        signature: "90174958010b7c240d57533258c3f5240c48b6093040c5555b34eb2e07c5110d",
    },
    Outgoing {
        service: "sqs",
        method: "POST",
        path: "/",
        headers: &[("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "AmazonSQS.SendMessage")],
        body: r#"{"a": 1}"#,
        token: Some("TOKEN"),
        signed: "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
        signature: "476df136212eb0e322d791ed975bc493a1b3f82e57c990975a39c03e30b9e6f0",
    },
    Outgoing {
        service: "sns",
        method: "POST",
        path: "/",
        headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("x-amzn-trace-id", "Root=1")],
        body: "Action=Publish&Message=%C3%A9%20",
        token: None,
        signed: "content-type;host;x-amz-date",
        signature: "5f0a99b86eb8a790c5e2583ac0cb01e83e29aac6c51e1df51e7a767a09ef2c34",
    },
    Outgoing {
        service: "events",
        method: "POST",
        path: "/",
        headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AWSEvents.PutEvents")],
        body: r#"{"a": "é"}"#,
        token: None,
        signed: "content-type;host;x-amz-date;x-amz-target",
        signature: "90ab50c042b10a3788fceec982ad64bb7379069b8343d429e07a10ecd5426d17",
    },
];

#[test]
fn requests_to_other_services_are_signed_as_botocore_signs_them() {
    for outgoing in &OUTGOING {
        let mut headers = HeaderMap::new();
        headers.insert("host", "localhost:4566".parse().unwrap());
        for (name, value) in outgoing.headers {
            headers.insert(*name, value.parse().unwrap());
        }
        let credentials = Credentials {
            access_key_id: KEY.into(),
            secret_access_key: SECRET.into(),
            session_token: outgoing.token.map(str::to_owned),
        };
        let Outgoing { method, path, service, .. } = *outgoing;
        let request = Signed { method, path, query: "", headers: &headers, body: outgoing.body.as_bytes() };
        let added = sign(&request, &credentials, "eu-west-1", service, NOW_MS);
        let value = |name| added.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        let authorization = format!(
            "{ALGORITHM} Credential={KEY}/20260102/eu-west-1/{service}/aws4_request, SignedHeaders={}, Signature={}",
            outgoing.signed, outgoing.signature
        );
        assert_eq!(value("authorization"), Some(authorization.as_str()), "{service} {path}");
        assert_eq!((value("x-amz-security-token"), value("x-amz-date")), (outgoing.token, Some("20260102T030405Z")));
        let hash = hash::hex_digest(outgoing.body.as_bytes());
        assert_eq!(value("x-amz-content-sha256"), (service == "s3").then_some(hash.as_str()));
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
