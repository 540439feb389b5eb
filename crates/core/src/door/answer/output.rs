//! A function's output as JSON, and the members that all doors read from it.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::members::members;
use super::{AnswerHead, Door, HttpAnswer, Malformed};
use crate::door::header::{AnswerHeaders, may_have_body};

/// The members of an output that is an object.
#[derive(Clone, Debug)]
pub(in crate::door) struct Output {
    members: Map<String, Value>,
}

impl Output {
    /// # Errors
    /// When it is no JSON or no object.
    pub(in crate::door) fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        match json(payload)? {
            Value::Object(members) => Ok(Self { members }),
            other => Err(Malformed::new(format!("it must be a JSON object, not {}", kind(&other)))),
        }
    }

    /// None for valid JSON that is no object with `statusCode`: the body itself, where the door infers answers.
    ///
    /// # Errors
    /// When it is no JSON.
    pub(in crate::door) fn with_status(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        let members = members(payload)?;
        Ok(members
            .filter(|members| members.get("statusCode").is_some_and(|status| !status.is_null()))
            .map(|members| Self { members }))
    }

    /// A member that is there and not null.
    fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// `statusCode`: a whole number or its text. Interim statuses (1xx) end no request, so that none is taken.
    ///
    /// # Errors
    /// When it is there and no status.
    pub(in crate::door) fn status(&self) -> Result<Option<u16>, Malformed> {
        let Some(value) = self.member("statusCode") else { return Ok(None) };
        let number = match value {
            Value::Number(number) => whole(number),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.and_then(|number| u16::try_from(number).ok()) {
            Some(status) if (200..=599).contains(&status) => Ok(Some(status)),
            _ => Err(Malformed::new(format!("statusCode must be a whole number from 200 to 599, not {value}"))),
        }
    }

    /// As [`Output::status`], for doors that need one.
    ///
    /// # Errors
    /// When it is missing or no status.
    pub(super) fn required_status(&self) -> Result<u16, Malformed> {
        self.status()?.ok_or_else(|| Malformed::new("statusCode is missing"))
    }

    /// `headers` as pairs; a value that is null is left out.
    ///
    /// # Errors
    /// When it is no object of texts, numbers and booleans.
    pub(in crate::door) fn headers(&self) -> Result<Vec<(String, String)>, Malformed> {
        let mut pairs = Vec::new();
        for (name, value) in self.object("headers")? {
            if !value.is_null() {
                pairs.push((name.clone(), scalar(value, &format!("headers.{name}"))?));
            }
        }
        Ok(pairs)
    }

    /// `multiValueHeaders` as pairs.
    ///
    /// # Errors
    /// When it is no object of lists of texts, numbers and booleans.
    pub(in crate::door) fn multi_value_headers(&self) -> Result<Vec<(String, String)>, Malformed> {
        let mut pairs = Vec::new();
        for (name, values) in self.object("multiValueHeaders")? {
            let place = format!("multiValueHeaders.{name}");
            match values {
                Value::Null => {}
                Value::Array(values) => {
                    for value in values {
                        pairs.push((name.clone(), scalar(value, &place)?));
                    }
                }
                other => return Err(Malformed::new(format!("{place} must be a list, not {}", kind(other)))),
            }
        }
        Ok(pairs)
    }

    /// `multiValueHeaders`, then what `headers` has beside them: API Gateway's merge, in which a pair that is in
    /// both goes out once.
    ///
    /// # Errors
    /// As the two have them.
    pub(in crate::door) fn merged_headers(&self) -> Result<Vec<(String, String)>, Malformed> {
        let mut pairs = self.multi_value_headers()?;
        let key = |name: &str, value: &str| (name.to_ascii_lowercase(), value.to_owned());
        let many: HashSet<(String, String)> = pairs.iter().map(|(name, value)| key(name, value)).collect();
        pairs.extend(self.headers()?.into_iter().filter(|(name, value)| !many.contains(&key(name, value))));
        Ok(pairs)
    }

    /// `cookies`, each the value of one `set-cookie`.
    ///
    /// # Errors
    /// When it is no list of texts.
    pub(in crate::door) fn cookies(&self) -> Result<Vec<String>, Malformed> {
        let cookies = match self.member("cookies") {
            None => return Ok(Vec::new()),
            Some(Value::Array(cookies)) => cookies,
            Some(other) => return Err(Malformed::new(format!("cookies must be a list, not {}", kind(other)))),
        };
        let text = |cookie: &Value| match cookie {
            Value::String(text) => Ok(text.clone()),
            other => Err(Malformed::new(format!("cookies must hold strings, not {}", kind(other)))),
        };
        cookies.iter().map(text).collect()
    }

    /// `statusDescription`, for example `200 OK`, without the status.
    ///
    /// # Errors
    /// When it is no text that a status line can hold.
    pub(super) fn reason(&self, status: u16) -> Result<Option<String>, Malformed> {
        let text = match self.member("statusDescription") {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(other) => {
                return Err(Malformed::new(format!("statusDescription must be a string, not {}", kind(other))));
            }
        };
        if text.bytes().any(|byte| !(byte == b' ' || byte.is_ascii_graphic())) {
            return Err(Malformed::new("statusDescription holds what a status line must not hold"));
        }
        let reason = text.strip_prefix(&status.to_string()).unwrap_or(text).trim();
        Ok(if reason.is_empty() { None } else { Some(reason.to_owned()) })
    }

    /// `isBase64Encoded`; REST APIs also know it as `base64Encoded`.
    ///
    /// # Errors
    /// When it is neither a boolean nor the text of one.
    pub(super) fn is_base64(&self) -> Result<bool, Malformed> {
        match self.member("isBase64Encoded").or_else(|| self.member("base64Encoded")) {
            None => Ok(false),
            Some(Value::Bool(is_base64)) => Ok(*is_base64),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(other) => Err(Malformed::new(format!("isBase64Encoded must be true or false, not {other}"))),
        }
    }

    /// `body`, decoded if it is base64 and `decodes`.
    ///
    /// # Errors
    /// When it is a list or an object, or is to be decoded and no base64.
    pub(super) fn body(&self, decodes: bool) -> Result<Vec<u8>, Malformed> {
        let Some(body) = self.member("body") else { return Ok(Vec::new()) };
        let text = scalar(body, "body")?;
        if !(decodes && self.is_base64()?) {
            return Ok(text.into_bytes());
        }
        let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        STANDARD.decode(text).map_err(|error| Malformed::new(format!("body is marked as base64 and is none: {error}")))
    }

    fn object(&self, name: &str) -> Result<impl Iterator<Item = (&String, &Value)>, Malformed> {
        match self.member(name) {
            None => Ok(None.into_iter().flatten()),
            Some(Value::Object(members)) => Ok(Some(members).into_iter().flatten()),
            Some(other) => Err(Malformed::new(format!("{name} must be an object, not {}", kind(other)))),
        }
    }
}

