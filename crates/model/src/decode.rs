//! From a request on the wire to the members of an operation's input.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::data::{Location, Member, Shape};
use crate::error::ApiError;
use crate::service::{Call, Service, WireRequest};

impl Service {
    /// Finds the operation, gathers its members and checks them against the model.
    ///
    /// # Errors
    /// The error that AWS answers: an unknown operation, a body that is not what the model says, or every
    /// violated constraint in one message.
    pub fn decode(&'static self, request: &WireRequest<'_>) -> Result<Call, ApiError> {
        let operation = self
            .route(request.method, request.path, request.query, request.headers)
            .ok_or_else(|| ApiError::new("UnknownOperationException", "The requested operation is not known."))?;
        let Some(shape) = operation.data.input.as_deref().and_then(|name| self.shape(name)) else {
            return Ok(Call { operation, input: json!({}), payload: None });
        };
        let labels = operation.template.labels(request.path).unwrap_or_default();
        let mut input = Map::new();
        for member in &shape.members {
            let text = match member.location {
                Location::Uri => {
                    labels.iter().find(|(label, _)| *label == member.wire_name()).map(|(_, text)| percent_decode(text))
                }
                Location::Header => {
                    request.headers.get(member.wire_name()).and_then(|value| value.to_str().ok()).map(Cow::Borrowed)
                }
                Location::Querystring => {
                    self.gather_query(request.query, member, &mut input)?;
                    continue;
                }
                Location::Body | Location::Headers | Location::StatusCode => None,
            };
            if let Some(text) = text {
                input.insert(member.name.clone(), self.scalar(member, &text)?);
            }
        }
        let payload = self.gather_body(shape, &request.body, &mut input)?;
        let input = Value::Object(input);
        self.validate(shape, &input)?;
        Ok(Call { operation, input, payload })
    }

    fn gather_query(&self, query: &str, member: &Member, input: &mut Map<String, Value>) -> Result<(), ApiError> {
        let mut values = query
            .split('&')
            .filter_map(|pair| pair.split_once('=').or_else(|| (!pair.is_empty()).then_some((pair, ""))))
            .filter(|(name, _)| percent_decode(name) == member.wire_name())
            .map(|(_, value)| percent_decode(&value.replace('+', "%20")).into_owned());
        let is_list = self.shape(&member.shape).is_some_and(|shape| shape.kind == "list");
        if is_list {
            let values: Vec<Value> = values.map(Value::String).collect();
            if !values.is_empty() {
                input.insert(member.name.clone(), Value::Array(values));
            }
        } else if let Some(text) = values.next() {
            input.insert(member.name.clone(), self.scalar(member, &text)?);
        }
        Ok(())
    }

    /// The members of the body; a blob that is the whole body comes back as it is.
    fn gather_body(
        &self,
        shape: &Shape,
        body: &Bytes,
        input: &mut Map<String, Value>,
    ) -> Result<Option<Bytes>, ApiError> {
        let payload = shape.payload.as_ref().and_then(|name| shape.members.iter().find(|member| member.name == *name));
        if let Some(member) = payload {
            let kind = self.shape(&member.shape).map_or("", |shape| shape.kind.as_str());
            if kind == "blob" || kind == "string" {
                return Ok(Some(body.clone()));
            }
        }
        let in_body: Vec<&Member> = shape.members.iter().filter(|member| member.location == Location::Body).collect();
        if body.is_empty() || in_body.is_empty() {
            return Ok(None);
        }
        let mut parsed = match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(parsed)) => parsed,
            Ok(other) => return Err(wrong_type("the body", "an object", &other)),
            Err(error) => {
                let message = format!("Could not parse request body into json: {error}");
                return Err(ApiError::new("InvalidRequestContentException", message));
            }
        };
        for member in in_body {
            // The wire name; a null is as good as absent.
            if let Some(value) = parsed.remove(member.wire_name()).filter(|value| !value.is_null()) {
                let value = self.coerce(&member.shape, value, &member.name)?;
                input.insert(member.name.clone(), value);
            }
        }
        Ok(None)
    }

    /// Checks the JSON types below a value; unknown members are left out, as AWS does.
    fn coerce(&self, shape: &str, value: Value, path: &str) -> Result<Value, ApiError> {
        let Some(shape) = self.shape(shape) else { return Ok(value) };
        match (shape.kind.as_str(), value) {
            // Only an element of a list or map can be null here; validation has the words for it.
            (_, Value::Null) => Ok(Value::Null),
            ("structure", Value::Object(mut object)) => {
                let mut kept = Map::new();
                for member in &shape.members {
                    if let Some(value) = object.remove(member.wire_name()).filter(|value| !value.is_null()) {
                        let path = format!("{path}.{}", member.name);
                        kept.insert(member.name.clone(), self.coerce(&member.shape, value, &path)?);
                    }
                }
                Ok(Value::Object(kept))
            }
            ("list", Value::Array(items)) => {
                let member = shape.member.as_deref().unwrap_or_default();
                let items = items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| self.coerce(member, item, &format!("{path}[{index}]")));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            ("map", Value::Object(object)) => {
                let value_shape = shape.value.as_deref().unwrap_or_default();
                let entries = object.into_iter().map(|(key, value)| {
                    let value = self.coerce(value_shape, value, &format!("{path}.{key}"))?;
                    Ok((key, value))
                });
                Ok(Value::Object(entries.collect::<Result<_, ApiError>>()?))
            }
            ("string" | "blob", value @ Value::String(_)) | ("boolean", value @ Value::Bool(_)) => Ok(value),
            ("integer" | "long", Value::Number(number)) => match number.as_i64().or_else(|| whole(&number)) {
                Some(number) => Ok(json!(number)),
                None => Err(wrong_type(path, "a whole number", &Value::Number(number))),
            },
            ("double" | "float" | "timestamp", value @ Value::Number(_)) => Ok(value),
            ("timestamp", value @ Value::String(_)) => Ok(value),
            (kind, value) => Err(wrong_type(path, expected(kind), &value)),
        }
    }

    /// A value that travelled as text.
    fn scalar(&self, member: &Member, text: &str) -> Result<Value, ApiError> {
        let kind = self.shape(&member.shape).map_or("string", |shape| shape.kind.as_str());
        let bad = || wrong_type(&member.name, expected(kind), &Value::String(text.to_owned()));
        match kind {
            "integer" | "long" => text.parse::<i64>().map(Value::from).map_err(|_| bad()),
            "double" | "float" => text.parse::<f64>().map(Value::from).map_err(|_| bad()),
            "boolean" => text.to_ascii_lowercase().parse::<bool>().map(Value::from).map_err(|_| bad()),
            _ => Ok(Value::String(text.to_owned())),
        }
    }
}

