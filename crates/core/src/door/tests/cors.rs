//! Preflights, origins and whose headers win.

use super::{headers, request};
use crate::door::{Cors, HttpRequest};
use crate::function_url::UrlCors;

fn cors(origins: &[&str]) -> Cors {
    let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    Cors {
        allow_origins: texts(origins),
        allow_methods: texts(&["GET", "POST"]),
        allow_headers: texts(&["authorization"]),
        expose_headers: texts(&["date"]),
        max_age_s: Some(300),
        ..Cors::default()
    }
}

fn from(method: &'static str, origin: &str) -> HttpRequest<'static> {
    let headers = headers(&[("origin", origin), ("access-control-request-method", "POST")]);
    HttpRequest { headers, ..request(method, "/") }
}

/// API Gateway developer guide, "Configure CORS for HTTP APIs": what a preflight must have, what it gets.
#[test]
fn preflights_are_answered() {
    let answer = cors(&["https://www.example.com"]).preflight(&from("OPTIONS", "https://www.example.com")).unwrap();
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let expected = [
        ("access-control-allow-origin", "https://www.example.com"),
        ("access-control-expose-headers", "date"),
        ("vary", "origin"),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-headers", "authorization"),
        ("access-control-max-age", "300"),
    ];
    assert_eq!(answer.headers, headers(&expected));
    let refused = cors(&["https://www.example.com"]).preflight(&from("OPTIONS", "https://evil.com")).unwrap();
    assert_eq!(refused.headers, headers(&[("vary", "origin")]));
    assert!(cors(&["*"]).preflight(&from("GET", "https://a")).is_none());
    assert!(cors(&["*"]).preflight(&request("OPTIONS", "/")).is_none());
}

#[test]
fn origins_may_have_wildcards() {
    let allows = |pattern: &str, origin: &str| {
        let mut sent = Vec::new();
        cors(&[pattern]).apply(&from("GET", origin), &mut sent);
        sent.into_iter().find(|(name, _)| name == "access-control-allow-origin").map(|(_, value)| value)
    };
    assert_eq!(allows("*", "https://a.com").as_deref(), Some("*"));
    assert_eq!(allows("https://*", "https://a.com").as_deref(), Some("https://a.com"));
    assert_eq!(allows("https://*", "http://a.com"), None);
    assert_eq!(allows("https://*", "https://"), None);
    assert_eq!(allows("https://*.example.com", "https://a.example.com").as_deref(), Some("https://a.example.com"));
    assert_eq!(allows("https://*.example.com", "https://example.com"), None);
    assert_eq!(allows("https://*.example.com", "https://a.example.com.evil"), None);
}

#[test]
fn credentials_need_the_origin_itself() {
    let with = Cors { allow_credentials: true, ..cors(&["*"]) };
    let mut sent = Vec::new();
    with.apply(&from("GET", "https://a.com"), &mut sent);
    let expected = [
        ("access-control-allow-origin", "https://a.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "date"),
        ("vary", "origin"),
    ];
    assert_eq!(sent, headers(&expected));
}

#[test]
fn the_configuration_wins_over_the_function() {
    let mut sent = headers(&[("access-control-allow-origin", "*"), ("vary", "accept, Origin"), ("x", "y")]);
    cors(&["https://a.com"]).apply(&from("GET", "https://evil.com"), &mut sent);
    assert_eq!(sent, headers(&[("vary", "accept, Origin"), ("x", "y")]));
    let mut sent = headers(&[("access-control-allow-origin", "*")]);
    Cors::from(&UrlCors::default()).apply(&from("GET", "https://a.com"), &mut sent);
    assert_eq!(sent, headers(&[("access-control-allow-origin", "*")]), "nothing is configured");
}
