//! Constraints, and AWS's words for breaking them.
//!
//! All violations come in one message, in the order of the model's members, a structure's own before those
//! inside it. AWS documents neither words nor order; the words are those of recorded answers.

use serde_json::Value;

use crate::data::Shape;
use crate::error::ApiError;
use crate::service::Service;

/// Longest value that a message repeats; longer ones are cut.
const ECHO_BYTES_MAX: usize = 1_000;

impl Service {
    pub(crate) fn validate(&self, shape: &Shape, input: &Value) -> Result<(), ApiError> {
        let mut found = Vec::new();
        self.check_structure(shape, input, "", &mut found);
        match found.len() {
            0 => Ok(()),
            1 => Err(message(format!("1 validation error detected: {}", found[0]))),
            count => Err(message(format!("{count} validation errors detected: {}", found.join("; ")))),
        }?;
        self.check_runtime(shape, input)
    }

    fn check_structure(&self, shape: &Shape, value: &Value, path: &str, found: &mut Vec<String>) {
        for member in &shape.members {
            let path = join(path, &member.name);
            match value.get(&member.name) {
                None if shape.required.contains(&member.name)
                    && shape.payload.as_deref() != Some(member.name.as_str()) =>
                {
                    found.push(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
                }
                None => {}
                Some(value) => self.check(&member.shape, value, &path, found),
            }
        }
    }

    fn check(&self, name: &str, value: &Value, path: &str, found: &mut Vec<String>) {
        let Some(shape) = self.shape(name) else { return };
        // The runtime's enum has words and a code of its own.
        if name == "Runtime" && shape.kind == "string" {
            return;
        }
        let mut violate = |constraint: String| {
            found.push(format!("Value {} at '{path}' failed to satisfy constraint: {constraint}", echo(shape, value)));
        };
        for (constraint, holds) in constraints(shape, value) {
            if !holds {
                violate(format!("Member must {constraint}"));
            }
        }
        match (shape.kind.as_str(), value) {
            ("list", Value::Array(items)) => {
                let element = shape.member.as_deref().and_then(|name| self.shape(name));
                if let Some(element) = element {
                    if element.kind == "structure" {
                        for (index, item) in items.iter().enumerate() {
                            self.check_structure(element, item, &format!("{path}.{}.member", index + 1), found);
                        }
                    } else if items.iter().any(|item| breaks(element, item)) {
                        violate(format!("Member must satisfy constraint: [{}]", list(element)));
                    }
                }
            }
            ("map", Value::Object(entries)) => {
                let key = shape.key.as_deref().and_then(|name| self.shape(name));
                if let Some(key) =
                    key.filter(|key| entries.keys().any(|name| breaks(key, &Value::String(name.clone()))))
                {
                    violate(format!("Map keys must satisfy constraint: [{}]", list(key)));
                }
                let element = shape.value.as_deref().and_then(|name| self.shape(name));
                if let Some(element) = element.filter(|element| entries.values().any(|value| breaks(element, value))) {
                    violate(format!("Map value must satisfy constraint: [{}]", list(element)));
                }
            }
            ("structure", _) => self.check_structure(shape, value, path, found),
            _ => {}
        }
    }

    /// `Runtime` is refused with another code than every other enum.
    fn check_runtime(&self, shape: &Shape, input: &Value) -> Result<(), ApiError> {
        let Some(runtime) = shape.members.iter().find(|member| member.shape == "Runtime") else { return Ok(()) };
        let (Some(given), Some(known)) = (input.get(&runtime.name).and_then(Value::as_str), self.shape("Runtime"))
        else {
            return Ok(());
        };
        let values = known.values.as_deref().unwrap_or_default();
        if values.iter().any(|value| value == given) {
            return Ok(());
        }
        Err(ApiError::new(
            "InvalidParameterValueException",
            format!(
                "Value {given} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a valid ARN",
                values.join(", ")
            ),
        ))
    }
}

fn message(text: String) -> ApiError {
    ApiError::new("ValidationException", text)
}

/// `MemorySize` below `a.b` is `a.b.memorySize`.
fn join(path: &str, name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase()).into_iter();
    let name: String = first.chain(letters).collect();
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

fn breaks(shape: &Shape, value: &Value) -> bool {
    constraints(shape, value).iter().any(|(_, holds)| !holds)
}

/// The words of every constraint that a shape has.
fn list(shape: &Shape) -> String {
    let words: Vec<String> =
        constraints(shape, &Value::Null).into_iter().map(|(words, _)| format!("Member must {words}")).collect();
    words.join(", ")
}

/// Each constraint of a shape, and whether the value satisfies it.
fn constraints(shape: &Shape, value: &Value) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    let is_number = matches!(shape.kind.as_str(), "integer" | "long" | "double" | "float");
    let size = if is_number { value.as_f64() } else { length(value) };
    let what = if is_number { "value" } else { "length" };
    if let Some(max) = shape.max {
        all.push((format!("have {what} less than or equal to {max}"), size.is_none_or(|size| size <= max)));
    }
    if let Some(min) = shape.min {
        all.push((format!("have {what} greater than or equal to {min}"), size.is_none_or(|size| size >= min)));
    }
    let text = value.as_str();
    if let Some(pattern) = &shape.pattern {
        let fits = text.is_none_or(|text| shape.regex().is_none_or(|regex| regex.is_match(text).unwrap_or(false)));
        all.push((format!("satisfy regular expression pattern: {pattern}"), fits));
    }
    if let Some(values) = &shape.values {
        let fits = text.is_none_or(|text| values.iter().any(|value| value == text));
        all.push((format!("satisfy enum value set: [{}]", values.join(", ")), fits));
    }
    all
}

