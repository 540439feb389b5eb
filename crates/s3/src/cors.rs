//! Cross-origin requests: which sites' pages may use a bucket.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use s3s::dto;
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

/// Of a bucket (AWS).
const RULES_MAX: usize = 100;

/// Whom a bucket lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CorsRule {
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) headers: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) origins: Vec<String>,
    #[serde(default)]
    pub(crate) exposed: Vec<String>,
    #[serde(default)]
    pub(crate) max_age_s: Option<i32>,
}

pub(crate) fn read(rules: Vec<dto::CORSRule>) -> S3Result<Vec<CorsRule>> {
    if rules.len() > RULES_MAX {
        return Err(s3_error!(
            InvalidRequest,
            "The number of CORS rules should not exceed allowed limit of 100 rules."
        ));
    }
    let read = |rule: dto::CORSRule| CorsRule {
        id: rule.id,
        headers: rule.allowed_headers.unwrap_or_default(),
        methods: rule.allowed_methods,
        origins: rule.allowed_origins,
        exposed: rule.expose_headers.unwrap_or_default(),
        max_age_s: rule.max_age_seconds,
    };
    let rules: Vec<CorsRule> = rules.into_iter().map(read).collect();
    for rule in &rules {
        let known = ["GET", "PUT", "HEAD", "POST", "DELETE"];
        if let Some(method) = rule.methods.iter().find(|method| !known.contains(&method.as_str())) {
            return Err(s3_error!(
                InvalidRequest,
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
        if let Some(text) = rule.origins.iter().chain(&rule.headers).find(|text| text.matches('*').count() > 1) {
            return Err(s3_error!(InvalidRequest, "AllowedOrigin \"{text}\" can not have more than one wildcard."));
        }
    }
    Ok(rules)
}

pub(crate) fn tell(rules: &[CorsRule]) -> Vec<dto::CORSRule> {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let tell = |rule: &CorsRule| dto::CORSRule {
        id: rule.id.clone(),
        allowed_headers: some(&rule.headers),
        allowed_methods: rule.methods.clone(),
        allowed_origins: rule.origins.clone(),
        expose_headers: some(&rule.exposed),
        max_age_seconds: rule.max_age_s,
    };
    rules.iter().map(tell).collect()
}

/// What a browser asks ahead of a request, or with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cross<'a> {
    pub(crate) origin: &'a str,
    pub(crate) method: &'a str,
    /// That the request will have.
    pub(crate) headers: &'a str,
}

impl<'a> Cross<'a> {
    /// What a request says of where it comes from; none for one that no page of another site makes.
    pub(crate) fn of(method: &'a Method, headers: &'a HeaderMap) -> Option<Self> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let origin = text(header::ORIGIN)?;
        let asked = text(header::ACCESS_CONTROL_REQUEST_METHOD).filter(|_| *method == Method::OPTIONS);
        let headers = text(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|_| *method == Method::OPTIONS);
        Some(Self { origin, method: asked.unwrap_or(method.as_str()), headers: headers.unwrap_or_default() })
    }

    /// The first rule that lets it in.
    pub(crate) fn rule<'b>(&self, rules: &'b [CorsRule]) -> Option<&'b CorsRule> {
        let asked = || self.headers.split(',').map(str::trim).filter(|name| !name.is_empty());
        rules.iter().find(|rule| {
            rule.origins.iter().any(|origin| matches(origin, self.origin))
                && rule.methods.iter().any(|method| method == self.method)
                && asked().all(|name| {
                    let name = name.to_ascii_lowercase();
                    rule.headers.iter().any(|known| matches(&known.to_ascii_lowercase(), &name))
                })
        })
    }

    /// The headers with which a browser lets the page have the answer.
    pub(crate) fn answer(&self, rule: &CorsRule, into: &mut HeaderMap) {
        let is_open = rule.origins.iter().any(|origin| origin == "*");
        let mut add = |name: HeaderName, text: &str| {
            if let (false, Ok(value)) = (text.is_empty(), HeaderValue::from_str(text)) {
                into.insert(name, value);
            }
        };
        add(header::ACCESS_CONTROL_ALLOW_ORIGIN, if is_open { "*" } else { self.origin });
        if !is_open {
            add(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        add(header::ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
        add(header::ACCESS_CONTROL_ALLOW_HEADERS, &self.headers.to_ascii_lowercase());
        add(header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.exposed.join(", "));
        add(header::ACCESS_CONTROL_MAX_AGE, &rule.max_age_s.map(|seconds| seconds.to_string()).unwrap_or_default());
        add(header::VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
    }
}

/// A pattern with at most one star.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], headers: &[&str]) -> CorsRule {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        CorsRule {
            origins: texts(origins),
            headers: texts(headers),
            methods: texts(&["GET", "PUT"]),
            ..CorsRule::default()
        }
    }

    #[test]
    fn rules_let_in_by_origin_method_and_headers() {
        let rules = [rule(&["https://*.example.com"], &["x-amz-*", "Content-Type"])];
        let asked = |origin, method, headers| Cross { origin, method, headers }.rule(&rules).is_some();
        assert!(asked("https://a.example.com", "PUT", "content-type, X-Amz-Date"));
        assert!(!asked("http://a.example.com", "PUT", ""));
        assert!(!asked("https://a.example.com", "DELETE", ""));
        assert!(!asked("https://a.example.com", "GET", "authorization"));
    }

    #[test]
    fn answers_name_the_origin() {
        let mut headers = HeaderMap::new();
        let cross = Cross { origin: "https://a", method: "GET", headers: "" };
        cross.answer(&rule(&["*"], &[]), &mut headers);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        cross.answer(&rule(&["https://a"], &[]), &mut headers);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://a");
    }
}
