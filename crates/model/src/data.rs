//! The data files as they lie on disk.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// One service model.
#[derive(Debug, Deserialize)]
pub(crate) struct ServiceData {
    pub(crate) service: String,
    pub(crate) api_version: String,
    pub(crate) protocol: Protocol,
    pub(crate) target_prefix: Option<String>,
    pub(crate) xml_namespace: Option<String>,
    /// JSON 1.0 and not 1.1.
    #[serde(skip)]
    pub(crate) is_json_1_0: bool,
    /// JSON in another encoding: CBOR.
    #[serde(skip)]
    pub(crate) is_cbor: bool,
    /// Errors tell their code of the query protocol in a header (`awsQueryCompatible`).
    #[serde(skip)]
    pub(crate) is_query_compatible: bool,
    /// The member that is the path of the request where a form does not have it.
    #[serde(skip)]
    pub(crate) path_member: Option<String>,
    pub(crate) operations: Vec<OperationData>,
    pub(crate) shapes: HashMap<String, Shape>,
}

/// How requests and answers travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// Paths and JSON bodies.
    RestJson,
    /// A target header and JSON bodies.
    Json,
    /// A form with the operation's name, and XML back.
    Query,
}

/// One operation.
#[derive(Debug, Deserialize)]
pub(crate) struct OperationData {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) input: Option<String>,
    pub(crate) output: Option<String>,
    /// The element around the members of the output, in the query protocol.
    pub(crate) result_wrapper: Option<String>,
}

/// One shape: a structure, list, map or scalar with its constraints.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) required: Vec<String>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) pattern: Option<String>,
    #[serde(rename = "enum")]
    pub(crate) values: Option<Vec<String>>,
    pub(crate) sensitive: bool,
    pub(crate) payload: Option<String>,
    pub(crate) exception: bool,
    /// An exception's HTTP status, where the model gives one.
    pub(crate) status: Option<u16>,
    /// An exception that is the server's fault.
    pub(crate) fault: bool,
    /// An exception's code on the wire, where it is not the shape's name.
    pub(crate) code: Option<String>,
    /// A list or map without a level for its elements, in the query protocol.
    pub(crate) flattened: bool,
    pub(crate) member: Option<String>,
    pub(crate) member_name: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) key_name: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) value_name: Option<String>,
    pub(crate) members: Vec<Member>,
    /// The pattern, compiled at its first use.
    #[serde(skip)]
    pub(crate) compiled: OnceLock<Option<fancy_regex::Regex>>,
}

/// A member of a structure.
#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) shape: String,
    #[serde(default)]
    pub(crate) location: Location,
    pub(crate) wire_name: Option<String>,
}

impl Member {
    /// The name in the header, query or body.
    pub(crate) fn wire_name(&self) -> &str {
        self.wire_name.as_deref().unwrap_or(&self.name)
    }
}

/// Where a member travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Location {
    /// In the body.
    #[default]
    Body,
    /// A label of the path.
    Uri,
    /// The query string.
    Querystring,
    /// A header.
    Header,
    /// Several headers with one prefix.
    Headers,
    /// The HTTP status itself.
    StatusCode,
}

impl Shape {
    /// The compiled pattern, anchored: a pattern describes the whole value.
    pub(crate) fn regex(&self) -> Option<&fancy_regex::Regex> {
        self.compiled
            .get_or_init(|| fancy_regex::Regex::new(&format!("^(?:{})$", from_java(self.pattern.as_deref()?))).ok())
            .as_ref()
    }
}

/// The models write patterns for Java, where a hyphen between a range and a letter stands for itself, where
/// `\d` and `\w` are ASCII alone and not the digits and letters of every script, and where characters outside the
/// basic plane are two.
fn from_java(pattern: &str) -> String {
    let pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\u{10000}-\u{10FFFF}").replace(r"\p{Print}", "[ -~]");
    let mut text = String::with_capacity(pattern.len() + 8);
    let mut in_class = false;
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&'d') => {
                letters.next();
                text.push_str(if in_class { "0-9" } else { "[0-9]" });
            }
            '\\' if letters.peek() == Some(&'w') => {
                letters.next();
                text.push_str(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" });
            }
            '\\' => {
                text.push('\\');
                text.extend(letters.next());
            }
            '-' if in_class && text.ends_with("-9") => text.push_str("\\-"),
            _ => {
                in_class = (in_class || letter == '[') && letter != ']';
                text.push(letter);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Shape;

    fn fits(pattern: &str, text: &str) -> bool {
        let shape = Shape { pattern: Some(pattern.to_owned()), ..Shape::default() };
        shape.regex().unwrap().is_match(text).unwrap()
    }

    #[test]
    fn patterns_mean_what_they_mean_in_java() {
        let name = "[a-zA-Z0-9-_]+";
        assert!(fits(name, "a-b_c"));
        assert!(!fits(name, "a:b") && !fits(name, "a;b") && !fits(name, "") && !fits(name, "a\n"));
        assert!(fits(r"\d{3}", "123") && !fits(r"\d{3}", "12٣") && !fits(r"\d{3}", "1234"));
        assert!(fits(r"[\d.]+", "1.2"));
        assert!(fits(r"[\w+=,.@-]+", "a_B9+=,.@-") && !fits(r"[\w+=,.@-]+", "é") && !fits(r"[\w+=,.@-]+", "a/b"));
        assert!(fits(r"[\u0009\u000A\u000D\u0020-\u00FF]+", "{\n\t\"é\"}") && !fits(r"[\u0020-\u00FF]+", "€"));
        assert!(fits(r"(\$LATEST|[0-9]+)", "$LATEST") && !fits("a|b", "ab"));
        let alias = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)";
        assert!(fits(alias, "live") && fits(alias, "1a") && !fits(alias, "12"));
        let any = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*";
        assert!(fits(any, "a é € 𝄞\n") && !fits(any, "\u{7}"));
        assert!(fits(r"\p{Print}+", "a b~") && !fits(r"\p{Print}+", "é"));
        assert!(fits(r"[0-9A-Za-z\.\-_]*(?<!\.)", "bucket") && !fits(r"[0-9A-Za-z\.\-_]*(?<!\.)", "bucket."));
    }
}
