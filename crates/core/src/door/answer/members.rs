//! The members of an output that make an answer, read without keeping the others: an output may be a whole document
//! that only goes through.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::Malformed;

/// What answers in format 2.0 are made of.
const MEMBERS: [&str; 7] =
    ["statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded", "base64Encoded"];

/// Those members of an object; none for other JSON. The last one counts of those that stand there twice.
///
/// # Errors
/// When it is no JSON.
pub(super) fn members(payload: &[u8]) -> Result<Option<Map<String, Value>>, Malformed> {
    let not_json = |error: &dyn fmt::Display| Malformed::new(format!("it is not valid JSON: {error}"));
    let text = std::str::from_utf8(payload).map_err(|error| not_json(&error))?;
    if text.trim_start().starts_with('{') {
        let Members(members) = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        return Ok(Some(members));
    }
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(&error))?;
    Ok(None)
}

struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(Map::new()))
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Self, A::Error> {
        while let Some(Name(name)) = object.next_key()? {
            match name {
                Some(name) => {
                    self.0.insert(name.to_owned(), object.next_value()?);
                }
                None => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(self)
    }
}

/// The name of a member; none for one that makes no answer.
struct Name(Option<&'static str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Name(None))
    }
}

impl Visitor<'_> for Name {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self, E> {
        Ok(Self(MEMBERS.into_iter().find(|member| *member == name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_checked_and_not_kept() {
        let read = |text: &str| members(text.as_bytes()).unwrap().map(Value::Object);
        let given = r#" {"a":[1,{"body":2}],"statusCode":1,"\u0062ody":"x","z":null,"statusCode":200} "#;
        assert_eq!(read(given), Some(serde_json::json!({"statusCode": 200, "body": "x"})));
        for other in ["[{\"statusCode\":200}]", "\"{\"", "null", " 1"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_json_is_none() {
        let texts: [&[u8]; 9] =
            [b"", b"{", b"{}x", b"[1,]", b"nul", b"{\"a\":tru}", b"{\"a\":\"\xff\"}", b"\"\xff\"", b"{1:2}"];
        for text in texts {
            let why = members(text).unwrap_err().why;
            assert!(why.starts_with("it is not valid JSON: "), "{why}");
        }
    }
}
