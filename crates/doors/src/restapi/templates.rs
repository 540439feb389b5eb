//! What a template may hold here: text without expressions.
//!
//! API Gateway reads templates as Apache Velocity. There is no engine for that here, so a template with an expression
//! or a directive is refused when it is put, and not taken for text.

use super::RestApiError;

/// The directives of Velocity.
const DIRECTIVES: [&str; 14] = [
    "set", "if", "elseif", "else", "end", "foreach", "define", "macro", "include", "parse", "stop", "break",
    "evaluate", "{",
];

/// Refuses a template that is more than text.
pub(super) fn check_static(template: &str) -> Result<(), RestApiError> {
    match expression(template) {
        Some(found) => Err(RestApiError::bad(format!(
            "Mapping templates with expressions are not supported in this version of Tindra, and this one has '{found}'. Use plain text, or answer from a Lambda function with AWS_PROXY."
        ))),
        None => Ok(()),
    }
}

/// The beginning of the first expression or directive.
fn expression(template: &str) -> Option<&str> {
    for (at, letter) in template.char_indices().filter(|(_, letter)| matches!(letter, '$' | '#')) {
        let rest = &template[at + 1..];
        let next = rest.chars().next();
        let is_expression = match letter {
            '$' => next.is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '{' | '!' | '_')),
            _ => {
                DIRECTIVES.iter().any(|directive| rest.starts_with(directive))
                    || next.is_some_and(|next| matches!(next, '#' | '*' | '@'))
            }
        };
        if is_expression {
            let end = rest.char_indices().nth(20).map_or(rest.len(), |(end, _)| end);
            return template.get(at..at + 1 + end);
        }
    }
    None
}

/// The status that a MOCK integration's template asks for: the number behind `statusCode`, however it is quoted.
/// Serverless writes `{statusCode:200}`, which is no JSON and which AWS reads.
pub(super) fn status_code(template: &str) -> Option<u16> {
    let (_, rest) = template.split_once("statusCode")?;
    let rest = rest.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?;
    let rest = rest.trim_start().trim_start_matches(['"', '\'']);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|status| (100..=599).contains(status))
}

/// The text of a mapping that is a constant: it stands in single quotes.
pub(super) fn constant(mapping: &str) -> Result<&str, RestApiError> {
    let text = mapping.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match text {
        Some(text) if text.bytes().all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f)) => Ok(text),
        Some(_) => {
            Err(RestApiError::bad("Invalid mapping expression specified: a header cannot have control characters"))
        }
        None if mapping.starts_with("integration.response.") || mapping.starts_with("context.") => {
            Err(RestApiError::unsupported(format!(
                "Mappings that are not constants in single quotes, such as {mapping}, are"
            )))
        }
        None => Err(RestApiError::bad(format!("Invalid mapping expression specified: {mapping}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_taken_and_expressions_are_not() {
        for text in ["", "{}\n", "{\"statusCode\": 200}", "costs $5 or 5$", "# heading", "a # b", "#1"] {
            assert!(check_static(text).is_ok(), "{text}");
        }
        for template in [
            "$input.body",
            "{\"a\": \"$context.stage\"}",
            "${x}",
            "$!x",
            "#set($a = 1)",
            "a #if($b) c #end",
            "## comment",
            "#foreach($a in $b)",
        ] {
            let error = check_static(template).unwrap_err();
            assert!(error.message().contains("expressions are not supported"), "{template}: {}", error.message());
        }
        assert_eq!(expression("é $input.params('a') und mehr als zwanzig"), Some("$input.params('a') un"));
        assert_eq!(expression("$é"), None);
    }

    #[test]
    fn a_status_is_found_however_it_is_written() {
        for (template, status) in [
            ("{\"statusCode\": 200}", Some(200)),
            ("{\n  \"statusCode\" : 204\n}\n", Some(204)),
            ("{statusCode:200}", Some(200)),
            ("{\"statusCode\": \"404\"}", Some(404)),
            ("{'statusCode': 201}", Some(201)),
            ("{\"statusCode\": 99}", None),
            ("{\"statusCode\": x}", None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(status_code(template), status, "{template}");
        }
    }

    #[test]
    fn constants_stand_in_quotes() {
        assert_eq!(constant("'*'").unwrap(), "*");
        assert_eq!(constant("'GET,POST'").unwrap(), "GET,POST");
        assert_eq!(constant("''").unwrap(), "");
        for mapping in ["*", "'", "'a\r\nb: c'", "integration.response.header.a", "context.requestId"] {
            assert!(constant(mapping).is_err(), "{mapping}");
        }
    }
}
