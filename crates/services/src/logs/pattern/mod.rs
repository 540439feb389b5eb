//! The filter-pattern language of CloudWatch Logs (user guide, "Filter pattern syntax").
//!
//! Three forms: terms (`ERROR -timeout "two words" ?or`), JSON (`{ $.level = "ERROR" }`) and columns
//! (`[ip, user, status = 4*]`). Regular expressions between `%` are refused, which AWS would take.

mod columns;
mod condition;
mod json;
mod terms;

/// A pattern, understood.
#[derive(Debug)]
pub(super) enum Pattern {
    Terms(terms::Terms),
    Json(json::Json),
    Columns(columns::Columns),
}

/// Why a pattern is not one; a whole sentence for the caller.
#[derive(Debug, thiserror::Error)]
#[error("Invalid filter pattern: {0}")]
pub(super) struct PatternError(pub(super) String);

impl Pattern {
    /// The form is told by the first character.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        match text.chars().next() {
            Some('{') => json::Json::parse(text).map(Self::Json),
            Some('[') => columns::Columns::parse(text).map(Self::Columns),
            _ => terms::Terms::parse(text).map(Self::Terms),
        }
    }

    /// Whether a message matches.
    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Terms(terms) => terms.matches(message),
            Self::Json(json) => json.matches(message),
            Self::Columns(columns) => columns.matches(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(pattern: &str, messages: &[&str]) -> String {
        let parsed = Pattern::parse(pattern).unwrap();
        messages.iter().map(|message| if parsed.matches(message) { 'y' } else { '-' }).collect()
    }

    #[test]
    fn terms() {
        let messages = ["[ERROR] disk full", "WARN disk slow", "ERROR WARN", "error"];
        for (pattern, expected) in [
            ("", "yyyy"),
            ("ERROR", "y-y-"),
            ("ERROR WARN", "--y-"),
            ("disk", "yy--"),
            ("\"disk full\"", "y---"),
            ("\"[ERROR]\"", "y---"),
            ("-ERROR", "-y-y"),
            ("ERROR -WARN", "y---"),
            ("-\"disk full\"", "-yyy"),
            ("?slow ?full", "yy--"),
            ("?slow ERROR", "y-y-"),
            ("  ERROR  ", "y-y-"),
        ] {
            assert_eq!(matching(pattern, &messages), expected, "{pattern}");
        }
    }

    #[test]
    fn quotes_are_escaped_with_a_backslash() {
        assert_eq!(matching(r#""say \"hi\"""#, &[r#"they say "hi""#, "they say hi"]), "y-");
    }

    #[test]
    fn json() {
        let messages = [
            r#"{"level":"ERROR","code":500,"user":{"name":"ann"},"tags":["a","b"],"gone":null,"ok":true}"#,
            r#"{"level":"INFO","code":200,"user":{"name":"bob"},"tags":["c"],"ok":false,"a.b":1.5}"#,
            r#"{"level":"ERROR: bad","code":-1e3}"#,
            "ERROR",
        ];
        for (pattern, expected) in [
            (r#"{ $.level = "ERROR" }"#, "y---"),
            (r#"{$.level="ERROR"}"#, "y---"),
            ("{ $.level = ERROR }", "y---"),
            (r#"{ $.level = "ERROR*" }"#, "y-y-"),
            (r#"{ $.level = * }"#, "yyy-"),
            (r#"{ $.level != "ERROR" }"#, "-yy-"),
            ("{ $.code = 500 }", "y---"),
            ("{ $.code != 500 }", "-yy-"),
            ("{ $.code > 200 }", "y---"),
            ("{ $.code >= 200 }", "yy--"),
            ("{ $.code < 0 }", "--y-"),
            ("{ $.code <= -1e3 }", "--y-"),
            ("{ $.code = 5* }", "y---"),
            ("{ $.user.name = ann }", "y---"),
            ("{ $.tags[0] = a }", "y---"),
            ("{ $.tags[*] = b }", "y---"),
            ("{ $.tags[5] = a }", "----"),
            ("{ $.gone IS NULL }", "y---"),
            ("{ $.ok IS TRUE }", "y---"),
            ("{ $.ok IS FALSE }", "-y--"),
            ("{ $.ok NOT EXISTS }", "--y-"),
            ("{ $.ok EXISTS }", "yy--"),
            ("{ $['a.b'] = 1.5 }", "-y--"),
            (r#"{ $.level = "ERROR" && $.code = 200 }"#, "----"),
            (r#"{ ($.level = "ERROR") || ($.code = 200) }"#, "yy--"),
            ("{ $.code = 1 || $.code = 500 && $.ok IS TRUE }", "y---"),
            ("{ ($.code = 1 || $.code = 500) && $.ok IS FALSE }", "----"),
        ] {
            assert_eq!(matching(pattern, &messages), expected, "{pattern}");
        }
    }

    #[test]
    fn columns() {
        let messages = [
            r#"127.0.0.1 - ann [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#,
            r#"10.0.0.7 - bob [10/Oct/2000:13:25:16 -0700] "PUT /x HTTP/1.0" 200 99"#,
            "only three words",
        ];
        for (pattern, expected) in [
            ("[ip, id, user, at, request, status, bytes]", "yy-"),
            ("[ip, id, user, at, request, status = 4*, bytes]", "y--"),
            ("[ip, id, user, at, request = \"*html*\", status, bytes]", "y--"),
            ("[ip, id, user, at, request, status, bytes > 1000]", "y--"),
            ("[ip = 127.0.0.* || ip = 10.*, id, user, at, request, status, bytes]", "yy-"),
            ("[..., status = 200, bytes]", "-y-"),
            ("[ip, ..., status != 200, bytes]", "y-y"),
            ("[w1, w2, w3 = words]", "--y"),
            ("[w1 = only, ...]", "--y"),
            ("[w1, w2]", "---"),
        ] {
            assert_eq!(matching(pattern, &messages), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_a_pattern_is_refused() {
        for pattern in [
            "\"open",
            "{ $.a = }",
            "{ $.a = 1",
            "{ a = 1 }",
            "{ $.a ~ 1 }",
            "{ $.a > x }",
            "{ $.a[x] = 1 }",
            "{ ($.a = 1 }",
            "{ $.a = 1 } trailing",
            "{}",
            "[a, b",
            "[..., a, ...]",
            "[a = 1 && ]",
            "%regex%",
            "{ $.a = %regex% }",
            "-",
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