/// The head that these headers and cookies make.
///
/// # Errors
/// A header that cannot be sent, or too many.
pub(in crate::door) fn head(
    door: Door,
    status: u16,
    headers: &[(String, String)],
    cookies: &[String],
) -> Result<AnswerHead, Malformed> {
    let mut collected = AnswerHeaders::new(door);
    for (name, value) in headers {
        collected.add(name, value)?;
    }
    for cookie in cookies {
        collected.add("set-cookie", cookie)?;
    }
    Ok(AnswerHead { status, headers: collected.finish(status) })
}

/// The answer with a body, which statuses that have none lose.
pub(super) fn answer(head: AnswerHead, reason: Option<String>, body: Vec<u8>) -> HttpAnswer {
    let AnswerHead { status, headers } = head;
    HttpAnswer { status, reason, headers, body: if may_have_body(status) { body } else { Vec::new() } }
}

/// # Errors
/// When it is no JSON.
pub(in crate::door) fn json(payload: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(payload).map_err(|error| Malformed::new(format!("it is not valid JSON: {error}")))
}

pub(in crate::door) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A text, or a number or boolean as its text.
fn scalar(value: &Value, place: &str) -> Result<String, Malformed> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => Err(Malformed::new(format!("{place} must be a string, not {}", kind(other)))),
    }
}

/// Also of `200.0`, which languages without whole numbers write.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let text = number.to_string();
        text.strip_suffix(".0").and_then(|whole| whole.parse().ok())
    })
}
