//! Rules of a load balancer's listener: which requests go to which function.

use super::HttpRequest;

/// One rule. A request matches when it matches all conditions that are not empty, each by one of its values.
///
/// Source: Elastic Load Balancing, "Condition types for listener rules".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerRule {
    /// `host-header`: names with `*` for any characters and `?` for one; case does not count.
    pub hosts: Vec<String>,
    /// `path-pattern`: the same for paths; case counts. The query is no part of it.
    pub paths: Vec<String>,
    /// `http-request-method`: whole names; case counts.
    pub methods: Vec<String>,
    /// `http-header`: a name with patterns for its values; case does not count.
    pub headers: Vec<(String, Vec<String>)>,
    /// `query-string`: patterns for a value, or for a key and its value; case does not count.
    pub query: Vec<(Option<String>, String)>,
}

impl ListenerRule {
    /// Whether the rule is for this request.
    #[must_use]
    pub fn matches(&self, request: &HttpRequest<'_>) -> bool {
        let any = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| is_like(pattern, text, Case::Ignored))
        };
        any(&self.hosts, request.host)
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| is_like(pattern, request.path, Case::Counts)))
            && (self.methods.is_empty() || self.methods.iter().any(|method| method == request.method))
            && self.headers.iter().all(|(name, patterns)| {
                request.header_values(&name.to_ascii_lowercase()).any(|value| any(patterns, value))
            })
            && (self.query.is_empty() || self.matches_query(request.query.unwrap_or_default()))
    }

    fn matches_query(&self, query: &str) -> bool {
        query.split('&').any(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.query.iter().any(|(wanted, pattern)| {
                wanted.as_ref().is_none_or(|wanted| is_like(wanted, key, Case::Ignored))
                    && is_like(pattern, value, Case::Ignored)
            })
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Counts,
    Ignored,
}

/// Whether a text is like a pattern with `*` and `?`. It takes at most the product of their lengths.
fn is_like(pattern: &str, text: &str, case: Case) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let same = |left: u8, right: u8| match case {
        Case::Counts => left == right,
        Case::Ignored => left.eq_ignore_ascii_case(&right),
    };
    let (mut at, mut in_text) = (0, 0);
    // Where the last star was, and how much of the text it stands for at least.
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || same(*wanted, text[in_text]) => {
                at += 1;
                in_text += 1;
            }
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    (at, in_text) = (star_at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|left| *left == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request<'a>(host: &'a str, path: &'a str, query: Option<&'a str>) -> HttpRequest<'a> {
        HttpRequest {
            method: "GET",
            path,
            query,
            protocol: "HTTP/1.1",
            host,
            source_ip: "127.0.0.1",
            headers: vec![("x-version".to_owned(), "Beta-2".to_owned())],
            body: &[],
            request_id: "",
            time_ms: 0,
        }
    }

    #[test]
    fn all_conditions_count_and_one_value_of_each_does() {
        let some = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rule = ListenerRule {
            hosts: some(&["*.example.com", "app.localhost"]),
            paths: some(&["/api/*", "/v?"]),
            methods: some(&["GET", "HEAD"]),
            headers: vec![("X-Version".to_owned(), some(&["beta*"]))],
            query: vec![(Some("v".to_owned()), "1*".to_owned()), (None, "all".to_owned())],
        };
        assert!(rule.matches(&request("APP.localhost", "/api/", Some("v=12"))));
        assert!(rule.matches(&request("a.example.com", "/v1", Some("x=ALL"))));
        for (host, path, query) in [
            ("example.com", "/api/", Some("v=1")),
            ("app.localhost", "/API/", Some("v=1")),
            ("app.localhost", "/v12", Some("v=1")),
            ("app.localhost", "/api/", Some("v=2&w=1")),
            ("app.localhost", "/api/", None),
        ] {
            assert!(!rule.matches(&request(host, path, query)), "{host}{path}?{query:?}");
        }
        assert!(!ListenerRule { methods: some(&["PUT"]), ..rule.clone() }.matches(&request(
            "app.localhost",
            "/v1",
            Some("v=1")
        )));
        let other = ListenerRule { headers: vec![("x-other".to_owned(), some(&["*"]))], ..ListenerRule::default() };
        assert!(!other.matches(&request("app.localhost", "/", None)));
    }

    /// By the definition, however long it takes.
    fn is_like_by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                is_like_by_definition(&pattern[1..], text)
                    || (!text.is_empty() && is_like_by_definition(pattern, &text[1..]))
            }
            (Some(b'?'), Some(_)) => is_like_by_definition(&pattern[1..], &text[1..]),
            (Some(left), Some(right)) if left == right => is_like_by_definition(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_match_by_their_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let expected = is_like_by_definition(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(is_like(&pattern, &text, Case::Counts), expected);
        }
    }
}
