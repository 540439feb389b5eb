//! When a body is text and when base64.

use crate::door::body::{EventBody, is_binary};
use crate::door::tests::{headers, request};
use crate::door::{HttpRequest, query};

fn with_type(content_type: Option<&str>, body: &'static [u8]) -> HttpRequest<'static> {
    let headers = content_type.map(|content_type| headers(&[("content-type", content_type)])).unwrap_or_default();
    HttpRequest { headers, body, ..request("POST", "/") }
}

#[test]
fn text_types_are_text_and_all_else_is_base64() {
    let rows = [
        (Some("text/html; charset=utf-8"), false),
        (Some("TEXT/PLAIN"), false),
        (Some("application/json"), false),
        (Some("application/xml;q=1"), false),
        (Some("application/javascript"), false),
        (Some("application/x-www-form-urlencoded"), true),
        (Some("multipart/form-data; boundary=x"), true),
        (Some("application/octet-stream"), true),
        (None, true),
    ];
    for (content_type, is_base64) in rows {
        let body = EventBody::by_type(&with_type(content_type, b"abc"));
        let text = if is_base64 { "YWJj" } else { "abc" };
        assert_eq!(body, EventBody { text: Some(text.to_owned()), is_base64 }, "{content_type:?}");
    }
    let invalid = EventBody::by_type(&with_type(Some("text/plain"), b"\xff"));
    assert_eq!(invalid, EventBody { text: Some("/w==".to_owned()), is_base64: true });
    assert_eq!(EventBody::by_type(&with_type(None, b"")), EventBody { text: None, is_base64: false });
}

#[test]
fn load_balancers_encode_what_has_a_content_encoding() {
    let mut request = with_type(Some("text/plain"), b"abc");
    assert!(!EventBody::of_load_balancer(&request).is_base64);
    request.headers.push(("content-encoding".to_owned(), "identity".to_owned()));
    assert!(EventBody::of_load_balancer(&request).is_base64);
}

/// The rows seen on AWS: `application/octet-stream` and `image/png` match, `application/json` does not.
#[test]
fn rest_apis_go_by_their_binary_media_types() {
    let types = ["application/octet-stream".to_owned(), "image/*".to_owned()];
    assert!(is_binary(&types, Some("application/octet-stream")));
    assert!(is_binary(&types, Some("image/png; a=b")));
    assert!(!is_binary(&types, Some("application/json")));
    assert!(!is_binary(&types, Some("imagery/png")));
    assert!(!is_binary(&types, Some("*/*")));
    assert!(!is_binary(&types, None));
    assert!(is_binary(&["*/*".to_owned()], None));
    assert!(!is_binary(&[], Some("image/png")));
}

#[test]
fn broken_escapes_stay_as_they_are() {
    assert_eq!(
        query::decoded(Some("a=%zz&b=%4&c=%&%41=1")),
        headers(&[("a", "%zz"), ("b", "%4"), ("c", "%"), ("A", "1")])
    );
    assert_eq!(query::decoded(None), headers(&[]));
}
