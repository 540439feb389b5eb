//! From a request on the wire to the members of an operation's input.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::cbor;
use crate::data::{Location, Member, Protocol, Shape};
use crate::error::ApiError;
use crate::service::{Call, Operation, Service, WireRequest};

/// Above this a float no longer tells whole numbers apart.
const WHOLE_FRACTION_MAX: f64 = 9_007_199_254_740_992.0;

impl Service {
    /// Finds the operation, gathers its members and checks them against the model.
    ///
    /// # Errors
    /// The error that AWS answers: an unknown operation, a body that is not what the model says, or every
    /// violated constraint in one message.
    pub fn decode(&'static self, request: &WireRequest<'_>) -> Result<Call, ApiError> {
        self.read_request(request).map_err(|error| self.in_own_words(error))
    }

    /// A service whose model has a word of its own for bad requests uses it for all of them.
    fn in_own_words(&self, error: ApiError) -> ApiError {
        const BAD_REQUEST: &str = "BadRequestException";
        let is_bad_request = ["ValidationException", "SerializationException"].contains(&error.code());
        match is_bad_request && self.shape(BAD_REQUEST).is_some_and(|shape| shape.exception) {
            true => ApiError::new(BAD_REQUEST, error.message()),
            false => error,
        }
    }

    fn read_request(&'static self, request: &WireRequest<'_>) -> Result<Call, ApiError> {
        let operation = match self.data.protocol {
            Protocol::Query => self.route_form(request.query, &request.body),
            Protocol::RestJson | Protocol::Json => {
                self.route(request.method, request.path, request.query, request.headers)
            }
        };
        let operation = operation
            .ok_or_else(|| ApiError::new("UnknownOperationException", "The requested operation is not known."))?;
        let Some(shape) = operation.data.input.as_deref().and_then(|name| self.shape(name)) else {
            return Ok(Call { operation, input: json!({}), payload: None });
        };
        if self.data.protocol == Protocol::Query {
            let mut input = self.read_form(shape, request.query, &request.body)?;
            if let Some(name) = self.data.path_member.as_ref().filter(|_| request.path != "/")
                && shape.members.iter().any(|member| member.name == *name)
                && input.get(name).is_none()
            {
                input[name] = Value::from(request.path);
            }
            self.validate(shape, &input)?;
            return Ok(Call { operation, input, payload: None });
        }
        let mut input = Map::new();
        for member in &shape.members {
            let text = match member.location {
                Location::Uri => {
                    let mut labels = operation.template.labels(request.path);
                    labels.find(|(label, _)| *label == member.wire_name()).map(|(_, text)| percent_decode(text))
                }
                Location::Header => {
                    request.headers.get(member.wire_name()).and_then(|value| value.to_str().ok()).map(Cow::Borrowed)
                }
                Location::Querystring if self.is_map(member) => {
                    self.gather_query_map(request.query, member, operation, shape, &mut input);
                    continue;
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

    fn is_map(&self, member: &Member) -> bool {
        self.shape(&member.shape).is_some_and(|shape| shape.kind == "map")
    }

    /// A map holds every parameter that neither another member nor the operation's path claims.
    fn gather_query_map(
        &self,
        query: &str,
        member: &Member,
        operation: &Operation,
        shape: &Shape,
        input: &mut Map<String, Value>,
    ) {
        let is_named = |name: &str| {
            let is_member = |one: &Member| one.location == Location::Querystring && one.wire_name() == name;
            shape.members.iter().any(is_member) || operation.template.names_in_query(name)
        };
        let pairs =
            query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let pairs =
            pairs.map(|(name, value)| (percent_decode(name), percent_decode(&value.replace('+', "%20")).into_owned()));
        let entries: Map<String, Value> = pairs
            .filter(|(name, _)| !is_named(name))
            .map(|(name, value)| (name.into_owned(), Value::String(value)))
            .collect();
        if !entries.is_empty() {
            input.insert(member.name.clone(), Value::Object(entries));
        }
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
            if self.shape(&member.shape).is_none_or(|shape| shape.kind != "structure") {
                return Ok(Some(body.clone()));
            }
            if !body.is_empty() {
                input.insert(member.name.clone(), self.coerce(&member.shape, self.parse(body)?, &member.name)?);
            }
            return Ok(None);
        }
        if body.is_empty() || shape.members.iter().all(|member| member.location != Location::Body) {
            return Ok(None);
        }
        let mut parsed = match self.parse(body)? {
            Value::Object(parsed) => parsed,
            other => return Err(wrong_type("the body", "an object", &other)),
        };
        for member in shape.members.iter().filter(|member| member.location == Location::Body) {
            // A null is as good as absent.
            if let Some(value) = parsed.remove(member.wire_name()).filter(|value| !value.is_null()) {
                input.insert(member.name.clone(), self.coerce(&member.shape, value, &member.name)?);
            }
        }
        Ok(None)
    }

    fn parse(&self, body: &[u8]) -> Result<Value, ApiError> {
        if self.data.is_cbor { cbor::read(body) } else { parse_json(body) }
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
            (kind @ ("integer" | "long"), Value::Number(number)) => match whole(&number, kind) {
                Some(number) => Ok(json!(number)),
                None => Err(wrong_type(path, expected(kind), &Value::Number(number))),
            },
            ("double" | "float" | "timestamp", value @ Value::Number(_)) => Ok(value),
            ("timestamp", Value::String(text)) => match epoch_seconds(&text) {
                Some(seconds) => Ok(json!(seconds)),
                None => Err(wrong_type(path, expected("timestamp"), &Value::String(text))),
            },
            (kind, value) => Err(wrong_type(path, expected(kind), &value)),
        }
    }

    /// A member that travelled as text.
    fn scalar(&self, member: &Member, text: &str) -> Result<Value, ApiError> {
        self.scalar_of(self.shape(&member.shape), text, &member.name)
    }

    /// A value that travelled as text.
    pub(crate) fn scalar_of(&self, shape: Option<&Shape>, text: &str, path: &str) -> Result<Value, ApiError> {
        let kind = shape.map_or("string", |shape| shape.kind.as_str());
        let bad = || wrong_type(path, expected(kind), &Value::String(text.to_owned()));
        match kind {
            "integer" | "long" => {
                text.parse().ok().and_then(|number| whole(&number, kind)).map(Value::from).ok_or_else(bad)
            }
            "double" | "float" => text.parse::<f64>().map(Value::from).map_err(|_| bad()),
            "boolean" => text.to_ascii_lowercase().parse::<bool>().map(Value::from).map_err(|_| bad()),
            "timestamp" => epoch_seconds(text).map(Value::from).ok_or_else(bad),
            _ => Ok(Value::String(text.to_owned())),
        }
    }
}

fn parse_json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::new("SerializationException", format!("The body is not valid JSON: {error}.")))
}

/// A number without a fraction that fits its kind; `5.0` is 5.
fn whole(number: &serde_json::Number, kind: &str) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    let from_fraction = |value: f64| (value.fract() == 0.0 && value.abs() < WHOLE_FRACTION_MAX).then_some(value as i64);
    let value = number.as_i64().or_else(|| number.as_f64().and_then(from_fraction))?;
    (kind == "long" || i32::try_from(value).is_ok()).then_some(value)
}

/// Seconds since 1970 out of `1767323045.5` or `2026-01-02T03:04:05.5Z`.
fn epoch_seconds(text: &str) -> Option<f64> {
    let from_date = || text.parse::<jiff::Timestamp>().ok().map(|time| time.as_duration().as_secs_f64());
    text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()).or_else(from_date)
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
#[must_use]
pub fn percent_decode(text: &str) -> Cow<'_, str> {
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
mod tests;