#[expect(clippy::cast_precision_loss, reason = "lengths of requests are far below 2^52")]
fn length(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => Some(text.chars().count() as f64),
        Value::Array(items) => Some(items.len() as f64),
        Value::Object(entries) => Some(entries.len() as f64),
        _ => None,
    }
}

/// A value as messages show it; secrets and blobs are not shown.
fn echo(shape: &Shape, value: &Value) -> String {
    if shape.sensitive || shape.kind == "blob" {
        return "'***'".to_owned();
    }
    let mut text = show(value);
    if text.len() > ECHO_BYTES_MAX {
        let end = (0..=ECHO_BYTES_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    format!("'{text}'")
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}={}", show(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use crate::{ApiError, WireRequest, lambda};

    fn create(body: &str) -> ApiError {
        let headers = HeaderMap::new();
        let body = Bytes::from(body.to_owned());
        let request =
            WireRequest { method: &Method::POST, path: "/2015-03-31/functions", query: "", headers: &headers, body };
        lambda().decode(&request).expect_err("the request breaks a constraint")
    }

    const REST: &str = r#""FunctionName": "f", "Role": "arn:aws:iam::123456789012:role/r", "Code": {"ZipFile": ""}"#;

    #[test]
    fn one_violation_of_each_kind() {
        for (member, message) in [
            (
                r#""MemorySize": 100"#,
                "Value '100' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128",
            ),
            (
                r#""Timeout": 0"#,
                "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
            ),
            (
                r#""Handler": "a b""#,
                r"Value 'a b' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\s]+",
            ),
            (
                r#""PackageType": "Tar""#,
                "Value 'Tar' at 'packageType' failed to satisfy constraint: Member must satisfy enum value set: [Zip, Image]",
            ),
            (
                r#""EphemeralStorage": {"Size": 1}"#,
                "Value '1' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512",
            ),
            (
                r#""EphemeralStorage": {}"#,
                "Value null at 'ephemeralStorage.size' failed to satisfy constraint: Member must not be null",
            ),
            (
                r#""Architectures": ["mips"]"#,
                "Value '[mips]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]",
            ),
        ] {
            let error = create(&format!("{{{REST}, {member}}}"));
            assert_eq!(error.code(), "ValidationException");
            assert_eq!(error.message(), format!("1 validation error detected: {message}"));
        }
    }

    #[test]
    fn several_violations_come_together_in_the_models_order() {
        let error = create(r#"{"FunctionName": "", "Role": "r", "Code": {}}"#);
        assert!(
            error.message().starts_with("3 validation errors detected: Value '' at 'functionName' failed"),
            "{}",
            error.message()
        );
        assert!(error.message().contains("; Value 'r' at 'role' failed"));
    }

    #[test]
    fn secrets_are_not_repeated() {
        let error = create(&format!(r#"{{{REST}, "Environment": {{"Variables": {{"1": "secret"}}}}}}"#));
        assert!(!error.message().contains("secret"), "{}", error.message());
    }

    #[test]
    fn the_runtime_has_words_of_its_own() {
        let error = create(&format!(r#"{{{REST}, "Runtime": "cobol"}}"#));
        assert_eq!(error.code(), "InvalidParameterValueException");
        assert!(error.message().starts_with(
            "Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["
        ));
        assert!(error.message().ends_with("] or be a valid ARN"));
    }

    #[test]
    fn every_pattern_of_the_model_compiles() {
        for service in [lambda(), crate::logs()] {
            for (name, shape) in &service.data.shapes {
                assert!(shape.pattern.is_none() || shape.regex().is_some(), "{name}: {:?}", shape.pattern);
            }
        }
    }
}
