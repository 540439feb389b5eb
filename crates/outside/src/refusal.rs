//! What a service says when it answers no, in JSON or in XML.

use http::StatusCode;
use serde_json::Value;

/// Code and sentence of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For example `NoSuchKey`; the status where the answer names none.
    pub code: String,
    /// The service's sentence, or the words for the status.
    pub message: String,
}

impl Refusal {
    /// Reads an answer that is no success.
    #[must_use]
    pub fn read(status: StatusCode, body: &[u8]) -> Self {
        let (code, message) = match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => {
                let text = |names: [&str; 2]| names.iter().find_map(|name| members.get(*name)?.as_str());
                // `com.amazonaws.sqs#QueueDoesNotExist` in newer models.
                let code = text(["__type", "code"]).map(|code| code.rsplit('#').next().unwrap_or(code));
                (code.map(str::to_owned), text(["message", "Message"]).map(str::to_owned))
            }
            _ => (element(body, "Code"), element(body, "Message")),
        };
        Self {
            code: code.unwrap_or_else(|| status.as_u16().to_string()),
            message: message.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned()),
        }
    }
}

/// The text of the first XML element of a name that has no attributes.
pub(super) fn element(body: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| unescape(text))
}

fn unescape(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    entities.into_iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_every_protocol() {
        for (body, code, message) in [
            (r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"Gone."}"#, "QueueDoesNotExist", "Gone."),
            (r#"{"__type":"ValidationException","Message":"No."}"#, "ValidationException", "No."),
            (
                "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>&lt;t&gt; &amp;lt;</Message></Error></ErrorResponse>",
                "NotFound",
                "<t> &lt;",
            ),
            ("<html>no</html>", "404", "Not Found"),
            ("[1]", "404", "Not Found"),
            ("{}", "404", "Not Found"),
            ("", "404", "Not Found"),
        ] {
            let refusal = Refusal::read(StatusCode::NOT_FOUND, body.as_bytes());
            assert_eq!((refusal.code.as_str(), refusal.message.as_str()), (code, message));
        }
    }
}