fn whole(number: &serde_json::Number) -> Option<i64> {
    let value = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64)
}

fn expected(kind: &str) -> &'static str {
    match kind {
        "structure" | "map" => "an object",
        "list" => "a list",
        "integer" | "long" => "a whole number",
        "double" | "float" => "a number",
        "boolean" => "true or false",
        "timestamp" => "a timestamp",
        "blob" => "base64 text",
        _ => "a string",
    }
}

fn wrong_type(path: &str, expected: &str, found: &Value) -> ApiError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    ApiError::new("SerializationException", format!("{path} must be {expected}, and is {found}."))
}

/// Decodes `%XX` once; what is not a valid escape stays as it is.
pub(crate) fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escape = bytes.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
        let value =
            escape.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(value.unwrap_or(bytes[index]));
        index += if value.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use proptest::prelude::*;

    use super::*;
    use crate::lambda;

    fn decode(method: &str, path: &str, query: &str, body: &str) -> Result<Call, ApiError> {
        let headers = HeaderMap::new();
        let method: Method = method.parse().unwrap();
        lambda().decode(&WireRequest {
            method: &method,
            path,
            query,
            headers: &headers,
            body: Bytes::from(body.to_owned()),
        })
    }

    #[test]
    fn members_come_from_path_query_and_body() {
        let call = decode(
            "GET",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af",
            "Qualifier=a%2Bb",
            "",
        );
        assert!(call.is_err(), "a qualifier of a+b breaks its pattern");
        let call = decode("GET", "/2015-03-31/functions/f", "Qualifier=%24LATEST", "").unwrap();
        assert_eq!(call.input, json!({"FunctionName": "f", "Qualifier": "$LATEST"}));
        let call = decode(
            "PUT",
            "/2015-03-31/functions/f/configuration",
            "",
            r#"{"Timeout": 5.0, "Unknown": 1, "Description": null}"#,
        );
        assert_eq!(call.unwrap().input, json!({"FunctionName": "f", "Timeout": 5}));
    }

    #[test]
    fn wrong_types_say_what_and_where() {
        let error =
            decode("PUT", "/2015-03-31/functions/f/configuration", "", r#"{"Environment": {"Variables": {"A": 1}}}"#)
                .unwrap_err();
        assert_eq!(
            error.to_string(),
            "SerializationException: Environment.Variables.A must be a string, and is a number."
        );
        let error = decode("PUT", "/2015-03-31/functions/f/configuration", "", "{").unwrap_err();
        assert_eq!(error.code(), "InvalidRequestContentException");
    }

    #[test]
    fn the_event_is_not_looked_at() {
        let call = decode("POST", "/2015-03-31/functions/f/invocations", "", "not json").unwrap();
        assert_eq!(call.payload.unwrap(), "not json");
    }

    proptest! {
        #[test]
        fn nothing_panics(path in "/2015-03-31/functions/\\PC*", query in "\\PC*", body in "\\PC*") {
            let _ = decode("PUT", &format!("{path}/configuration"), &query, &body);
            let _ = decode("GET", &path, &query, "");
        }

        #[test]
        fn escapes_come_back(text in "\\PC*") {
            let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(percent_decode(&escaped), text);
        }
    }
}
